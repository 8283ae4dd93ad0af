"""Wires the triggers: what judges closing and open sessions, and what sends the webhooks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.database import POOL_WAIT_S, libpq_url
from clickloom.duties import Duties
from clickloom.keys import Keys
from clickloom.layout import TRIGGERS, lay_out
from clickloom.lifecycle import run_service
from clickloom.settings import Settings
from clickloom.stored_part import PartReader
from clickloom.watch import watched
from services.triggers.delivery import Delivery
from services.triggers.firing_rows import Connection
from services.triggers.loop import repeat
from services.triggers.reader import ChangelogReader
from services.triggers.sending import Sender
from services.triggers.watch import EVERY_S, OpenWatch
from services.triggers.work import Work

CONNECTIONS = 6
# A process that is paused, or a machine that is gone, must not keep a changelog's lock from the others.
LIMITS = {"idle_in_transaction_session_timeout": "10s"}
REPLACED_WITHIN_S = 5  # a connection, by the pool itself; after that anew at each step
DELIVERY_S = 0.5
FORGET_S = 15.0
STOP_WITHIN_S = 2.0  # that a step may take longer than we are to live


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Raises ServerUnavailable if the database has another schema than this software needs."""
    keys, windows = Keys(settings.namespace), settings.parsed_windows()
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=windows, reader=TRIGGERS)
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        libpq_url(settings.database_url, application_name="clickloom-triggers", session=LIMITS),
        min_size=1,
        max_size=CONNECTIONS,
        timeout=POOL_WAIT_S,
        reconnect_timeout=REPLACED_WITHIN_S,
        open=False,
    )
    sender = Sender(
        private=settings.webhook_private == "on",
        waits=settings.retry_waits(),
        timeout_us=settings.webhook_timeout_us,
    )
    duties = Duties()
    async with (
        watched(duties, host=settings.host, port=settings.metrics_port),
        open_redis(settings.redis_url) as redis,
        pool,
    ):
        work, delivery = _work(settings, redis, pool), Delivery(pool, sender)
        try:
            async with asyncio.TaskGroup() as group:
                for duty, (step, pause_s) in _steps(work, delivery, settings).items():
                    repeated = repeat(step, stop, pause_s=pause_s, duties=duties, duty=duty)
                    group.create_task(_ending(repeated, stop))
        finally:
            await delivery.close()
            await sender.close()


Steps = dict[str, tuple[Callable[[], Awaitable[bool]], float]]


def _steps(work: Work, delivery: Delivery, settings: Settings) -> Steps:
    """By name; each with the seconds that it waits when there is nothing to do."""
    return {
        "closed sessions": (work.read, settings.buffer_seconds),
        "open sessions": (work.watch, EVERY_S),
        "webhooks": (delivery.look, DELIVERY_S),
        "what is settled": (work.forget, FORGET_S),
    }


def _work(settings: Settings, redis: Redis, pool: "AsyncConnectionPool[Connection]") -> Work:
    keys, rules = Keys(settings.namespace), settings.rules()
    parts = [(window.name, number) for window in settings.parsed_windows() for number in range(settings.partitions)]
    return Work(
        pool,
        readers=[ChangelogReader(keys.sessions(*part), part[0], redis=redis, pool=pool) for part in parts],
        watches=[
            OpenWatch(PartReader(redis, keys, *part), keys.sessions(*part), part[0], pool=pool, rules=rules)
            for part in parts
        ],
        kept_days=settings.firings_kept_days,
    )


async def _ending(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Do it; cut it off, as a kill would, if it has not ended soon after the stop. If it fails the others stop too."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([task], timeout=STOP_WITHIN_S)
    finally:
        stopped.cancel()
        while not task.done():  # again and again: a cancellation can get lost in redis-py (Python 3.11)
            task.cancel()
            await asyncio.wait([task], timeout=STOP_WITHIN_S)
        stop.set()
    if not task.cancelled():
        task.result()


if __name__ == "__main__":
    run_service("triggers", serve)
