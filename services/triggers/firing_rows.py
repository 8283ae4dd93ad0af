"""Firings into Postgres, in the caller's transaction, which holds the stream's lock: once a trigger and session.

A late click can move a session's begin, join two, or part one; then it has another uid. But it overlaps what it was,
and two sessions of one visitor never do. So a trigger that has fired for a session of that visitor and time has fired.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from clickloom.times import to_datetime
from clickloom.triggers.table import COLUMNS
from clickloom.triggers.trigger import Trigger
from services.triggers.decisions import Fired, body_of

Connection = AsyncConnection[tuple[Any, ...]]

_LOCK = "SELECT cursor FROM trigger_cursors WHERE stream = %s FOR UPDATE SKIP LOCKED"
_FIRST = "INSERT INTO trigger_cursors (stream, cursor, updated_at) VALUES (%s, %s, now()) ON CONFLICT DO NOTHING"

_INSERT = """
INSERT INTO trigger_firings (firing_id, trigger_id, session_uid, site_id, user_id, device_id, begin_session,
    end_session, fired_at, body, state, attempts, due_at)
SELECT %(firing_id)s, %(trigger_id)s, %(session_uid)s, %(site_id)s, %(user_id)s, %(device_id)s, %(begin)s, %(end)s,
    now(), %(body)s, 'pending', 0, now()
WHERE NOT EXISTS (
    SELECT FROM trigger_firings WHERE trigger_id = %(trigger_id)s AND user_id = %(user_id)s
        AND device_id = %(device_id)s AND site_id = %(site_id)s
        AND begin_session <= %(end)s AND end_session >= %(begin)s
)
ON CONFLICT (trigger_id, session_uid) DO NOTHING
"""


async def lock_stream(connection: Connection, stream: str, start: str) -> str | None:
    """The changelog's cursor, ours until the end of the transaction; None if another process has it."""
    await connection.execute(_FIRST, [stream, start])
    found = await (await connection.execute(_LOCK, [stream])).fetchone()
    return None if found is None else str(found[0])


async def move_cursor(connection: Connection, stream: str, cursor: str) -> None:
    await connection.execute(
        "UPDATE trigger_cursors SET cursor = %s, updated_at = now() WHERE stream = %s", [cursor, stream]
    )


async def enabled_triggers(connection: Connection) -> list[Trigger]:
    """They stay until the end of the transaction."""
    async with connection.cursor(row_factory=dict_row) as rows:
        await rows.execute(f"SELECT {COLUMNS} FROM triggers WHERE enabled ORDER BY created_at FOR KEY SHARE".encode())
        return [Trigger.of(row) for row in await rows.fetchall()]


async def write_firings(connection: Connection, fired: Sequence[Fired], *, now_us: int) -> int:
    """Those that have not fired before; how many."""
    if not fired:
        return 0
    async with connection.cursor() as cursor:
        await cursor.executemany(_INSERT, [_row(one, now_us) for one in fired])
        return cursor.rowcount


def _row(fired: Fired, now_us: int) -> dict[str, Any]:
    session = fired.session
    return {
        "firing_id": uuid4(),
        "trigger_id": fired.trigger.trigger_id,
        "session_uid": session.session_uid,
        "site_id": session.site_id,
        "user_id": session.user_id,
        "device_id": session.device_id,
        "begin": to_datetime(session.begin_us),
        "end": to_datetime(session.end_us),
        "body": body_of(fired, now_us=now_us),
    }
