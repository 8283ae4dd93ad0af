"""Rows into Postgres, in the caller's transaction. Writing the same rows again changes nothing."""

from collections.abc import Iterable
from datetime import date

from clickloom.tables import clicks, late_clicks, rejected_events
from services.persister.copying import append, copy_packed, copy_values
from services.persister.day_marks import mark_days
from services.persister.packing import unpacked
from services.persister.partitions import Connection, make_partitions, partition_of
from services.persister.rollup_writer import move_rollups
from services.persister.rollups import Moves
from services.persister.rows import Rows
from services.persister.session_writer import write_sessions


async def write(connection: Connection, rows: Rows) -> None:
    """Write everything. A row that Postgres refuses becomes a rejected one: it must not stop the stream.

    Rollups and days come last: their rows are shared by streams, which wait for each other's commits there.
    """
    moves = Moves()
    await write_rows(connection, rows, moves)
    await move_sums(connection, rows.window, moves)


async def move_sums(connection: Connection, window: str, moves: Moves) -> None:
    """What is kept of sums of sessions: rollups, and which days are to be counted anew."""
    await move_rollups(connection, window, moves)
    await mark_days(connection, window, moves)


async def write_rows(connection: Connection, rows: Rows, moves: Moves) -> None:
    """Everything but the sums: how they move is added to `moves`."""
    if rows.clicks:
        await _write_clicks(connection, rows)
    await write_sessions(connection, rows, moves)
    if rows.late:
        await _write_late(connection, rows)
    if rows.rejected:
        await _make(connection, "rejected_events", {row[4].date() for row in rows.rejected})
        await append(connection, rejected_events, rows.rejected, copy_values)


async def _write_clicks(connection: Connection, rows: Rows) -> None:
    await _make(connection, "clicks", rows.arrival_days)
    for row, reason in await append(connection, clicks, rows.clicks, copy_packed):
        rows.clicks.remove(row)
        values = dict(zip(clicks.columns.keys(), unpacked(row), strict=True))
        milliseconds, sequence, number = (_integer(values[name]) for name in ("entry_ms", "entry_seq", "entry_row"))
        site_id = (values["site_id"] or b"").decode()
        rows.refuse((milliseconds, sequence, number), list(values.values()), reason, site_id=site_id)


def _integer(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big", signed=True)


async def _write_late(connection: Connection, rows: Rows) -> None:
    await _make(connection, "late_clicks", {row[4].date() for row in rows.late})
    for row, reason in await append(connection, late_clicks, rows.late, copy_values):
        rows.refuse(row[1:4], row, reason)


async def _make(connection: Connection, table: str, days: Iterable[date]) -> None:
    await make_partitions(connection, [partition_of(table, day) for day in days])
