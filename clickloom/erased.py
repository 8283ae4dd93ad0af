"""The rows of a person who is erased: deleted, and noted so that the ledger's sums hold."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clickloom.durations import BOUNDS_S
from clickloom.errors import ServerUnavailable
from clickloom.keys import Person
from clickloom.person import digest, mentions, probe
from clickloom.wire import EntryId

POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows are gone."""

    clicks: int
    sessions: int
    late: int
    rejected: int


async def delete_rows(
    engine: AsyncEngine, person: Person, markers: Mapping[int, EntryId], changelogs: Sequence[str], *, deadline: float
) -> Erased:
    """Delete what is of clicks up to the markers, by partition: sessions first, while the clicks tell which these are.

    Sessions are a transaction of their own, for it holds up the persister; the other takes as long as it takes to find
    a person in `clicks`. The ledger balances after either.

    Raises ServerUnavailable if the persister does not come to rest before the deadline.
    """
    values: dict[str, Any] = {
        "user": person.user_id,
        "site": person.site_id,
        "partitions": list(markers),
        "ms": [milliseconds for milliseconds, _ in markers.values()],
        "seq": [sequence for _, sequence in markers.values()],
        "first_ms": min(markers.values())[0],
    }
    async with engine.begin() as connection:
        await _hold(connection, changelogs, deadline)
        sessions = await _delete_sessions(connection, values)
    async with engine.begin() as connection:
        await connection.execute(text(_WITHOUT_LIMIT))
        clicks = await _count(connection, _CLICKS, values)
        late = await _count(connection, _LATE, values)
        rejected = await _delete_rejected(connection, person)
        erased = Erased(clicks, sessions, late, rejected)
        await connection.execute(text(_NOTE), {"person": digest(person), **asdict(erased)})
    return erased


async def _hold(connection: AsyncConnection, changelogs: Sequence[str], deadline: float) -> None:
    """Let no session be written until the end of the transaction, and all clicks of those that are.

    So a session that began after the erasure is known by its first click, and stays.
    """
    streams = {"streams": list(changelogs)}
    await connection.execute(text(_WITHOUT_LIMIT))
    await connection.execute(
        text("SELECT 1 FROM stream_cursors WHERE stream = ANY(:streams) ORDER BY stream FOR UPDATE"), streams
    )
    while (await connection.execute(text(_BEHIND), streams)).scalar():
        if time.monotonic() > deadline:
            raise ServerUnavailable(
                "not erased yet: the persister writes clicks later than their sessions; give the command again"
            )
        await asyncio.sleep(POLL_S)


async def _count(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> int:
    return int((await connection.execute(text(statement), values)).scalar() or 0)


_WITHOUT_LIMIT = "SET LOCAL statement_timeout = 0"
_BEHIND = """
SELECT count(*) FROM ledger_streams its JOIN ledger_streams clicks ON clicks.stream = its.counts
WHERE its.stream = ANY(:streams) AND (clicks.counted_ms, clicks.counted_seq) < (its.counted_ms, its.counted_seq)
"""

_MARKERS = """marker AS (
    SELECT * FROM unnest(CAST(:partitions AS int[]), CAST(:ms AS bigint[]), CAST(:seq AS bigint[]))
        AS marker (partition, ms, seq)
)"""
_THEIRS = "user_id = :user AND site_id = coalesce(:site, site_id)"

# Also rows of a partition that is none any more, from before PARTITIONS was changed.
_CLICKS = f"""
WITH {_MARKERS}, gone AS (
    DELETE FROM clicks WHERE {_THEIRS} AND NOT EXISTS (
        SELECT FROM marker WHERE marker.partition = clicks.partition AND (entry_ms, entry_seq) > (ms, seq)
    ) RETURNING partition, entry_ms, entry_seq, site_id
), noted AS (
    INSERT INTO erased_rows (kind, partition, entry_ms, entry_seq, site_id, rows)
    SELECT 'clicks', partition, entry_ms, entry_seq, site_id, count(*) FROM gone GROUP BY 2, 3, 4, 5
)
SELECT count(*) FROM gone
"""

# What begins at a click from after the erasure, and at none from before, stays.
_SESSIONS = f"""
WITH {_MARKERS}, later AS (
    SELECT site_id, device_id, client_timestamp FROM clicks JOIN marker USING (partition)
    WHERE {_THEIRS} AND entry_ms >= :first_ms AND (entry_ms, entry_seq) > (ms, seq) AND NOT EXISTS (
        SELECT FROM clicks before
        WHERE (before.site_id, before.user_id, before.device_id) = (clicks.site_id, clicks.user_id, clicks.device_id)
            AND before.client_timestamp = clicks.client_timestamp
            AND (before.entry_ms, before.entry_seq) <= (ms, seq)
    )
), gone AS (
    DELETE FROM sessions WHERE {_THEIRS} AND NOT EXISTS (
        SELECT FROM later WHERE later.site_id = sessions.site_id AND later.device_id = sessions.device_id
            AND later.client_timestamp = sessions.begin_session
    ) RETURNING sessions.*
)
INSERT INTO gone_sessions SELECT * FROM gone
"""
_GONE = "CREATE TEMP TABLE gone_sessions (LIKE sessions) ON COMMIT DROP"
_NOTE_SESSIONS = """
INSERT INTO erased_rows (kind, "window", site_id, rows)
SELECT 'sessions', "window", site_id, sum(events) FROM gone_sessions GROUP BY 2, 3
"""
_PLACE = '"window", bucket, site_id, device_type, begin_navigation'
_SAME = " AND ".join(f"kept.{name} = less.{name}" for name in _PLACE.split(", "))
_SUMS = ("sessions", "events", "duration_sec", "bounces", "conversions", "orders", "revenue")
# `width_bucket` gives what `class_of` does (clickloom/durations.py), from 1 on.
_ROLLUPS = f"""
WITH classed AS (
    SELECT "window", to_timestamp(floor(extract(epoch FROM begin_session) / 300) * 300) AS bucket, site_id,
        device_type, begin_navigation, width_bucket(duration_sec, CAST(:bounds AS int[])) AS class,
        count(*) AS sessions, sum(events) AS events, sum(duration_sec) AS duration_sec,
        count(*) FILTER (WHERE bounced) AS bounces, count(*) FILTER (WHERE converted) AS conversions,
        sum(orders) AS orders, sum(revenue) AS revenue
    FROM gone_sessions GROUP BY {_PLACE}, class
), less AS (
    SELECT {_PLACE}, jsonb_object_agg(class, sessions) AS classes,
        {", ".join(f"sum({name}) AS {name}" for name in _SUMS)}
    FROM classed GROUP BY {_PLACE}
)
UPDATE session_rollups kept SET {", ".join(f"{name} = kept.{name} - less.{name}" for name in _SUMS)},
    durations = ARRAY(
        SELECT count - coalesce(CAST(less.classes ->> CAST(class AS text) AS int), 0)
        FROM unnest(kept.durations) WITH ORDINALITY AS counted (count, class) ORDER BY class
    )
FROM less WHERE {_SAME}
"""
# A place of which nothing is left looks as if nothing had ever been there.
_CLEAR = f"""
DELETE FROM session_rollups kept USING (
    SELECT DISTINCT "window", to_timestamp(floor(extract(epoch FROM begin_session) / 300) * 300) AS bucket, site_id,
        device_type, begin_navigation FROM gone_sessions
) AS less WHERE {_SAME} AND sessions = 0
"""
# Its days' breakdowns may tell of the person, until they are counted anew.
_UNCOUNTED = """
WITH days AS (
    INSERT INTO breakdown_days AS known ("window", site_id, day, changed, changed_at)
    SELECT DISTINCT "window", site_id, CAST(begin_session AT TIME ZONE 'UTC' AS date), 1, now() FROM gone_sessions
    ON CONFLICT ("window", site_id, day) DO UPDATE SET changed = known.changed + 1, changed_at = now(), counted = 0
    RETURNING "window", site_id, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS midnight
)
DELETE FROM breakdowns USING days
WHERE breakdowns."window" = days."window" AND breakdowns.site_id = days.site_id
    AND bucket >= midnight AND bucket < midnight + interval '1 day'
"""


# What waits for the archive: it is not told of what it would have to forget at once. That a session which it may have
# is no more it must hear, but of the row it needs uid and begin alone.
_ERASED = f"{_THEIRS} AND session_uid NOT IN (SELECT session_uid FROM sessions WHERE {_THEIRS})"
_UNTOLD = f"DELETE FROM session_changes WHERE NOT revoked AND {_ERASED}"
_NAMELESS = f"""
UPDATE session_changes SET user_id = '', device_id = '', session_id = '', path = '{{}}', path_offsets_us = '{{}}',
    entry_url = NULL, referrer = NULL, utm_source = NULL, utm_medium = NULL, utm_campaign = NULL, experiments = NULL
WHERE revoked AND {_ERASED}
"""
# What triggers have fired, delivered or not; whoever has received it has to be told by others.
_FIRINGS = f"DELETE FROM trigger_firings WHERE {_THEIRS}"


async def _delete_sessions(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """And take them from the rollups; nobody else moves these meanwhile, for the changelogs are held."""
    await connection.execute(text(_GONE))
    gone = await connection.execute(text(_SESSIONS), values)
    await connection.execute(text(_NOTE_SESSIONS))
    await connection.execute(text(_ROLLUPS), {"bounds": list(BOUNDS_S)})
    await connection.execute(text(_CLEAR))
    await connection.execute(text(_UNCOUNTED))
    for statement in (_UNTOLD, _NAMELESS, _FIRINGS):
        await connection.execute(text(statement), values)
    return gone.rowcount


_LATE = f"""
WITH {_MARKERS}, gone AS (
    DELETE FROM late_clicks WHERE {_THEIRS} AND NOT EXISTS (
        SELECT FROM ledger_streams JOIN marker USING (partition)
        WHERE ledger_streams.stream = late_clicks.stream AND (entry_ms, entry_seq) > (ms, seq)
    ) RETURNING stream, entry_ms, entry_seq, site_id
), noted AS (
    INSERT INTO erased_rows (kind, stream, entry_ms, entry_seq, site_id, rows)
    SELECT 'late', stream, entry_ms, entry_seq, site_id, count(*) FROM gone GROUP BY 2, 3, 4, 5
)
SELECT count(*) FROM gone
"""

_CANDIDATES = """
SELECT stream, entry_ms, entry_seq, entry_row, payload FROM rejected_events
WHERE coalesce(site_id = :site, true) AND position(:probe IN payload) > 0
"""
_REJECTED = """
WITH one AS (
    SELECT * FROM unnest(CAST(:streams AS text[]), CAST(:ms AS bigint[]), CAST(:seq AS bigint[]), CAST(:rows AS int[]))
        AS one (stream, entry_ms, entry_seq, entry_row)
), gone AS (
    DELETE FROM rejected_events USING one
    WHERE (rejected_events.stream, rejected_events.entry_ms, rejected_events.entry_seq, rejected_events.entry_row)
        = (one.stream, one.entry_ms, one.entry_seq, one.entry_row)
    RETURNING rejected_events.stream, rejected_events.entry_ms, rejected_events.entry_seq, site_id, code
), noted AS (
    INSERT INTO erased_rows (kind, stream, entry_ms, entry_seq, site_id, rows)
    SELECT CASE code WHEN 'refused_by_postgres' THEN 'refused' ELSE 'rejected' END,
        stream, entry_ms, entry_seq, site_id, count(*)
    FROM gone WHERE site_id IS NOT NULL GROUP BY 1, 2, 3, 4, 5
)
SELECT count(*) FROM gone
"""


async def _delete_rejected(connection: AsyncConnection, person: Person) -> int:
    """Those whose payload names the user. What came as no click has no column for that."""
    found: list[Sequence[Any]] = []
    candidates = await connection.stream(text(_CANDIDATES), {"site": person.site_id, "probe": probe(person.user_id)})
    async for *position, payload in candidates:
        if mentions(payload, person.user_id):
            found.append(position)
    if not found:
        return 0
    columns = dict(zip(("streams", "ms", "seq", "rows"), map(list, zip(*found, strict=True)), strict=True))
    return await _count(connection, _REJECTED, columns)


_NOTE = """
INSERT INTO erasures (erased_at, person, clicks, sessions, late, rejected)
VALUES (now(), :person, :clicks, :sessions, :late, :rejected)
"""
