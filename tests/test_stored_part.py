"""A part that is read from outside while commits go on, on a real Redis."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.stored_part import PartReader
from clickloom.times import SECOND_US
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.windows.stored import decode_live, newest
from services.sessionizer import segments as module
from services.sessionizer.leases import Part
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.segments import Segments
from services.sessionizer.served import Served
from services.sessionizer.store import Store
from tests.clicks import batch, click

PART = Part(2, "visits")
COMMITS = 150


async def take(redis: Redis, keys: Keys) -> tuple[Store, Served]:
    store = Store(redis, keys=keys, lease_us=60 * SECOND_US)
    lease = await store.take(PART, "a")
    assert lease
    partition = Partition(SessionWindow("visits", gap_us=10 * SECOND_US), Rules(out_of_orderness_us=0))
    segments = Segments()
    position = await store.load(PART, partition, segments)
    policy = CommitPolicy(interval_us=250_000, sessions=20_000)
    return store, Served(lease, partition, segments, at=position, policy=policy, now_us=0)


def reader(redis: Redis, keys: Keys) -> PartReader:
    return PartReader(redis, keys, PART.window, PART.partition)


async def test_there_is_nothing_to_read_before_the_first_commit(redis: Redis, keys: Keys) -> None:
    assert await reader(redis, keys).read() is None


async def test_each_reading_is_what_one_commit_left_while_segments_are_written_and_dropped(
    redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commit n gives the watermark n, and every visitor of it their n-th click: a reading must have as many clicks."""
    monkeypatch.setattr(module, "SLACK_BYTES", 0)
    store, served = await take(redis, keys)
    chance = Random(1)

    async def commit() -> None:
        for number in range(1, COMMITS + 1):
            users = [f"u{user}" for user in chance.sample(range(40), 5)]
            await redis.xadd(keys.clicks(PART.partition), {"b": "x"}, id=f"{number}-0")
            served.apply([f"{number}-0"], [batch(*(click(number / 100, user=user) for user in users))])
            await store.commit(served.take_commit(0))

    committing = asyncio.create_task(commit())
    again, readings = reader(redis, keys), 0
    while not committing.done():
        for part in (await reader(redis, keys).read(), await again.read()):
            if part is not None:
                sessions = [live for value in newest(part.segments.values()).values() for live in decode_live(value)]
                assert sum(live.events for live in sessions) == 5 * round(part.watermark_us / SECOND_US * 100)
                readings += 1
    await committing
    assert readings > 20
    assert await redis.hlen(keys.state(PART.window, PART.partition)) < COMMITS
