"""One live stream: a single reader of its Redis streams, a ring of what was read, and any number of subscribers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import randrange
from typing import Generic, TypeVar

import msgspec
import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from redis.asyncio import Redis
from redis.exceptions import RedisError

from clickloom.live import TICK_MS
from clickloom.metrics import LIVE_SUBSCRIBERS
from clickloom.streams import trimmed_to
from clickloom.times import iso
from services.api.live.beat import Beat
from services.api.live.reading import Reading, read_past
from services.api.live.ring import Ring, Slice, View, sse
from services.api.live.sources import Source

log = structlog.get_logger()

KEPT_MS = 60_000  # in the ring: who is further behind is dropped
KEPT_ROWS = 100_000
HEARTBEAT_S = 15.0
AHEAD_MS = 60_000  # a position so far ahead of Redis' clock is of another Redis, or the clock was set back
SLACK_MS = 10_000  # past what was trimmed, after a gap: trimming goes on while the past is read
PASTS = 4  # subscribers that read Redis' past at once
DROPPED = "further behind than what this process keeps: come again with Last-Event-ID"
REVOKED = "the key that this was asked with opens it no more"
LOST = "what came between is kept no more"
RETRY_MS = (500, 2_500)  # when a browser comes again: not all of them at once

T = TypeVar("T")
R = TypeVar("R")


class Feed(Generic[T]):
    """Reads as long as there are subscribers, or always."""

    def __init__(
        self,
        redis: Redis,
        beat: Beat,
        streams: Mapping[str, int],
        new_source: Callable[[], Source[T]],
        *,
        past: Mapping[str, int] | None = None,
    ) -> None:
        """past: those of the streams that are read again for one who resumes; all of them if none are given."""
        self._redis = redis
        self._beat = beat
        self._streams = streams
        self._past_streams = past or streams
        self._new_source = new_source
        self._kept_rows = KEPT_ROWS
        self._ring: Ring[T] | None = None  # None: nobody reads
        self._subscribers = 0
        self._pasts = asyncio.Semaphore(PASTS)

    @property
    def reads(self) -> bool:
        return self._ring is not None

    def keep(self, *, rows: int) -> None:
        """So many at the most, from the next `begin` on."""
        self._kept_rows = rows

    def begin(self, position_ms: int) -> Ring[T]:
        """Read from there on, at each beat."""
        self._ring = Ring(position_ms, kept_ms=KEPT_MS, kept_rows=self._kept_rows)
        self._source = self._new_source()
        self._read_to_ms = self._source.begins(position_ms)
        self._reading = Reading(self._redis, self._streams, self._read_to_ms)
        return self._ring

    def rest(self) -> None:
        """Read no more if nobody subscribes."""
        if not self._subscribers:
            self._ring = None

    async def advance(self, end_ms: int) -> None:
        """Take in what came up to that time, which is over. Raises RedisError."""
        ring = self._ring
        if ring is None or end_ms <= self._read_to_ms:
            return
        found = await self._reading.until(end_ms)
        if ring.end_ms < await self._trimmed_ms():
            self.begin(end_ms)  # some may have gone before it was read: who comes again is told of the gap
            return
        for slice_ in self._source.slices(found, self._read_to_ms, end_ms):
            if slice_.end_ms > ring.end_ms:
                ring.add(slice_)
            await asyncio.sleep(0)
        self._read_to_ms = end_ms

    async def follow(self, view: View[T], after_ms: int | None, *, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Server-sent events after a position, or from now on.

        Until the service stops, the subscriber is too slow, or is not allowed any more. A comment comes first, and then
        at least every HEARTBEAT_S.
        """
        self._subscribers += 1
        with LIVE_SUBSCRIBERS.track_inprogress():
            try:
                yield format_sse_event(comment="clickloom", retry=randrange(*RETRY_MS))
                told_s = time.monotonic()
                async for event in self._events(view, after_ms, allowed):
                    if event is not None:
                        told_s = time.monotonic()
                        yield event
                    elif time.monotonic() - told_s >= HEARTBEAT_S:
                        told_s = time.monotonic()
                        yield KEEPALIVE_COMMENT
            except RedisError:  # away while the service stops
                return
            finally:
                self._subscribers -= 1

    async def _events(
        self, view: View[T], after_ms: int | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[bytes | None]:
        """None: there is nothing at the moment."""
        while self._beat.closed_ms is None:
            yield None
            if not await self._beat.next():
                return
        now_ms = self._beat.closed_ms
        at = _Position(now_ms if after_ms is None else after_ms)
        if at.ms > now_ms + AHEAD_MS:
            yield at.gap(now_ms)
        if after_ms is not None and at.ms < (kept_ms := await self._patiently(self._trimmed_ms)):
            yield at.gap(_safely(kept_ms, now_ms))
        if self._ring is None:
            self.begin(min(max(at.ms, now_ms - KEPT_MS // 2), now_ms))  # and keeps it until the rest is read
        if after_ms is not None:
            async for event in self._resumed(view, at):
                yield event
        async for event in self._live(view, at, allowed):
            yield event
        if self._beat.ended:
            return
        reason = DROPPED if allowed() else REVOKED
        log.warning("subscriber.dropped", position_ms=at.ms, reason=reason)
        yield sse("dropped", _json({"reason": reason}), at.ms)

    async def _live(self, view: View[T], at: "_Position", allowed: Callable[[], bool]) -> AsyncIterator[bytes | None]:
        """Out of the ring, until that has lost the place, or there is no beat any more."""
        while allowed() and self._ring is not None and self._ring.begin_ms <= at.ms:
            if (slice_ := self._ring.next_after(at.ms)) is not None:
                at.ms = slice_.end_ms
                yield slice_.event(view)
            elif not await self._beat.next():
                return
            else:
                yield None

    async def _resumed(self, view: View[T], at: "_Position") -> AsyncIterator[bytes | None]:
        """Out of Redis, up to where the ring begins; with a `gap` where that keeps it no more."""
        source: Source[T] | None = None
        begin_ms = 0
        while True:
            if at.ms < (kept_ms := await self._patiently(self._trimmed_ms)):
                yield at.gap(_safely(kept_ms, self._beat.closed_ms or 0))
                source = None
            if self._ring is None or self._ring.begin_ms <= at.ms:
                return
            if source is None:
                source = self._new_source()
                begin_ms = source.begins(at.ms)
            end_ms = min(begin_ms + source.step_ms, -(-self._ring.begin_ms // TICK_MS) * TICK_MS)
            slices = await self._past(source, begin_ms, end_ms)
            if await self._patiently(self._trimmed_ms) > at.ms:
                continue  # some of it may have gone while it was read
            for slice_ in slices:
                if slice_.end_ms > at.ms:
                    at.ms = slice_.end_ms
                    yield slice_.event(view)
            begin_ms = end_ms

    async def _past(self, source: Source[T], begin_ms: int, end_ms: int) -> list[Slice[T]]:
        async with self._pasts:
            found = await self._patiently(lambda: read_past(self._redis, self._past_streams, begin_ms, end_ms))
        return list(source.slices(found, begin_ms, end_ms))

    async def _trimmed_ms(self) -> int:
        """The first tick of which everything is kept."""
        moment_ms, sequence = await trimmed_to(self._redis, list(self._past_streams))
        return -(-(moment_ms + bool(sequence)) // TICK_MS) * TICK_MS

    async def _patiently(self, ask: Callable[[], Awaitable[R]]) -> R:
        """While Redis is away the subscriber waits."""
        while True:
            try:
                return await ask()
            except RedisError:
                if not await self._beat.next():
                    raise


def _safely(kept_ms: int, now_ms: int) -> int:
    """A tick from which on all is kept for a while."""
    slack_ms = min(SLACK_MS, max(0, now_ms - kept_ms) // 10)
    return kept_ms + slack_ms // TICK_MS * TICK_MS


@dataclass(slots=True)
class _Position:
    """How far a subscriber is."""

    ms: int

    def gap(self, to_ms: int) -> bytes:
        """Go on elsewhere, and the event that says so."""
        lost = {"from": iso(self.ms * 1_000), "to": iso(to_ms * 1_000), "reason": LOST}
        self.ms = to_ms
        return sse("gap", _json(lost), to_ms)


_json = msgspec.json.encode
