"""`GET /v1/live/metrics`: ticks once a second, with what the commits said."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from typing import Any

from httpx import AsyncClient
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from clickloom.wire import FIELD, CommitMetrics, Summary, encode
from services.api.feed import LiveFeed
from tests.processes import until
from tests.services.api.ingest.test_native import problem

Tick = dict[str, Any]


async def ticks(api: AsyncClient, window: str = "visits") -> AsyncIterator[Tick]:
    async with api.stream("GET", f"/v1/live/metrics?window={window}") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def commit(redis: Redis, keys: Keys, partition: int = 0, **fields: Any) -> None:
    made: dict[str, Any] = {"window": "visits", "committed_us": 0, "watermark_us": 100 * SECOND_US, **fields}
    await redis.xadd(keys.metrics(partition), {FIELD: encode(CommitMetrics(**made))})


async def test_a_tick_comes_once_a_second_even_if_nothing_happens(api: AsyncClient) -> None:
    moments = []
    async for tick in ticks(api):
        moments.append(datetime.fromisoformat(tick["at"]))
        if len(moments) == 3:
            break
    assert [round((b - a).total_seconds(), 1) for a, b in pairwise(moments)] == [1.0, 1.0]


async def test_the_ticks_add_up_to_what_the_commits_said(api: AsyncClient, redis: Redis, keys: Keys) -> None:
    found: list[Tick] = []

    async def watch() -> None:
        async for tick in ticks(api):
            found.append(tick)
            if sum(tick["clicks"] for tick in found) == 30:
                return

    watching = asyncio.create_task(watch())

    async def begun() -> bool:
        return bool(found)

    await until(begun)
    duration, events = Summary(2, 70, 10, 60), Summary(2, 9, 4, 5)
    await commit(
        redis, keys, 0, clicks=10, open_sessions=3, closed_sessions=2, session_duration=duration, session_events=events
    )
    await commit(redis, keys, 1, clicks=10, open_sessions=4, late=1, duplicates=2, events={"a": 9, "b": 1})
    await commit(redis, keys, 0, clicks=0, window="minutes", open_sessions=50)
    await redis.xadd(keys.metrics(0), {FIELD: b"rubbish"})
    await commit(redis, keys, 0, version=9, clicks=1_000)
    more = Summary(1, 5, 5, 5)
    await commit(redis, keys, 0, clicks=10, open_sessions=1, session_duration=more, revised_sessions=1, watermark_us=0)
    await asyncio.wait_for(watching, 30)

    def total(name: str) -> int:
        return sum(tick[name] for tick in found)

    assert {name: total(name) for name in ("late", "duplicates", "closed_sessions", "revised_sessions")} == {
        "late": 1,
        "duplicates": 2,
        "closed_sessions": 2,
        "revised_sessions": 1,
    }
    for name, count, amount, least, most in (("session_duration", 3, 75, 5, 60), ("session_events", 2, 9, 4, 5)):
        parts = [tick[name] for tick in found if tick[name]["count"]]
        assert sum(part["count"] for part in parts) == count
        assert sum(part["sum"] for part in parts) == amount
        assert min(part["min"] for part in parts) == least
        assert max(part["max"] for part in parts) == most
    assert found[-1]["open_sessions"] == 1 + 4, "of the last commit of each partition"
    assert found[-1]["watermark"] == "1970-01-01T00:00:00Z"
    assert sum(tick["events"].get("a", 0) for tick in found) == 9


async def test_a_subscriber_sees_at_once_how_many_sessions_are_open(
    settings: Settings, redis: Redis, keys: Keys, api: AsyncClient
) -> None:
    await commit(redis, keys, 0, open_sessions=7, clicks=1_000)
    feed = LiveFeed(redis, keys=keys, partitions=settings.partitions)
    async with feed.running(asyncio.Event()):
        tick = await asyncio.wait_for(anext(feed.subscribe("visits")), 30)
    assert (tick["open_sessions"], tick["clicks"]) == (7, 0), "what came before it subscribed is not counted"


async def test_a_subscriber_that_is_too_slow_is_dropped_and_the_others_are_not(
    settings: Settings, redis: Redis, keys: Keys
) -> None:
    feed = LiveFeed(redis, keys=keys, partitions=settings.partitions, backlog=1)
    async with feed.running(asyncio.Event()):
        slow, quick = feed.subscribe("visits"), feed.subscribe("visits")
        await anext(slow)
        for _ in range(3):
            await asyncio.wait_for(anext(quick), 30)
        left = [tick async for tick in slow]
        await asyncio.wait_for(anext(quick), 30)
    assert len(left) == 1


async def test_a_subscriber_that_hangs_up_is_forgotten(api: AsyncClient) -> None:
    def subscribers() -> float:
        return REGISTRY.get_sample_value("clickloom_live_subscribers") or 0

    before = subscribers()
    async with api.stream("GET", "/v1/live/metrics") as answer:
        await anext(answer.aiter_lines())
        assert subscribers() == before + 1

    async def forgotten() -> bool:
        return subscribers() == before

    await until(forgotten)


async def test_every_subscription_ends_when_the_service_stops(settings: Settings, redis: Redis, keys: Keys) -> None:
    feed, stop = LiveFeed(redis, keys=keys, partitions=settings.partitions), asyncio.Event()
    async with feed.running(stop):
        subscription = feed.subscribe("visits")
        await anext(subscription)
        stop.set()
        before = time.monotonic()
        assert [tick async for tick in subscription] == []
        assert time.monotonic() - before < 0.9, "at once, not at the next tick"


async def test_a_window_that_is_not_defined_is_refused(api: AsyncClient) -> None:
    assert "one of visits, minutes" in problem(await api.get("/v1/live/metrics?window=hours"), 422)["detail"]
