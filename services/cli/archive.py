"""What `clickloom status` and `clickloom readers remove` know of the archive; all of it is in Postgres."""

from dataclasses import dataclass
from typing import Any

import psycopg

from clickloom.connect import libpq_url
from clickloom.errors import InvalidSetting, ServerUnavailable
from clickloom.times import from_datetime, iso

ARCHIVE = "archive"  # its name among the readers

_LOCKED = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'clickloom-archive' AND datname = current_database()"


@dataclass(slots=True, kw_only=True)
class ArchiveRow:
    """One table of the archive."""

    table: str
    place: str
    rows_written: int
    last_written: str
    first_to_write: bool  # whether sessions from before the archive are still being written
    trouble: str | None


@dataclass(slots=True, kw_only=True)
class ArchiveStatus:
    """What `--json` prints of it."""

    runs: bool
    tables: list[ArchiveRow]


async def read_archive(connection: "psycopg.AsyncConnection[tuple[Any, ...]]") -> ArchiveStatus | None:
    """None: there is no archive. Raises psycopg.Error."""
    found = await connection.execute(
        'SELECT "table", place, rows_written, written_at, first_from IS NOT NULL, trouble FROM archives ORDER BY 1'
    )
    rows = [
        ArchiveRow(
            table=table,
            place=place,
            rows_written=count,
            last_written=iso(from_datetime(written_at)),
            first_to_write=first,
            trouble=trouble,
        )
        for table, place, count, written_at, first, trouble in await found.fetchall()
    ]
    running = await connection.execute(f"{_LOCKED} LIMIT 1".encode())
    return ArchiveStatus(runs=await running.fetchone() is not None, tables=rows) if rows else None


def archive_trouble(archive: ArchiveStatus) -> str | None:
    """What is wrong, with the remedy."""
    if not archive.runs:
        return (
            f"nobody writes the archive: what it has not written is kept in Postgres; start a persister with"
            f" ARCHIVE_URL={archive.tables[0].place}, or `clickloom readers remove {ARCHIVE}`"
        )
    trouble = next((row.trouble for row in archive.tables if row.trouble), None)
    if trouble is None:
        return None
    return f"the archive waits: {trouble}; what it has not written is kept in Postgres, and written when that is mended"


def forget_archive(database_url: str) -> None:
    """Keep nothing for the archive any more. Its files stay. Raises InvalidSetting, ServerUnavailable."""
    try:
        with psycopg.connect(libpq_url(database_url, application_name="clickloom-readers")) as connection:
            if connection.execute(_LOCKED.encode()).fetchone():
                raise InvalidSetting("the archive is being written: take ARCHIVE_URL out of the persisters first")
            if not connection.execute("DELETE FROM archives RETURNING 1").fetchone():
                raise InvalidSetting("there is no archive in this database: check DATABASE_URL")
            for operation in ("insert", "update", "delete"):  # waits for commits on their way
                connection.execute(f"DROP TRIGGER note_{operation} ON sessions".encode())
            connection.execute("TRUNCATE session_changes, archive_cursors")
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
