"""Resuming: from the ring, from Redis, over what is gone; and subscribers that are too slow."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.streams import next_id, trim_to
from services.api.live.feed import KEPT_MS
from services.api.live.feeds import Feeds
from services.api.live.views import ClicksView
from tests.clicks import click
from tests.processes import PATIENCE_S

ALL = ClicksView(None, None, None, None, None)


@dataclass(frozen=True)
class Told:
    """What came of one subscription: ids of clicks, names of other events, and where it was in the end."""

    clicks: list[str]
    others: list[str]
    at: int


@pytest.fixture
def publisher(redis: Redis, keys: Keys, settings: Settings) -> Publisher:
    return Publisher(redis, keys=keys, partitions=settings.partitions)


@pytest.fixture
def feeds(redis: Redis, keys: Keys, settings: Settings) -> Feeds:
    """Those of one process."""
    return new_feeds(redis, keys, settings)


def new_feeds(redis: Redis, keys: Keys, settings: Settings) -> Feeds:
    return Feeds(redis, keys=keys, partitions=settings.partitions, windows=("visits",))


def always() -> bool:
    return True


async def listen(feeds: Feeds, after: int | None, until_event: str, view: ClicksView = ALL) -> Told:
    return await told(feeds.clicks.follow(view, after, allowed=always), until_event)


async def told(follow: AsyncIterator[bytes], until_event: str) -> Told:
    """Up to the click, or event, of that id or name."""
    clicks: list[str] = []
    others: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in follow:
            fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line)
            if fields.get("event") == "clicks":
                clicks += [one["event_id"] for one in json.loads(fields["data"])]
            elif "event" in fields:
                others.append(fields["event"])
            if "id" in fields and until_event in {*clicks, *others}:
                return Told(clicks, others, int(fields["id"]))
    raise AssertionError((clicks, others))


async def send(publisher: Publisher, *names: str, **more: Any) -> None:
    """Each click with a stream entry of its own."""
    for name in names:
        await publisher.publish([click(1e9, user=name, event_id=name, **more)], arrival_us=10**15)


async def test_any_process_goes_on_where_another_was(
    redis: Redis, keys: Keys, settings: Settings, publisher: Publisher, feeds: Feeds
) -> None:
    async with feeds.running(asyncio.Event()):
        listening = asyncio.create_task(listen(feeds, None, "c"))
        await following(feeds)
        await send(publisher, "a", "b", "c")
        before = await listening
        await send(publisher, "d", "e")
    other = new_feeds(redis, keys, settings)
    async with other.running(asyncio.Event()):
        listening = asyncio.create_task(listen(other, before.at, "f"))
        await following(other)
        await send(publisher, "f")
        after = await listening
        assert sorted(before.clicks + after.clicks) == ["a", "b", "c", "d", "e", "f"]
        again = await listen(other, before.at, "f")
        assert (again.clicks, again.others) == (after.clicks, []), "out of the ring, or of Redis: the same"


async def following(feeds: Feeds) -> None:
    """Somebody subscribes, and reading has begun."""
    async with asyncio.timeout(PATIENCE_S):
        while not feeds.clicks.reads:
            await feeds.beat.next()


async def test_what_is_older_than_the_ring_comes_out_of_redis(publisher: Publisher, feeds: Feeds) -> None:
    async with feeds.running(asyncio.Event()):
        await feeds.beat.next()
        begin = feeds.beat.closed_ms
        assert begin is not None
        await send(publisher, "a", "b")
        await feeds.beat.next()
        await feeds.beat.next()
        listening = asyncio.create_task(listen(feeds, None, "c"))  # begins the ring, after those
        await following(feeds)
        resumed = asyncio.create_task(listen(feeds, begin, "c"))
        await send(publisher, "c")
        assert (await listening).clicks == ["c"]
        assert sorted((await resumed).clicks) == ["a", "b", "c"]


async def test_who_is_the_first_and_asks_for_as_much_as_a_ring_keeps_is_not_dropped(
    publisher: Publisher, feeds: Feeds
) -> None:
    async with feeds.running(asyncio.Event()):
        await feeds.beat.next()
        assert feeds.beat.closed_ms is not None
        listening = asyncio.create_task(listen(feeds, feeds.beat.closed_ms - KEPT_MS, "b"))
        await following(feeds)
        for _ in range(3):
            await feeds.beat.next()
        await send(publisher, "b")
        found = await listening
    assert (found.clicks, found.others) == (["b"], [])


async def test_a_gap_is_told_where_history_is_gone(
    redis: Redis, keys: Keys, settings: Settings, publisher: Publisher, feeds: Feeds
) -> None:
    async with feeds.running(asyncio.Event()):
        await feeds.beat.next()
        begin = feeds.beat.closed_ms
        await send(publisher, "a")
        await asyncio.sleep(0.3)
        await send(publisher, "b")
        for number in range(settings.partitions):
            entries: Any = await redis.xrange(keys.clicks(number))
            for entry_id, fields in entries:
                if b'"a"' in fields[b"b"] or b"\xa1a" in fields[b"b"]:
                    await trim_to(redis, keys.clicks(number), next_id(entry_id.decode()))
        found = await listen(feeds, begin, "b")
    assert (found.clicks, found.others) == (["b"], ["gap"])


async def test_a_position_of_another_redis_is_a_gap(publisher: Publisher, feeds: Feeds) -> None:
    async with feeds.running(asyncio.Event()):
        await feeds.beat.next()
        listening = asyncio.create_task(listen(feeds, 10**14, "a"))
        await following(feeds)
        await send(publisher, "a")
        assert (await listening).others == ["gap"]


async def test_a_subscriber_that_is_too_slow_is_dropped_and_can_come_again(publisher: Publisher, feeds: Feeds) -> None:
    feeds.clicks.keep(rows=1)
    async with feeds.running(asyncio.Event()):
        slow = feeds.clicks.follow(ALL, None, allowed=always)
        await anext(slow)
        quick = asyncio.create_task(listen(feeds, None, "c"))
        waiting = asyncio.create_task(told(slow, "a"))
        await following(feeds)
        await send(publisher, "a")
        seen = await waiting
        for name in ("b", "c"):  # which the slow one does not take
            await send(publisher, name)
            await asyncio.sleep(0.6)
        assert (await quick).clicks == ["a", "b", "c"]
        dropped = await told(slow, "dropped")
        assert (dropped.clicks, dropped.at) == ([], seen.at)
        with pytest.raises(StopAsyncIteration):
            await anext(slow)
        assert (await listen(feeds, dropped.at, "c")).clicks == ["b", "c"]


async def test_every_subscription_ends_when_the_service_stops(feeds: Feeds) -> None:
    stop = asyncio.Event()
    async with feeds.running(stop):
        subscription = feeds.clicks.follow(ALL, None, allowed=always)
        await anext(subscription)
        stop.set()
        async with asyncio.timeout(1):
            assert [event async for event in subscription] == []


async def test_one_reading_serves_all(redis: Redis, publisher: Publisher, feeds: Feeds) -> None:
    async def reads() -> int:
        told = await redis.info("commandstats")
        return int(told["cmdstat_xread"]["calls"]) if "cmdstat_xread" in told else 0

    async with feeds.running(asyncio.Event()):
        listening = [asyncio.create_task(listen(feeds, None, "a")) for _ in range(200)]
        await following(feeds)
        before, begin = await reads(), feeds.beat.closed_ms or 0
        await asyncio.sleep(1)
        await send(publisher, "a")
        for one in listening:
            assert (await one).clicks == ["a"]
        beats = ((feeds.beat.closed_ms or 0) - begin) / 250
        assert await reads() - before <= 2 * beats + 4, "numbers and clicks, once a beat"
