"""The generator's loop: what is due is made and published at once."""

import asyncio
import contextlib
from collections.abc import Iterable
from random import Random

import structlog
from redis.exceptions import OutOfMemoryError

from clickloom.click import Click, normalise
from clickloom.publish import Publisher
from clickloom.times import now_us
from services.generator.traffic import TokenBucket, history_times, make_click

log = structlog.get_logger()

TICK_S = 0.05
CHUNK = 5_000


async def publish_history(publisher: Publisher, random: Random, *, span_us: int) -> None:
    """Back-dated traffic up to now, in event-time order, as fast as Redis takes it."""
    end_us = now_us()
    times = history_times(random, begin_us=end_us - span_us, end_us=end_us)
    for start in range(0, len(times), CHUNK):
        await _publish(publisher, random, times[start : start + CHUNK])
    log.info("history.published", clicks=len(times))


async def publish_live(publisher: Publisher, random: Random, stop: asyncio.Event, *, rate: float, count: int) -> None:
    """`rate` events a second until told to stop, or until there were `count` (0: without end)."""
    bucket = TokenBucket(rate, now_us())
    sent = 0
    while not stop.is_set() and (not count or sent < count):
        moment_us = now_us()
        due = bucket.take(moment_us)
        due = min(due, count - sent) if count else due
        if due:
            await _publish(publisher, random, [moment_us] * due)
            sent += due
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)
    log.info("live.published", clicks=sent)


async def _publish(publisher: Publisher, random: Random, times: Iterable[int]) -> None:
    received_us = now_us()
    clicks = [_normal(make_click(random, time_us), received_us) for time_us in times]
    while True:
        try:
            await publisher.publish(clicks, arrival_us=received_us)
            return
        except OutOfMemoryError:
            log.warning("redis.full", remedy="waiting")
            await asyncio.sleep(1)


def _normal(click: Click, received_us: int) -> Click:
    return normalise(click, received_us=received_us, future_bound_us=0, new_event_id=str)
