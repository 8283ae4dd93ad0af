"""Wires the persister: all streams, shared out among a few tasks."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from psycopg_pool import AsyncConnectionPool

from clickloom.connect import open_redis
from clickloom.database import POOL_WAIT_S, libpq_url
from clickloom.duties import Duties
from clickloom.keys import Keys
from clickloom.layout import PERSISTER, lay_out
from clickloom.lifecycle import run_service
from clickloom.settings import Settings
from clickloom.watch import watched
from services.persister.archive_thread import keep_archive
from services.persister.day_counter import keep_counted
from services.persister.loop import serve_share
from services.persister.partitions import Connection
from services.persister.reader import StreamReader, sources
from services.persister.retention import Retention
from services.persister.upkeep import keep_up

PARALLEL = 4  # streams written at once
# A process that is paused, or a machine that is gone, must not keep its streams from the others. Postgres ends the
# transaction, which holds a stream's lock, when it has waited for so long.
LIMITS = {"idle_in_transaction_session_timeout": "10s"}
# How long the pool tries by itself to replace a connection, ever more slowly; after that it is tried anew at each step.
REPLACED_WITHIN_S = 5


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Raises ServerUnavailable if the database has another schema than this software needs."""
    keys, windows = Keys(settings.namespace), settings.parsed_windows()
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=windows, reader=PERSISTER)
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        libpq_url(settings.database_url, application_name="clickloom-persister", session=LIMITS),
        min_size=1,
        max_size=PARALLEL + 2,  # and one each for the upkeep and for counting days
        timeout=POOL_WAIT_S,
        reconnect_timeout=REPLACED_WITHIN_S,
        open=False,
    )
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # rows hold no cycles: looking through thousands of them finds nothing
    duties = Duties()
    async with (
        watched(duties, host=settings.host, port=settings.metrics_port),
        open_redis(settings.redis_url) as redis,
        pool,
    ):
        readers = [
            StreamReader(source, redis=redis, pool=pool, buffer_rows=settings.buffer_rows)
            for source in sources(keys, partitions=settings.partitions, windows=windows)
        ]
        pause_s = settings.buffer_seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_up(pool, Retention(settings.retention_days()), stop))
            group.create_task(keep_counted(pool, stop))
            for first in range(PARALLEL):
                share = serve_share(
                    readers[first::PARALLEL], stop, pause_s=pause_s, duties=duties, duty=f"share {first}"
                )
                group.create_task(_ending(share, stop))
            group.create_task(_ending(keep_archive(settings, stop), stop))


async def _ending(serving: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    try:
        await serving
    except BaseException:
        stop.set()  # one that fails ends all; a cancellation can get lost in wait_for (Python 3.11)
        raise


if __name__ == "__main__":
    run_service("persister", serve)
