"""Rows into Postgres by COPY, in the caller's transaction. Writing the same rows again changes nothing."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import psycopg
from psycopg import sql
from psycopg.errors import ProgramLimitExceeded, StatementTooComplex, UniqueViolation
from sqlalchemy import Table

from clickloom.tables import clicks, late_clicks, rejected_events, sessions
from services.persister.partitions import Connection, make_day_partitions, make_month_partitions
from services.persister.rows import Row, Rows

WriteRows = Callable[[Sequence[Row]], Awaitable[None]]

# Of a value that its column does not take: NUL in a text, a number out of range, a text too long for an index.
REFUSALS = (psycopg.DataError, ProgramLimitExceeded, StatementTooComplex)


async def write(connection: Connection, rows: Rows) -> None:
    """Write everything. A row that Postgres refuses becomes a rejected one: it must not stop the stream."""
    if rows.clicks:
        await _write_clicks(connection, rows)
    if rows.revoked:
        await connection.execute("DELETE FROM sessions WHERE session_uid = ANY(%s)", [list(rows.revoked)])
    if rows.sessions:
        await _write_sessions(connection, rows)
    for row, reason in await _refused(connection, rows.late, lambda part: _append(connection, late_clicks, part)):
        rows.refuse(row[1:4], row, reason)
    await _append(connection, rejected_events, rows.rejected)


async def _write_clicks(connection: Connection, rows: Rows) -> None:
    await make_day_partitions(connection, {row[0].date() for row in rows.clicks})
    for row, reason in await _refused(connection, rows.clicks, lambda part: _append(connection, clicks, part)):
        rows.clicks.remove(row)
        rows.refuse(row[2:5], row, reason, site_id=row[6])


async def _write_sessions(connection: Connection, rows: Rows) -> None:
    found = [row for _, row in rows.sessions.values()]
    await make_month_partitions(connection, {row[1].date().replace(day=1) for row in found})
    for row, reason in await _refused(connection, found, lambda part: _replace(connection, part)):
        position, _ = rows.sessions.pop(row[0])
        rows.refuse(position, row, reason)


async def _refused(connection: Connection, rows: Sequence[Row], write_rows: WriteRows) -> list[tuple[Row, str]]:
    """Write rows and return those that Postgres does not take, with the reason; they are found by halving."""
    try:
        async with connection.transaction():
            await write_rows(rows)
    except REFUSALS as error:
        if len(rows) == 1:
            return [(rows[0], str(error).splitlines()[0])]
        middle = len(rows) // 2
        return [
            *await _refused(connection, rows[:middle], write_rows),
            *await _refused(connection, rows[middle:], write_rows),
        ]
    return []


async def _append(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """COPY rows straight into the table. Only if one is there already, for a stream that is read again, go by a
    temporary table and leave out what is known (docs/decisions/0003-copy-straight-into-the-table.md)."""
    if not rows:
        return
    try:
        async with connection.transaction():
            await _copy(connection, table.name, table, rows)
    except UniqueViolation:
        incoming = await _copy_incoming(connection, table, rows)
        insert = sql.SQL("INSERT INTO {} SELECT * FROM {} ON CONFLICT DO NOTHING")
        await connection.execute(insert.format(sql.Identifier(table.name), sql.Identifier(incoming)))


async def _copy(connection: Connection, into: str, table: Table, rows: Iterable[Row]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(into), names)
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


async def _copy_incoming(connection: Connection, table: Table, rows: Iterable[Row]) -> str:
    """COPY rows into a temporary table of the shape of `table`; its name.

    It lasts as long as the connection, and its rows as long as the transaction.
    """
    incoming = f"incoming_{table.name}"
    create = sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS")
    await connection.execute(create.format(sql.Identifier(incoming), sql.Identifier(table.name)))
    await _copy(connection, incoming, table, rows)
    return incoming


_REPLACED = [column.name for column in sessions.columns if not column.primary_key]


async def _replace(connection: Connection, rows: Sequence[Row]) -> None:
    incoming = await _copy_incoming(connection, sessions, rows)
    changes = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _REPLACED)
    await connection.execute(
        sql.SQL(
            "INSERT INTO sessions SELECT * FROM {} ON CONFLICT (session_uid, begin_session) DO UPDATE SET {}"
        ).format(sql.Identifier(incoming), changes)
    )
