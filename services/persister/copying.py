"""COPY into a table, straight or around rows that are there already, and the rows that Postgres does not take.

Straight is the normal case: cursor and rows move in one transaction, so nothing can be there already. Only for a stream
that is read again rows go by a temporary table (docs/decisions/0003-copy-straight-into-the-table.md).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import psycopg
from psycopg import sql
from psycopg.errors import ProgramLimitExceeded, StatementTooComplex, UniqueViolation
from sqlalchemy import Table

from services.persister.packing import HEADER, TRAILER, joined
from services.persister.partitions import Connection

T = TypeVar("T")
WriteRows = Callable[[Sequence[T]], Awaitable[None]]
CopyRows = Callable[[Connection, str, Table, Sequence[T]], Awaitable[None]]

# Of a value that its column does not take: NUL in a text, a number out of range, a text too long for an index.
REFUSALS = (psycopg.DataError, ProgramLimitExceeded, StatementTooComplex)


async def write_or_refuse(
    connection: Connection, rows: Sequence[T], *, straight: WriteRows[T], around: WriteRows[T]
) -> list[tuple[T, str]]:
    """Write rows `straight`, or `around` if one is there already; return those that Postgres does not take.

    With the reason of each. They are found by halving, in savepoints.
    """
    try:
        async with connection.transaction():
            await straight(rows)
    except UniqueViolation:
        return await write_or_refuse(connection, rows, straight=around, around=around)
    except REFUSALS as error:
        if len(rows) == 1:
            return [(rows[0], str(error).splitlines()[0])]
        middle = len(rows) // 2
        return [
            *await write_or_refuse(connection, rows[:middle], straight=straight, around=around),
            *await write_or_refuse(connection, rows[middle:], straight=straight, around=around),
        ]
    return []


async def append(connection: Connection, table: Table, rows: Sequence[T], copy: CopyRows[T]) -> list[tuple[T, str]]:
    """Write rows that never change; one that is there already is left as it is. Returns those refused."""

    async def straight(part: Sequence[T]) -> None:
        await copy(connection, table.name, table, part)

    async def around(part: Sequence[T]) -> None:
        incoming = await copy_incoming(connection, table, part, copy)
        insert = sql.SQL("INSERT INTO {} SELECT * FROM {} ON CONFLICT DO NOTHING")
        await connection.execute(insert.format(sql.Identifier(table.name), sql.Identifier(incoming)))

    return await write_or_refuse(connection, rows, straight=straight, around=around)


async def copy_incoming(connection: Connection, table: Table, rows: Sequence[T], copy: CopyRows[T]) -> str:
    """COPY rows into an empty temporary table of the shape of `table`; its name.

    It lasts as long as the connection, and its rows as long as the transaction.
    """
    incoming = f"incoming_{table.name}"
    names = (sql.Identifier(incoming), sql.Identifier(table.name))
    create = sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS; TRUNCATE {}")
    await connection.execute(create.format(*names, names[0]))
    await copy(connection, incoming, table, rows)
    return incoming


async def copy_packed(connection: Connection, into: str, table: Table, rows: Sequence[bytes]) -> None:
    """Rows that are packed already."""
    await copy_parts(connection, into, table, joined(rows))


async def copy_parts(connection: Connection, into: str, table: Table, parts: Iterable[bytes | memoryview]) -> None:
    """Packed rows, in parts of some that are one behind the other."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(into), _columns(table))
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(HEADER)
        for part in parts:
            await copy.write(part)
        await copy.write(TRAILER)


async def copy_values(connection: Connection, into: str, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Rows of Python's values."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(into), _columns(table))
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


def _columns(table: Table) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
