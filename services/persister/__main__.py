"""Wires the persister: all streams, round and round, and a wait when there is nothing to do."""

import asyncio
import contextlib

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.engine import make_url

from clickloom.connect import open_redis, sqlalchemy_url
from clickloom.keys import Keys
from clickloom.lifecycle import run_service
from clickloom.settings import Settings
from services.persister.reader import StreamReader, sources
from services.persister.writer import Connection

log = structlog.get_logger()

PARALLEL = 4  # streams written at once
LONGEST_WAIT_S = 10.0


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    url = make_url(sqlalchemy_url(settings.database_url)).set(drivername="postgresql")
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        url.render_as_string(hide_password=False),
        min_size=1,
        max_size=PARALLEL,
        kwargs={"application_name": "clickloom-persister"},
        open=False,
    )
    async with open_redis(settings.redis_url) as redis, pool:
        readers = _readers(settings, redis, pool)
        shares = [readers[first::PARALLEL] for first in range(PARALLEL)]
        async with asyncio.TaskGroup() as group:
            for share in shares:
                group.create_task(_serve_share(share, stop, settings.buffer_seconds))


def _readers(settings: Settings, redis: Redis, pool: "AsyncConnectionPool[Connection]") -> list[StreamReader]:
    found = sources(
        Keys(settings.namespace),
        partitions=settings.partitions,
        windows=settings.parsed_windows(),
        buffer_rows=settings.buffer_rows,
    )
    return [StreamReader(source, redis=redis, pool=pool) for source in found]


async def _serve_share(readers: list[StreamReader], stop: asyncio.Event, pause_s: float) -> None:
    """Step through the streams; wait when all are read, and with capped backoff when a store is away."""
    failures = 0
    while not stop.is_set():
        try:
            moved = [await reader.step() for reader in readers]
        except (psycopg.OperationalError, PoolTimeout, RedisError) as error:
            if not failures:
                log.warning("store.away", reason=str(error).strip())
            failures += 1
            await _wait(stop, min(LONGEST_WAIT_S, 0.1 * 2**failures))
            continue
        if failures:
            log.info("store.back")
            failures = 0
        if not any(moved):
            await _wait(stop, pause_s)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout=seconds)


if __name__ == "__main__":
    run_service("persister", serve)
