"""Rows into Postgres: COPY into a temporary table, then one statement a table that is idempotent."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from psycopg import AsyncConnection, sql

from clickloom.tables import clicks, late_clicks, rejected_events, sessions
from services.persister.rows import Row, Rows

Connection = AsyncConnection[tuple[object, ...]]


async def write(connection: Connection, rows: Rows) -> None:
    """Write everything in the caller's transaction. Writing the same rows again changes nothing."""
    if rows.clicks:
        await make_day_partitions(connection, {row[0].date() for row in rows.clicks})
        await _insert_new(connection, clicks.name, clicks.columns.keys(), rows.clicks)
    if rows.revoked:
        await _delete_revoked(connection, rows.revoked.items())
    if rows.sessions:
        await make_month_partitions(connection, {row[1].date().replace(day=1) for row in rows.sessions.values()})
        await _replace_older(connection, list(rows.sessions.values()))
    await _insert_new(connection, late_clicks.name, late_clicks.columns.keys(), rows.late)
    await _insert_new(connection, rejected_events.name, rejected_events.columns.keys(), rows.rejected)


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> sql.Identifier:
    """COPY rows into a temporary table of the shape of `table`; returns its name."""
    incoming = sql.Identifier(f"incoming_{table}")
    await connection.execute(
        sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(incoming, sql.Identifier(table))
    )
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    async with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(incoming, names)) as copy,
    ):
        for row in rows:
            await copy.write_row(row)
    return incoming


async def _insert_new(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    if not rows:
        return
    incoming = await _copy(connection, table, columns, rows)
    await connection.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {} ON CONFLICT DO NOTHING").format(sql.Identifier(table), incoming)
    )


async def _delete_revoked(connection: Connection, revoked: Iterable[tuple[object, int]]) -> None:
    uids, versions = zip(*revoked, strict=True)
    await connection.execute(
        "DELETE FROM sessions USING unnest(%s::uuid[], %s::integer[]) AS revoked (session_uid, version)"
        " WHERE sessions.session_uid = revoked.session_uid AND sessions.version <= revoked.version",
        [list(uids), list(versions)],
    )


_REPLACED = [column.name for column in sessions.columns if not column.primary_key]


async def _replace_older(connection: Connection, rows: Sequence[Row]) -> None:
    incoming = await _copy(connection, sessions.name, sessions.columns.keys(), rows)
    changes = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _REPLACED)
    await connection.execute(
        sql.SQL(
            "INSERT INTO sessions SELECT * FROM {} ON CONFLICT (session_uid, begin_session)"
            " DO UPDATE SET {} WHERE sessions.version < excluded.version"
        ).format(incoming, changes)
    )


async def make_day_partitions(connection: Connection, days: Iterable[date]) -> None:
    for day in sorted(days):
        begin = datetime.combine(day, time(), UTC)
        await _make_partition(connection, "clicks", f"clicks_{begin:%Y%m%d}", begin, begin + timedelta(days=1))


async def make_month_partitions(connection: Connection, months: Iterable[date]) -> None:
    for month in sorted(months):
        begin = datetime.combine(month, time(), UTC)
        if 1990 <= begin.year <= 2100:  # another century's sessions lie in the default partition
            end = (begin + timedelta(days=32)).replace(day=1)
            await _make_partition(connection, "sessions", f"sessions_{begin:%Y%m}", begin, end)


async def _make_partition(connection: Connection, table: str, name: str, begin: datetime, end: datetime) -> None:
    known = await (await connection.execute("SELECT to_regclass(%s)", [name])).fetchone()
    if known != (None,):
        return
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('clickloom partitions'))")
    await connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(name), sql.Identifier(table), sql.Literal(begin.isoformat()), sql.Literal(end.isoformat())
        )
    )
