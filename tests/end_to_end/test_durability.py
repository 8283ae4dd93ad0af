"""What was acknowledged is there after Redis was killed at any moment."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.streams import START, read_stream
from clickloom.wire import FIELD, decode_batch
from services.cli.embedded import embedded_valkey
from tests.processes import Start, until
from tests.services.api.conftest import serving

LASTING = {"save": "", "appendonly": "yes", "appendfsync": "always"}
TRIES, SENDERS = 12, 8


def event(event_id: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "user_id": event_id[:2],
        "device_id": "computer",
        "client_event": "beer_products",
        "client_timestamp": "2021-02-26T13:31:00",
    }


@asynccontextmanager
async def sending(api: AsyncClient, accepted: set[str]) -> AsyncIterator[None]:
    """Requests at the same time, one after the other of each sender, as long as the block lasts."""
    stop = asyncio.Event()

    async def send() -> None:
        while not stop.is_set():
            event_id = uuid4().hex
            answer = await api.post("/v1/events", json=event(event_id))
            assert answer.status_code in (202, 503), answer.text
            if answer.status_code == 202:
                accepted.add(event_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(send())
        yield
        stop.set()


async def stored(redis: Redis, settings: Settings) -> set[str]:
    keys, found = Keys(settings.namespace), set[str]()
    for number in range(settings.partitions):
        entries = await read_stream(redis, keys.clicks(number), START, count=100_000, block_ms=None)
        found.update(event_id for _, fields in entries for event_id in decode_batch(fields[FIELD]).event_ids)
    return found


async def test_every_event_that_was_acknowledged_outlives_a_redis_that_is_killed_again_and_again(
    settings: Settings, store_folder: Path
) -> None:
    chance = random.Random(5)
    accepted: set[str] = set()
    with embedded_valkey(store_folder, LASTING) as url:
        lasting = settings.model_copy(update={"redis_url": url, "ingest_durability": "disk"})
    async with serving(lasting) as api, sending(api, accepted), open_redis(url) as redis:
        for _ in range(TRIES):
            with embedded_valkey(store_folder, LASTING):
                acknowledged = set(accepted)
                assert acknowledged <= await stored(redis, settings)

                async def some(before: int = len(acknowledged)) -> bool:
                    return len(accepted) > before + SENDERS

                await until(some, what="answers")
                await asyncio.sleep(chance.random() * 0.05)  # anywhere in a request
                os.kill(int((store_folder / "valkey.pid").read_text()), signal.SIGKILL)
    with embedded_valkey(store_folder, LASTING):
        async with open_redis(url) as redis:
            assert accepted <= await stored(redis, settings)


async def test_without_its_append_only_file_nothing_is_acknowledged_any_more(
    settings: Settings, store_folder: Path
) -> None:
    with embedded_valkey(store_folder, LASTING) as url:
        lasting = settings.model_copy(update={"redis_url": url, "ingest_durability": "disk"})
        async with serving(lasting) as api, open_redis(url) as redis:
            assert (await api.post("/v1/events", json=event("first"))).status_code == 202
            await redis.config_set("appendonly", "no")
            answer = await api.post("/v1/events", json=event("second"))
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            await redis.config_set("appendonly", "yes")

            async def taken() -> bool:
                return (await api.post("/v1/events", json=event("second"))).status_code == 202

            await until(taken)


async def test_a_disk_that_does_not_take_the_write_in_time_is_answered_503(
    settings: Settings, store_folder: Path
) -> None:
    """Without fsync Redis never says that it has."""
    with embedded_valkey(store_folder, LASTING) as url:
        lasting = settings.model_copy(update={"redis_url": url, "ingest_durability": "disk"})
        async with serving(lasting) as api, open_redis(url) as redis:
            assert (await api.post("/v1/events", json=event("first"))).status_code == 202
            await redis.config_set("appendfsync", "no")
            assert (await api.post("/v1/events", json=event("second"))).status_code == 503
            await redis.config_set("appendfsync", "always")
            assert (await api.post("/v1/events", json=event("second"))).status_code == 202


async def test_the_api_does_not_start_on_a_redis_that_cannot_promise_it(start: Start) -> None:
    api = start("api", INGEST_DURABILITY="disk", PORT="0")
    assert await api.ended() == 1
    assert "INGEST_DURABILITY=disk: this Redis keeps no append-only file" in api.output
