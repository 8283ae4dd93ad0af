"""A table's rows out of Postgres, hour after hour; looked for in stretches of time, as its indexes have them."""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from clickloom.lake.columns import CLICKS, Format, LakeColumn, LakeTable, copy_rows

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Connection = psycopg.Connection[tuple[Any, ...]]
Lines = Generator[bytes, None, None]  # of COPY; to be closed
Stretch = tuple[datetime, datetime]  # from, inclusive; to, exclusive

_NO_CONSTANTS = sql.SQL("")
_FIRST = datetime(1, 1, 1, tzinfo=UTC)

# Clicks have no index by time, but a partition a day.
_DAYS = """
SELECT DISTINCT date_trunc('day', arrived_at, 'UTC') FROM clicks
WHERE arrived_at >= %s AND arrived_at < coalesce(%s::timestamptz, 'infinity') ORDER BY 1
"""
# Looked up by hopping through the index: a scan for DISTINCT would read all of it.
_WINDOWS = """
WITH RECURSIVE found AS (
    (SELECT "window" FROM sessions ORDER BY "window" LIMIT 1)
    UNION ALL
    SELECT (SELECT s."window" FROM sessions s WHERE s."window" > found."window" ORDER BY s."window" LIMIT 1)
    FROM found WHERE found."window" IS NOT NULL
)
SELECT "window" FROM found WHERE "window" IS NOT NULL
"""
_FIRST_SESSION = """
SELECT min(begin_session) FROM sessions
WHERE "window" = %s AND begin_session >= %s AND begin_session < coalesce(%s::timestamptz, 'infinity')
"""


def stretches(
    connection: Connection, table: LakeTable, begin: datetime | None, end: datetime | None
) -> Iterator[Stretch]:
    """Days of clicks, and hours of sessions, that have rows from `begin` and before `end`."""
    if table is not CLICKS:
        yield from session_hours(connection, begin, end)
        return
    for (day,) in connection.execute(_DAYS, [begin or _FIRST, end]).fetchall():
        yield max(day, begin or day), min(day + DAY, end or day + DAY)


def session_hours(connection: Connection, begin: datetime | None, end: datetime | None) -> Iterator[Stretch]:
    """Window by window, as the table's key has them."""
    windows = [window for (window,) in connection.execute(_WINDOWS).fetchall()]
    hour = begin or _FIRST
    while True:
        found = [connection.execute(_FIRST_SESSION, [window, hour, end]).fetchone() for window in windows]
        firsts = [row[0] for row in found if row is not None and row[0] is not None]
        if not firsts:
            return
        hour = floor_hour(min(firsts))
        yield hour, hour + HOUR
        hour += HOUR


def rows_of(
    connection: Connection,
    table: LakeTable,
    stretch: Stretch,
    form: Format,
    *,
    columns: Sequence[LakeColumn],
    constants: sql.Composable = _NO_CONSTANTS,
) -> Lines:
    """The rows as lines of the format, each behind its hour, ordered by that; with `constants` as more columns."""
    found = sql.SQL("SELECT *{0} FROM {1} WHERE {2} >= %s AND {2} < %s").format(
        constants, sql.Identifier(table.name), sql.Identifier(table.moment)
    )
    values: list[Any] = [*stretch]
    if table is not CLICKS:
        found = sql.SQL('{} AND "window" = ANY(%s)').format(found)
        values.append([window for (window,) in connection.execute(_WINDOWS).fetchall()])
    source = sql.SQL("({}) AS found").format(found)
    statement = copy_rows(columns, form, moment=table.moment, source=source, order=table.order)
    return copied(connection, statement, values)


def copied(connection: Connection, statement: sql.Composed, values: Sequence[Any]) -> Lines:
    """The lines of a COPY, as they come."""
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        for line in copy:
            yield bytes(line)


def floor_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
