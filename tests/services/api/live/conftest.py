"""Entries for live streams, and what a subscriber is given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.numbers import SiteNumbers
from clickloom.times import SECOND_US
from clickloom.wire import FIELD, CommitMetrics, encode
from tests.live import Event, events
from tests.processes import PATIENCE_S

Commit = Callable[..., Awaitable[None]]


@pytest.fixture
def commit(redis: Redis, keys: Keys) -> Commit:
    """What a sessionizer tells of one commit; `sites` by site the fields of its numbers."""

    async def commit(partition: int = 0, *, window: str = "visits", watermark: float = 100, **sites: Any) -> None:
        told = {site_id: SiteNumbers(**fields) for site_id, fields in sites.items()}
        clicks = sum(numbers.clicks for numbers in told.values())
        metrics = CommitMetrics(
            window=window, committed_us=0, watermark_us=round(watermark * SECOND_US), clicks=clicks, sites=told
        )
        await redis.xadd(keys.metrics(partition), {FIELD: encode(metrics)})

    return commit


async def first(api: AsyncClient, path: str, wanted: Callable[[Event], object], **asked: Any) -> list[Event]:
    """Events up to the first that is wanted; comments are left out."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in events(api, path, **asked):
            if event.name:
                found.append(event)
                if wanted(event):
                    return found
    raise AssertionError(f"{path} ended after {found}")


async def ticks(api: AsyncClient, **asked: Any) -> AsyncIterator[dict[str, Any]]:
    async for event in events(api, "/v1/live/metrics", **asked):
        if event.name == "metrics":
            yield event.data


async def begun(follow: AsyncIterator[Any]) -> None:
    """The subscription stands: its first comment has come."""
    await anext(follow)
