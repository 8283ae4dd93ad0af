"""One import at a time, and what a run that was killed has left behind writes nothing any more.

The run holds RUN in a session of its own. Each transaction that writes for it shares WRITING, and then sees that the
run still holds RUN. A new run takes RUN, which it gets only when the old one's session has ended, and then waits until
nobody has WRITING: whoever comes after that finds its run gone.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import cast

import psycopg

from clickloom.errors import ServerUnavailable
from services.persister.partitions import Connection

_RUN, _WRITING = 0x636C6B69, 0x636C6B77  # "clki", "clkw"
_LOOK_S = 0.1
_ENDING_WITHIN_S = 10.0  # a killed run's session gets this long to end


def begin_run(connection: "psycopg.Connection[tuple[object, ...]]") -> int:
    """The backend that holds the run. Raises ServerUnavailable if another import runs."""
    deadline = time.monotonic() + _ENDING_WITHIN_S
    while not _truth(connection, f"SELECT pg_try_advisory_lock({_RUN})"):
        if time.monotonic() > deadline:
            raise ServerUnavailable("another import runs on this database: wait until it has ended")
        time.sleep(_LOOK_S)
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({_WRITING})".encode())
    return connection.info.backend_pid


def _truth(connection: "psycopg.Connection[tuple[object, ...]]", query: str) -> bool:
    row = connection.execute(query.encode()).fetchone()
    return row is not None and bool(row[0])


@contextlib.asynccontextmanager
async def writing(database_url: str, owner: int) -> AsyncIterator[Connection]:
    """A transaction of the run that this backend holds, on a connection of its own; while it lasts no other run begins.

    Raises ServerUnavailable if the run has ended.
    """
    async with await psycopg.AsyncConnection.connect(database_url) as found:
        connection = cast("Connection", found)
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock_shared({_WRITING})".encode())
            if await (await connection.execute(_HELD.encode(), [owner])).fetchone() is None:
                raise ServerUnavailable("the import has ended: run it again")
            yield connection


_HELD = (
    f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = {_RUN} AND granted AND pid = %s"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
