"""What Postgres needs from time to time: partitions ahead of their rows, and retention."""

import asyncio
import contextlib
from datetime import UTC, datetime

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.persister.partitions import Connection, ahead, make_partitions
from services.persister.retention import Retention, drop_expired

log = structlog.get_logger()

EVERY_S = 600.0


async def keep_up(pool: "AsyncConnectionPool[Connection]", retention: Retention, stop: asyncio.Event) -> None:
    """Until told to stop. Any number of processes may do it; a store that is away is tried again the next time."""
    while not stop.is_set():
        try:
            async with pool.connection() as connection:
                await keep_up_once(connection, retention, datetime.now(UTC))
        except (psycopg.Error, PoolTimeout) as error:  # if it is the schema, who writes rows says so and ends
            log.warning("upkeep.failed", reason=str(error).strip())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=EVERY_S)


async def keep_up_once(connection: Connection, retention: Retention, now: datetime) -> None:
    """The connection must not be in a transaction."""
    today = now.astimezone(UTC).date()
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await make_partitions(connection, ahead(today))
    await drop_expired(connection, retention, today)
