"""Traffic onto the streams: what is due is made and published at once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from copy import copy
from functools import partial
from itertools import islice

import structlog
from redis.asyncio import Redis

from clickloom.click import Click, normalise, parse_click
from clickloom.errors import RejectedInput, ServerUnavailable
from clickloom.keys import Keys
from clickloom.pressure import Pressure, send_patiently
from clickloom.publish import Publisher
from clickloom.streams import START, last_id
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.generator.arrivals import Arrivals, Line
from services.generator.pace import Slots

log = structlog.get_logger()

TICK_S = 0.05
CHUNK = 5_000
SOURCE = "generator"


class Feed:
    """Arrivals onto the streams, in their order."""

    def __init__(self, publisher: Publisher, pressure: Pressure, arrivals: Arrivals, stop: asyncio.Event) -> None:
        self._publisher = publisher
        self._pressure = pressure
        self._waiting = False
        self._arrivals = arrivals
        self._stop = stop

    async def publish_history(self, slots: Slots, *, end_us: int) -> None:
        """Back-dated traffic up to `end_us`, as fast as Redis takes it."""
        due = slots.until(end_us)
        while not self._stop.is_set() and (chunk := list(islice(due, CHUNK))):
            for time_us in chunk:
                self._arrivals.add(time_us)
            await self._publish(self._arrivals.take(chunk[-1]))
        log.info("history.published", lines=self._arrivals.end.lines)

    async def publish_live(self, slots: Slots, *, count: int) -> bool:
        """As slots come, until told to stop or until there were `count` (0: without end).

        What is still under way then is sent at once. Returns whether all of `count` were sent.
        """
        made = 0
        while not self._stop.is_set() and (not count or made < count):
            moment_us = now_us()
            for time_us in islice(slots.due(moment_us), count - made if count else None):
                self._arrivals.add(time_us)
                made += 1
            await self._publish(self._arrivals.take(moment_us))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_S)
        await self._publish(self._arrivals.finish())
        log.info("live.published", lines=made)
        return made == count

    async def _publish(self, lines: list[Line]) -> None:
        if not lines:
            return
        received_us = now_us()
        # A copy: one that arrives twice is the same object, and is brought into our form in place.
        clicks = [_normal(copy(line), received_us) for line in lines if not isinstance(line, bytes)]
        rejected = [self._refused(line, received_us) for line in lines if isinstance(line, bytes)]
        if clicks:
            await self._send(partial(self._publisher.publish, clicks, arrival_us=received_us))
        if rejected:
            await self._send(partial(self._publisher.reject, rejected))

    async def end_input(self, *, watermark_us: int, arrival_us: int) -> None:
        """All visits may close."""
        await self._send(partial(self._publisher.end_input, watermark_us=watermark_us, arrival_us=arrival_us))

    async def _send(self, send: Callable[[], Awaitable[object]]) -> None:
        await send_patiently(send, self._pressure, self._wait)
        if self._waiting:
            log.info("redis.takes_again")
        self._waiting = False

    def _wait(self, reason: str, away: bool) -> None:
        if self._stop.is_set():
            raise ServerUnavailable(f"stopped with events that Redis did not take: {reason}")
        if not self._waiting:
            log.warning("redis.away" if away else "redis.full", reason=reason, remedy="waiting")
        self._waiting = True

    def _refused(self, line: bytes, received_us: int) -> RejectedEvent:
        """A malformed line as ingest keeps it."""
        try:
            _normal(parse_click(line), received_us)
        except RejectedInput as error:
            return RejectedEvent(
                rejected_us=received_us,
                source=SOURCE,
                code=error.code,
                message=str(error),
                payload=line[:MAX_PAYLOAD],
                site_id=self._arrivals.site_id,
            )
        raise AssertionError(f"a malformed line that is a click: {line!r}")


async def is_fresh(redis: Redis, *, keys: Keys, partitions: int) -> bool:
    """Whether there was never a click: to any other watermark, back-dated traffic would be late."""
    return all([await last_id(redis, keys.clicks(number)) == START for number in range(partitions)])


def _normal(click: Click, received_us: int) -> Click:
    return normalise(click, received_us=received_us, future_bound_us=0, new_event_id=str)
