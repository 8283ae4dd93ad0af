"""What is known of the archive; all of it is in Postgres."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clickloom.times import from_datetime, iso

ARCHIVE = "archive"  # its name among the readers


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
    """Of all of it."""

    runs: bool
    tables: list[ArchiveRow]


_TABLES = text(
    'SELECT "table", place, rows_written, written_at, first_from IS NOT NULL, trouble FROM archives ORDER BY 1'
)


async def read_archive(connection: AsyncConnection, *, runs: bool) -> ArchiveStatus | None:
    """None: there is no archive. Raises SQLAlchemyError."""
    rows = [
        ArchiveRow(
            table=table,
            place=place,
            rows_written=count,
            last_written=iso(from_datetime(written_at)),
            first_to_write=first,
            trouble=trouble,
        )
        for table, place, count, written_at, first, trouble in await connection.execute(_TABLES)
    ]
    return ArchiveStatus(runs=runs, tables=rows) if rows else None


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
