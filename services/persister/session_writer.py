"""The changelog's − and + rows into `sessions`, and what they move in the rollups.

Of a session, the entry of the changelog that comes last holds, whatever the versions say: a sessionizer whose last
commits Redis has lost makes them anew, in other portions, so that an older version with newer clicks can come behind a
newer one. A row remembers its entry, so that reading a stream again takes nothing back; and how often the stream was
found to have lost entries, since what comes after a loss holds over all that was before.
"""

from collections.abc import Sequence
from typing import Any

from clickloom.tables import sessions
from clickloom.times import DAY_US, from_datetime, to_datetime
from services.persister.copying import copy_incoming, copy_packed, write_or_refuse
from services.persister.partitions import Connection, make_partitions, partition_of
from services.persister.rollups import Facts, Moves, facts_of
from services.persister.rows import Plus, Rows

_FACTS = (
    "s.begin_session, s.site_id, s.device_type, s.begin_navigation, s.duration_sec, s.events, s.bounced, s.converted,"
    " s.orders, s.revenue"
)
_SAME = 's."window" = {0}."window" AND s.begin_session = {0}.begin_session AND s.session_uid = {0}.session_uid'

_TAKE_BACK = f"""
DELETE FROM sessions s
USING unnest(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[])
    AS minus (session_uid, begin_session, told_ms, told_seq)
WHERE s."window" = %s AND s.begin_session = minus.begin_session AND s.session_uid = minus.session_uid
    AND (s.rollbacks, s.told_ms, s.told_seq) < (%s, minus.told_ms, minus.told_seq)
RETURNING {_FACTS}
"""
# Incoming rows that say nothing new: of an entry before the row's, or the row as it is.
_LEAVE_OUT = f"""
DELETE FROM incoming_sessions plus USING sessions s
WHERE {_SAME.format("plus")} AND (
    (s.rollbacks, s.told_ms, s.told_seq) > (plus.rollbacks, plus.told_ms, plus.told_seq)
    OR (s.*) IS NOT DISTINCT FROM (plus.*)
)
"""
_REPLACED = f"DELETE FROM sessions s USING incoming_sessions plus WHERE {_SAME.format('plus')} RETURNING {_FACTS}"
_INSERT = f"INSERT INTO sessions AS s SELECT * FROM incoming_sessions RETURNING {_FACTS}"


async def write_sessions(connection: Connection, rows: Rows, moves: Moves) -> None:
    """What it moves in the rollups, exactly the rows that have changed, is added to `moves`."""
    if rows.revoked or rows.sessions:
        # whatever the planner takes a large table for: a row is found by its key
        await connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
    if rows.revoked:
        await _take_back(connection, rows, moves)
    if rows.sessions:
        await _put(connection, rows, moves)


async def _take_back(connection: Connection, rows: Rows, moves: Moves) -> None:
    uids = [uid.hex() for uid in rows.revoked]
    begins = [to_datetime(minus.begin_us) for minus in rows.revoked.values()]
    milliseconds, sequences = zip(*(minus.entry for minus in rows.revoked.values()), strict=True)
    arguments = [uids, begins, list(milliseconds), list(sequences), rows.window, rows.rollbacks]
    await _move(connection, _TAKE_BACK, arguments, moves, -1)


async def _put(connection: Connection, rows: Rows, moves: Moves) -> None:
    found = list(rows.sessions.values())
    days = {row.session.begin_us // DAY_US for row in found}
    partitions = {partition_of("sessions", to_datetime(day * DAY_US).date()) for day in days}
    await make_partitions(connection, partitions)

    async def straight(part: Sequence[Plus]) -> None:
        await copy_packed(connection, "sessions", sessions, [row.packed for row in part])
        for row in part:
            moves.add(facts_of(row.session))

    async def around(part: Sequence[Plus]) -> None:
        await copy_incoming(connection, sessions, [row.packed for row in part], copy_packed)
        await connection.execute(_LEAVE_OUT)
        await _move(connection, _REPLACED, None, moves, -1)
        await _move(connection, _INSERT, None, moves, 1)

    for row, reason in await write_or_refuse(connection, found, straight=straight, around=around):
        del rows.sessions[row.session.uid]
        rows.refuse(row.position, row.session, reason)


async def _move(connection: Connection, statement: str, arguments: Any, moves: Moves, sign: int) -> None:
    changed: Any = await connection.execute(statement.encode(), arguments)
    for begin_session, *facts in await changed.fetchall():
        moves.add(Facts(from_datetime(begin_session), *facts), sign)
