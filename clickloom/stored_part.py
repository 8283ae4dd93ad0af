"""What Redis has of one partition under one window, read from outside while a sessionizer goes on committing."""

import asyncio
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.streams import as_bytes
from clickloom.windows.stored import Meta, Segment, decode_meta, decode_names, decode_segment

SEGMENTS = 4  # fetched at once: one reply must not hold Redis for long


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as one commit left it."""

    segments: dict[int, Segment]  # the oldest first
    names: dict[int, str]  # the event names, by their codes in the paths that count: older ones may have other codes
    meta: Meta

    @property
    def watermark_us(self) -> int:
        return self.meta[0].us


class PartReader:
    """Reads one part, and again: segments that it has, which never change, are not fetched twice."""

    def __init__(self, redis: Redis, keys: Keys, window: str, partition: int) -> None:
        self._redis = redis
        self._state = keys.state(window, partition)
        self._names = keys.names(window, partition)
        self._progress = keys.progress(window, partition)
        self._held: dict[int, Segment] = {}
        self._epoch: object = None

    async def read(self) -> StoredPart | None:
        """The part as of a moment during the call; None before its first commit. Raises UnknownVersion.

        A segment that is gone when it is fetched was dropped by a later commit, which has written again what counted
        of it. So the list is asked for anew, until all that is in it is here; each time only what has come since is
        fetched, however large the part is, and it is the oldest that are dropped.
        """
        while True:
            numbers, names, meta, epoch = await self._listed()
            if epoch != self._epoch:  # a Redis that lost commits may have other segments under their numbers
                self._held, self._epoch = {}, epoch
            missing = [number for number in numbers if number not in self._held]
            for first in range(0, len(missing), SEGMENTS):
                await self._fetch(missing[first : first + SEGMENTS])
            self._held = {number: self._held[number] for number in numbers if number in self._held}
            if len(self._held) == len(numbers):
                return None if meta is None else StoredPart(self._held, names, decode_meta(meta))

    def forget(self) -> None:
        """Keep nothing until it is read again."""
        self._held = {}

    async def _listed(self) -> tuple[list[int], dict[int, str], bytes | None, object]:
        """The numbers of the segments that count, the names, the meta, and the owner's epoch: of one moment."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hkeys(self._state)
            pipe.hgetall(self._names)
            pipe.hmget(self._progress, ["meta", "epoch"])
            found, names, (meta, epoch) = await pipe.execute()
        return sorted(map(int, found)), decode_names(names), None if meta is None else as_bytes(meta), epoch

    async def _fetch(self, numbers: list[int]) -> None:
        values: Any = await self._redis.hmget(self._state, list(map(str, numbers)))
        there = [(number, as_bytes(value)) for number, value in zip(numbers, values, strict=True) if value is not None]
        self._held.update(await asyncio.to_thread(_decoded, there))


def _decoded(segments: list[tuple[int, bytes]]) -> dict[int, Segment]:
    return {number: decode_segment(value) for number, value in segments}
