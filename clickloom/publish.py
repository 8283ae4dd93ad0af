"""Clicks onto the streams: grouped by partition, packed into record batches, sent in one round trip."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from clickloom.click import Click
from clickloom.durability import ON_DISK_WITHIN_MS
from clickloom.keys import Keys, partition_of
from clickloom.streams import split_id
from clickloom.wire import FIELD, EntryId, RecordBatch, RejectedEvent, encode

BATCH_CLICKS = 500


@dataclass(frozen=True, slots=True)
class Position:
    """Of a click in `clicks:{p}`, as the table `clicks` has it too."""

    partition: int
    entry: EntryId
    row: int


@dataclass(frozen=True)
class Placed:
    """Where clicks are that were published together. Most callers never ask, so it is not told apart before."""

    entries: Sequence[tuple[int, Sequence[Click]]]  # partition and clicks of each
    ids: Sequence[bytes]  # of the entries, in order

    def position(self, click: Click) -> Position:
        """Of one of the very objects that were published."""
        return self._positions[id(click)]

    @cached_property
    def _positions(self) -> dict[int, Position]:
        return {
            id(click): Position(partition, split_id(entry_id.decode()), row)
            for (partition, clicks), entry_id in zip(self.entries, self.ids, strict=True)
            for row, click in enumerate(clicks)
        }


NOWHERE = Placed((), ())


class Publisher:
    """Writes normalised clicks; when a call returns, what it was given is in Redis."""

    def __init__(self, redis: Redis, *, keys: Keys, partitions: int, durable: bool = False) -> None:
        """durable: it is on disk by then. See that `check_durable` finds nothing against it."""
        self._redis = redis
        self._durable = durable
        self._keys = keys
        self._partitions = partitions

    async def publish(self, clicks: Sequence[Click], *, arrival_us: int) -> Placed:
        """Where each click is."""
        by_partition: defaultdict[int, tuple[list[Click], list[str]]] = defaultdict(lambda: ([], []))
        for click in clicks:
            key = click.key
            members, keys = by_partition[partition_of(key, self._partitions)]
            members.append(click)
            keys.append(key)
        async with self._redis.pipeline(transaction=False) as pipe:
            entries: list[tuple[int, list[Click]]] = []
            for partition, (members, keys) in by_partition.items():
                for start in range(0, len(members), BATCH_CLICKS):
                    end = start + BATCH_CLICKS
                    entries.append((partition, members[start:end]))
                    batch = RecordBatch.of(entries[-1][1], arrival_us, keys[start:end])
                    pipe.xadd(self._keys.clicks(partition), {FIELD: encode(batch)})
            return Placed(entries, await self._send(pipe))

    async def reject(self, events: Sequence[RejectedEvent]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for event in events:
                pipe.xadd(self._keys.rejected(), {FIELD: encode(event)})
            await self._send(pipe)

    async def end_input(self, *, watermark_us: int, arrival_us: int) -> None:
        """Tell every partition that a finite input has ended: its watermark moves on to `watermark_us`."""
        batch = RecordBatch.of([], arrival_us)
        batch.watermark_us = watermark_us
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition in range(self._partitions):
                pipe.xadd(self._keys.clicks(partition), {FIELD: encode(batch)})
            await self._send(pipe)

    async def _send(self, pipe: Pipeline) -> list[Any]:
        """What Redis answered to each. Raises TimeoutError if the disk is too slow."""
        if not self._durable:
            return await pipe.execute()
        pipe.waitaof(1, 0, ON_DISK_WITHIN_MS)  # after the writes and on their connection: it waits for these
        *answers, (on_disk, _) = await pipe.execute()
        if not on_disk:
            raise TimeoutError(f"Redis has not brought it to its disk within {ON_DISK_WITHIN_MS} ms")
        return answers
