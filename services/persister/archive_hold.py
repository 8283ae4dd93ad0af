"""What retention must not drop yet: rows that the archive has still to write."""

from typing import Any

from psycopg import sql

from services.persister.partitions import Connection

_CLICKS = """
SELECT EXISTS (SELECT FROM archives) AND EXISTS (
    SELECT FROM {} AS click LEFT JOIN archive_cursors AS done ON done."partition" = click."partition"
    WHERE (click.entry_ms, click.entry_seq) > (coalesce(done.entry_ms, 0), coalesce(done.entry_seq, 0))
)
"""
_SESSIONS = "SELECT EXISTS (SELECT FROM archives WHERE first_from IS NOT NULL AND EXISTS (SELECT FROM {}))"
_HELD = {"clicks": _CLICKS, "sessions": _SESSIONS}


async def is_held(connection: Connection, table: str, partition: str) -> bool:
    """Whether the partition of the table has rows that an archive has still to write; of sessions, their first ones.

    What changes of a session is kept apart from it.
    """
    if table not in _HELD:
        return False
    found = await connection.execute(sql.SQL(_HELD[table]).format(sql.Identifier(partition)))
    row: Any = await found.fetchone()
    return bool(row[0])
