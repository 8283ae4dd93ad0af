"""What the ledger was told, beside what the tables hold: every number of one snapshot, each sum counted anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clickloom.times import from_datetime
from clickloom.wire import EntryId

LONGEST_S = 60  # that a recount may take

Rows = Sequence[RowMapping]


@dataclass(frozen=True, slots=True)
class Span:
    """Whole minutes, by the ids of stream entries; the end is exclusive. No site: all of them."""

    begin: datetime
    end: datetime
    windows: Sequence[str]
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recount:
    as_of: datetime
    minutes: Rows  # of each minute and site: received, rejected, rejected_rows, click_rows
    windows: Rows  # of each window, minute and site: clicks, click_rows, duplicates, late, late_rows, bots
    standing: Rows  # of each window and site, from the beginning: in_sessions, closed_events, open_events
    in_step: dict[str, bool]  # window → its changelogs are taken in whole, so that `standing` must hold
    counted: dict[str, EntryId]  # stream → up to where


async def recount(engine: AsyncEngine, span: Span) -> Recount:
    """Of a minute that not all readers have got to, only what all have read is counted, so that it must balance too."""
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with snapshot.connect() as connection:
        await connection.execute(text(f"SET LOCAL statement_timeout = '{LONGEST_S}s'"))
        streams = await _rows(connection, _STREAMS, span)
        return Recount(
            as_of=(await _rows(connection, "SELECT now()", span))[0]["now"],
            minutes=await _rows(connection, _MINUTES, span),
            windows=await _rows(connection, _WINDOWS, span),
            standing=await _rows(connection, _STANDING, span),
            in_step={
                window: all(row["in_step"] for row in streams if row["window"] == window) for window in span.windows
            },
            counted={row["stream"]: (row["counted_ms"], row["counted_seq"]) for row in streams},
        )


async def _rows(connection: AsyncConnection, statement: str, span: Span) -> Rows:
    values: dict[str, Any] = {
        "begin": span.begin,
        "end": span.end,
        "begin_ms": from_datetime(span.begin) // 1_000,
        "end_ms": from_datetime(span.end) // 1_000,
        "site": span.site_id,
        "windows": list(span.windows),
    }
    found = await connection.execute(text(statement), values)
    return found.mappings().all()


_STREAMS = """
SELECT stream, "window", counted_ms, counted_seq, told = cursor AS in_step
FROM ledger_streams JOIN stream_cursors USING (stream)
"""

_ENTERED = "entry_ms >= :begin_ms AND entry_ms < :end_ms AND site_id = coalesce(:site, site_id)"
_COUNTED = "minute >= :begin AND minute < :end AND site_id = coalesce(:site, site_id)"
_MINUTE = "to_timestamp(entry_ms / 60000 * 60)"

# The ledger's first minute is the first that is judged; and none of which retention has dropped rows.
_JUDGED = """minute >= (SELECT min(minute) FROM ledger) AND minute > (
    SELECT coalesce(to_timestamp(max(last_ms) / 60000 * 60), '-infinity') FROM dropped_rows
)"""

_MINUTES = f"""
WITH told AS (
    SELECT minute, site_id, sum(received)::bigint AS received, sum(rejected)::bigint AS rejected
    FROM ledger WHERE {_COUNTED} GROUP BY 1, 2
), kept AS (
    SELECT minute, site_id, sum(click_rows)::bigint AS click_rows FROM (
        SELECT {_MINUTE} AS minute, site_id, count(*) AS click_rows FROM clicks WHERE {_ENTERED} GROUP BY 1, 2
        UNION ALL SELECT {_MINUTE}, site_id, rows FROM erased_rows WHERE {_ENTERED} AND kind = 'clicks'
    ) AS ever GROUP BY 1, 2
), refused AS (
    SELECT minute, site_id, sum(rejected_rows)::bigint AS rejected_rows FROM (
        SELECT {_MINUTE} AS minute, site_id, count(*) AS rejected_rows
        FROM rejected_events WHERE {_ENTERED} GROUP BY 1, 2
        UNION ALL SELECT {_MINUTE}, site_id, rows FROM erased_rows WHERE {_ENTERED} AND kind IN ('rejected', 'refused')
    ) AS ever GROUP BY 1, 2
)
SELECT minute, site_id, coalesce(received, 0) AS received, coalesce(rejected, 0) AS rejected,
    coalesce(click_rows, 0) AS click_rows, coalesce(rejected_rows, 0) AS rejected_rows
FROM told FULL JOIN kept USING (minute, site_id) FULL JOIN refused USING (minute, site_id)
WHERE {_JUDGED}
ORDER BY minute DESC, site_id
"""

# Rows count as far as a window has read. Where the persister is behind that, the minutes from there on wait.
_WINDOWS = f"""
WITH reader AS (
    SELECT its.stream, its."window", its.partition, its.counts,
        its.first_ms, its.first_seq, its.counted_ms, its.counted_seq,
        CASE WHEN clicks.counted_ms IS NULL THEN 0
            WHEN (clicks.counted_ms, clicks.counted_seq) < (its.counted_ms, its.counted_seq)
            THEN clicks.counted_ms / 60000 * 60000 ELSE :end_ms END AS judged_ms
    FROM ledger_streams its LEFT JOIN ledger_streams clicks ON clicks.stream = its.counts
    WHERE its."window" = ANY(:windows)
), judged AS (
    SELECT "window", partition, to_timestamp(min(judged_ms) / 1000) AS until FROM reader GROUP BY 1, 2
), told AS (
    SELECT "window", minute, site_id, sum(clicks)::bigint AS clicks, sum(duplicates)::bigint AS duplicates,
        sum(late)::bigint AS late, sum(bots)::bigint AS bots
    FROM ledger_windows JOIN judged USING ("window", partition)
    WHERE {_COUNTED} AND minute < until GROUP BY 1, 2, 3
), entered AS (
    SELECT partition, NULL AS stream, entry_ms, entry_seq, site_id, count(*) AS click_rows
    FROM clicks WHERE {_ENTERED} GROUP BY 1, 3, 4, 5
    UNION ALL
    SELECT NULL, stream, entry_ms, entry_seq, site_id, 1
    FROM rejected_events WHERE {_ENTERED} AND code = 'refused_by_postgres'
    UNION ALL
    SELECT partition, stream, entry_ms, entry_seq, site_id, rows
    FROM erased_rows WHERE {_ENTERED} AND kind IN ('clicks', 'refused')
), kept AS (
    SELECT "window", {_MINUTE} AS minute, site_id, sum(click_rows)::bigint AS click_rows
    FROM entered JOIN reader ON entered.partition = reader.partition OR entered.stream = reader.counts
    WHERE entry_ms < judged_ms AND (entry_ms, entry_seq) >= (first_ms, first_seq)
        AND (entry_ms, entry_seq) <= (counted_ms, counted_seq)
    GROUP BY 1, 2, 3
), found AS (
    SELECT stream, entry_ms, site_id, 1 AS rows FROM late_clicks WHERE {_ENTERED}
    UNION ALL SELECT stream, entry_ms, site_id, rows FROM erased_rows WHERE {_ENTERED} AND kind = 'late'
), late AS (
    SELECT reader."window", {_MINUTE} AS minute, site_id, sum(rows)::bigint AS late_rows
    FROM found JOIN reader USING (stream) WHERE entry_ms < judged_ms GROUP BY 1, 2, 3
)
SELECT "window", minute, site_id, coalesce(clicks, 0) AS clicks, coalesce(click_rows, 0) AS click_rows,
    coalesce(duplicates, 0) AS duplicates, coalesce(told.late, 0) AS late, coalesce(late_rows, 0) AS late_rows,
    coalesce(bots, 0) AS bots
FROM told FULL JOIN kept USING ("window", minute, site_id) FULL JOIN late USING ("window", minute, site_id)
WHERE {_JUDGED}
ORDER BY "window", minute, site_id
"""

_STANDING = """
WITH told AS (
    SELECT "window", site_id, sum(clicks - duplicates - late - bots)::bigint AS in_sessions
    FROM ledger_windows GROUP BY 1, 2
), closed AS (
    SELECT "window", site_id, sum(events)::bigint AS closed_events FROM (
        SELECT "window", site_id, events FROM sessions
        UNION ALL SELECT "window", site_id, rows FROM erased_rows WHERE kind = 'sessions'
        UNION ALL SELECT "window", site_id, events FROM dropped_rows WHERE table_name = 'sessions'
    ) AS ever GROUP BY 1, 2
), open AS (
    SELECT "window", key AS site_id, sum(value::bigint)::bigint AS open_events
    FROM ledger_streams, jsonb_each_text(open_events) GROUP BY 1, 2
)
SELECT "window", site_id, coalesce(in_sessions, 0) AS in_sessions, coalesce(closed_events, 0) AS closed_events,
    coalesce(open_events, 0) AS open_events
FROM told FULL JOIN closed USING ("window", site_id) FULL JOIN open USING ("window", site_id)
WHERE "window" = ANY(:windows) AND site_id = coalesce(:site, site_id)
ORDER BY "window", site_id
"""
