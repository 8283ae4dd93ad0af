"""Partitions of the large tables, made when the first row of theirs comes."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from psycopg import AsyncConnection, sql

Connection = AsyncConnection[tuple[object, ...]]
Bounds = tuple[datetime, datetime]  # from, inclusive; to, exclusive

# Of clicks by arrival and sessions by begin. Another century's rows lie in the default partition, so that a wrong
# clock does not make thousands of tables.
FIRST_YEAR, LAST_YEAR = 1990, 2100


async def make_day_partitions(connection: Connection, days: Collection[date]) -> None:
    """See that the days' partitions of `clicks` are there."""
    begins = [datetime.combine(day, time(), UTC) for day in sorted(days)]
    await _make(connection, "clicks", {f"clicks_{day:%Y%m%d}": (day, day + timedelta(days=1)) for day in begins})


async def make_month_partitions(connection: Connection, months: Collection[date]) -> None:
    """See that the months' partitions of `sessions` are there; a month is given by its first day."""
    begins = [datetime.combine(month, time(), UTC) for month in sorted(months)]
    bounds = {f"sessions_{month:%Y%m}": (month, (month + timedelta(days=32)).replace(day=1)) for month in begins}
    await _make(connection, "sessions", bounds)


async def _make(connection: Connection, table: str, partitions: dict[str, Bounds]) -> None:
    wanted = {name: bounds for name, bounds in partitions.items() if FIRST_YEAR <= bounds[0].year <= LAST_YEAR}
    for name in await _missing(connection, list(wanted)):
        # One at a time, and before this transaction holds a lock on the table: two processes could not both go on.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('clickloom partitions'))")
        begin, end = wanted[name]
        await connection.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(name), sql.Identifier(table), begin.isoformat(), end.isoformat()
            )
        )


async def _missing(connection: Connection, names: list[str]) -> list[str]:
    found = await connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL ORDER BY name", [names]
    )
    return [str(name) for (name,) in await found.fetchall()]
