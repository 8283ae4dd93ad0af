"""Streams, read up to a moment of the clock that gives entries their ids."""

from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from clickloom.streams import Entry, before, range_streams, read_streams, split_id
from clickloom.wire import FIELD, EntryId

AT_ONCE = 500  # entries of each stream


class Found(NamedTuple):
    """An entry of one of several streams. In order of their ids, of equal ones by stream."""

    entry: EntryId
    stream: int
    value: bytes


class Reading:
    """One reader of some streams. `streams`: name → number."""

    def __init__(self, redis: Redis, streams: Mapping[str, int], from_ms: int) -> None:
        self._redis = redis
        self._streams = streams
        self._cursors = dict.fromkeys(streams, before(from_ms))
        self._early: list[Found] = []  # read already, and not asked for yet

    async def until(self, end_ms: int) -> list[Found]:
        """All entries from before that time that no call has given yet. Raises RedisError."""
        while await self._read():
            pass
        due = sorted(found for found in self._early if found.entry[0] < end_ms)
        self._early = [found for found in self._early if found.entry[0] >= end_ms]
        return due

    async def _read(self) -> bool:
        """Whether there may be more."""
        read = await read_streams(self._redis, self._cursors, count=AT_ONCE, block_ms=None)
        for stream, entries in read.items():
            self._cursors[stream] = entries[-1][0].decode()
            self._early += _found(self._streams[stream], entries)
        return any(len(entries) == AT_ONCE for entries in read.values())


async def read_past(redis: Redis, streams: Mapping[str, int], first_ms: int, end_ms: int) -> list[Found]:
    """The entries of that time, as far as they are kept. Raises RedisError."""
    read = await range_streams(redis, list(streams), first_ms, end_ms)
    return sorted(found for stream, entries in read.items() for found in _found(streams[stream], entries))


def _found(number: int, entries: list[Entry]) -> list[Found]:
    return [Found(split_id(entry_id.decode()), number, fields.get(FIELD, b"")) for entry_id, fields in entries]
