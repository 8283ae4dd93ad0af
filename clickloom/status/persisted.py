"""What Postgres tells of those that write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from clickloom.layout import PERSISTER, TRIGGERS
from clickloom.status.archive import ARCHIVE, ArchiveStatus, read_archive

Commits = Mapping[tuple[str, str], tuple[datetime, datetime | None]]  # (reader, stream) → (last commit, watermark)


@dataclass(frozen=True, slots=True)
class Persisted:
    """As of one moment."""

    runs: bool
    triggers_run: bool
    commits: Commits
    dead_webhooks: int
    archive: ArchiveStatus | None


_CURSORS = text(f"""
SELECT '{PERSISTER}', stream, updated_at, watermark FROM stream_cursors
UNION ALL SELECT '{TRIGGERS}', stream, updated_at, NULL FROM trigger_cursors
""")
_DEAD = text("SELECT count(*) FROM trigger_firings WHERE state = 'dead'")
_CONNECTED = text("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()")


async def read_persisted(engine: AsyncEngine) -> Persisted | None:
    """None: Postgres does not answer, or was never migrated."""
    try:
        async with engine.connect() as connection:
            return await _read(connection)
    except (SQLAlchemyError, OSError):
        return None


async def _read(connection: AsyncConnection) -> Persisted:
    commits = {(reader, stream): (at, upto) for reader, stream, at, upto in await connection.execute(_CURSORS)}
    connected = set(await connection.scalars(_CONNECTED))
    return Persisted(
        runs=f"clickloom-{PERSISTER}" in connected,
        triggers_run=f"clickloom-{TRIGGERS}" in connected,
        commits=commits,
        dead_webhooks=await connection.scalar(_DEAD) or 0,
        archive=await read_archive(connection, runs=f"clickloom-{ARCHIVE}" in connected),
    )
