"""What of each table is kept, and for how long: whole partitions are dropped, and what went is written down.

`dropped_rows` says what went, so that the ledger and `clickloom check rollups` know what is not there any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from psycopg import sql
from psycopg.errors import DeadlockDetected, LockNotAvailable

from services.persister.archive_hold import is_held
from services.persister.partitions import UNITS, Connection, partition_of

log = structlog.get_logger()

ROLLUPS = "session_rollups"


@dataclass(frozen=True, slots=True)
class Retention:
    """Days to keep, by table; what is not named is kept for ever."""

    days: Mapping[str, int]

    def cutoffs(self, today: date) -> Iterator[tuple[str, date]]:
        """(table, first day that is kept); of a table by months, the first of a month."""
        for table, days in self.days.items():
            first = today - timedelta(days=days)
            yield table, first.replace(day=1) if UNITS.get(table) != "day" else first


@dataclass(frozen=True, slots=True)
class Expired:
    """A partition of which nothing is to be kept; or old rows of a table that is not cut by time."""

    table: str
    name: str
    until: date  # exclusive
    size: int  # bytes on disk; of rows alone: not known, 0

    @property
    def is_partition(self) -> bool:
        return self.name not in (ROLLUPS, f"{self.table}_default")


async def expired(connection: Connection, retention: Retention, today: date) -> list[Expired]:
    """What is older than it should be, the oldest first."""
    found = []
    for table, cutoff in retention.cutoffs(today):
        if table in UNITS:
            found += [one for one in await _partitions(connection, table) if one.until <= cutoff]
        rest = ROLLUPS if table == ROLLUPS else f"{table}_default"
        column = _COLUMNS[table]
        query = f"SELECT EXISTS (SELECT FROM {rest} WHERE {column} < %s)"
        [(there,)] = await _rows(connection, query, [_midnight(cutoff)])
        if there:
            found.append(Expired(table, rest, cutoff, 0))
    return found


async def _partitions(connection: Connection, table: str) -> list[Expired]:
    """Those that `make_partitions` makes, by their names; any other is nobody's to drop."""
    rows = await _rows(
        connection,
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class JOIN pg_inherits ON inhrelid = oid"
        " WHERE inhparent = %s::regclass ORDER BY relname",
        [table],
    )
    found = []
    for name, size in rows:
        digits = name.removeprefix(f"{table}_")
        if digits.isdecimal() and len(digits) in (6, 8):
            begin = date(int(digits[:4]), int(digits[4:6]), int(digits[6:] or 1))
            found.append(Expired(table, name, partition_of(table, begin).end, size))
    return found


async def drop_expired(connection: Connection, retention: Retention, today: date) -> list[Expired]:
    """Drop it, each in a transaction of its own; what is in use is left for the next time. Returns what was dropped.

    Any number of processes may do this at once: one does it.
    """
    dropped = []
    async with connection.transaction():
        found = await expired(connection, retention, today)
    for one in found:
        try:
            async with connection.transaction():
                if await _drop(connection, one):
                    dropped.append(one)
                    log.info("retention.dropped", table=one.table, name=one.name, until=one.until.isoformat())
        except (LockNotAvailable, DeadlockDetected):
            log.info("retention.busy", name=one.name)
    return dropped


async def _drop(connection: Connection, one: Expired) -> bool:
    """Count what is there, write that down, drop it. Nobody can write to it meanwhile; who reads is waited for."""
    [(mine,)] = await _rows(connection, "SELECT pg_try_advisory_xact_lock(hashtext('clickloom retention'))", None)
    if not mine or not await _rows(connection, "SELECT 1 FROM pg_class WHERE relname = %s", [one.name]):
        return False
    name = sql.Identifier(one.name)
    await connection.execute("SET LOCAL lock_timeout = '5s'")
    await connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))
    if await is_held(connection, one.table, one.name):
        log.warning("retention.waits", name=one.name, reason="the archive has not written all of it")
        return False
    gone = sql.SQL("SELECT * FROM {}").format(name)
    if not one.is_partition:
        where = sql.SQL("DELETE FROM {} WHERE {} < {} RETURNING *")
        gone = where.format(name, sql.Identifier(_COLUMNS[one.table]), _midnight(one.until))
    await connection.execute(
        sql.SQL(_COUNTED).format(gone, sql.SQL(_KINDS[one.table]), one.table, _midnight(one.until))
    )
    if one.table == ROLLUPS:
        await _forget_days(connection, _midnight(one.until))
    if one.table in _ENTERED:
        await _forget_minutes(connection)
    if one.is_partition:
        await connection.execute(sql.SQL("DROP TABLE {}").format(name))
    return True


# By which column a table is cut, and what is counted of it: window, site, events, and the last stream entry.
_COLUMNS = {
    "clicks": "arrived_at",
    "late_clicks": "arrived_at",
    "rejected_events": "rejected_at",
    "sessions": "begin_session",
    ROLLUPS: "bucket",
}
_ENTERED = ("clicks", "late_clicks", "rejected_events")
_KINDS: dict[str, Any] = {
    **dict.fromkeys(_ENTERED, "'', '', count(*), 0, max(entry_ms)"),
    "sessions": '"window", site_id, count(*), sum(events), NULL::bigint',
    ROLLUPS: "'', '', count(*), 0, NULL::bigint",
}
_COUNTED = """
WITH gone AS ({0})
INSERT INTO dropped_rows AS known ("window", site_id, rows, events, last_ms, table_name, until, dropped_at)
SELECT counted.*, {2}, {3}, now() FROM (SELECT {1} FROM gone GROUP BY 1, 2) AS counted
ON CONFLICT (table_name, until, "window", site_id) DO UPDATE SET rows = known.rows + excluded.rows,
    events = known.events + excluded.events, last_ms = greatest(known.last_ms, excluded.last_ms), dropped_at = now()
"""

# The ledger's minutes go with the rows that they count. What its windows have in sessions from the beginning stays, as
# one row of the time before.
_BEFORE = "minute <= (SELECT to_timestamp(max(last_ms) / 60000 * 60) FROM dropped_rows)"
_FOLD = f"""
WITH old AS (DELETE FROM ledger_windows WHERE minute > '-infinity' AND {_BEFORE} RETURNING *)
INSERT INTO ledger_windows AS known (minute, "window", site_id, partition, clicks, duplicates, late, bots)
SELECT '-infinity', "window", site_id, partition, sum(clicks), sum(duplicates), sum(late), sum(bots)
FROM old GROUP BY "window", site_id, partition
ON CONFLICT (minute, "window", site_id, partition) DO UPDATE SET clicks = known.clicks + excluded.clicks,
    duplicates = known.duplicates + excluded.duplicates, late = known.late + excluded.late,
    bots = known.bots + excluded.bots
"""


async def _forget_minutes(connection: Connection) -> None:
    await connection.execute(f"DELETE FROM ledger WHERE {_BEFORE}".encode())
    await connection.execute(_FOLD.encode())


async def _forget_days(connection: Connection, until: datetime) -> None:
    """Breakdowns are kept as long as rollups."""
    await connection.execute("DELETE FROM breakdowns WHERE bucket < %s", [until])
    await connection.execute("DELETE FROM breakdown_days WHERE day < %s", [until.date()])


async def _rows(connection: Connection, query: str, arguments: list[Any] | None) -> list[Any]:
    found = await connection.execute(query.encode(), arguments)
    return await found.fetchall()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
