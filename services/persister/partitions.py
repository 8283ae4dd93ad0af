"""Partitions of the large tables: some made ahead, the others when the first row of theirs comes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from psycopg import AsyncConnection, sql

Connection = AsyncConnection[tuple[object, ...]]

# Another century's rows lie in the default partition, so that a wrong clock does not make thousands of tables.
FIRST_YEAR, LAST_YEAR = 1990, 2100


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows of one day or month (UTC) of a table; `begin` is its first day, `end` the day after its last."""

    table: str
    begin: date
    end: date

    @property
    def name(self) -> str:
        monthly = UNITS[self.table] == "month"
        return f"{self.table}_{self.begin:%Y%m}" if monthly else f"{self.table}_{self.begin:%Y%m%d}"


# By which column a table is partitioned is in clickloom/tables.py.
UNITS: Mapping[str, Literal["day", "month"]] = {
    "clicks": "day",
    "late_clicks": "day",
    "rejected_events": "day",
    "sessions": "month",
}
AHEAD = {"day": timedelta(days=2), "month": timedelta(days=31)}


def partition_of(table: str, day: date) -> Partition:
    if UNITS[table] == "day":
        return Partition(table, day, day + timedelta(days=1))
    begin = day.replace(day=1)
    return Partition(table, begin, (begin + timedelta(days=32)).replace(day=1))


def ahead(today: date) -> list[Partition]:
    """Those that rows of today and of the next days need."""
    found = []
    for table, unit in UNITS.items():
        found += [partition_of(table, today + timedelta(days=day)) for day in range(AHEAD[unit].days + 1)]
    return list(dict.fromkeys(found))


async def make_partitions(connection: Connection, partitions: Collection[Partition]) -> None:
    """See that they are there; the caller's transaction must not hold a lock on one of the tables yet."""
    wanted = {one.name: one for one in set(partitions) if FIRST_YEAR <= one.begin.year <= LAST_YEAR}
    for name in await _missing(connection, list(wanted)):
        # One at a time, and before this transaction holds a lock on the table: two processes could not both go on.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('clickloom partitions'))")
        if await _missing(connection, [name]):
            await _make(connection, wanted[name])


async def _missing(connection: Connection, names: list[str]) -> list[str]:
    if not names:
        return []
    # not to_regclass: it may remember that there was none before this transaction waited for another
    found = await connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_class WHERE relname = name"
        " AND relnamespace = current_schema()::regnamespace) ORDER BY name",
        [names],
    )
    return [str(name) for (name,) in await found.fetchall()]


async def _make(connection: Connection, partition: Partition) -> None:
    """Made beside the table, then attached: who reads or writes the table meanwhile is not kept waiting."""
    name, table = sql.Identifier(partition.name), sql.Identifier(partition.table)
    await connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS)").format(name, table))
    begin, end = (datetime.combine(day, time(), UTC).isoformat() for day in (partition.begin, partition.end))
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    await connection.execute(attach.format(table, name, begin, end))
