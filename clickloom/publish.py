"""Clicks onto the streams: grouped by partition, packed into record batches, sent in one round trip."""

from collections import defaultdict
from collections.abc import Sequence

from redis.asyncio import Redis

from clickloom.click import Click
from clickloom.keys import Keys, partition_of
from clickloom.wire import FIELD, RecordBatch, RejectedEvent, encode

BATCH_CLICKS = 500


class Publisher:
    """Writes normalised clicks; when a call returns, what it was given is in Redis."""

    def __init__(self, redis: Redis, *, keys: Keys, partitions: int) -> None:
        self._redis = redis
        self._keys = keys
        self._partitions = partitions

    async def publish(self, clicks: Sequence[Click], *, arrival_us: int) -> None:
        by_partition: defaultdict[int, list[Click]] = defaultdict(list)
        for click in clicks:
            by_partition[partition_of(click.key, self._partitions)].append(click)
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition, members in by_partition.items():
                for start in range(0, len(members), BATCH_CLICKS):
                    batch = RecordBatch.of(members[start : start + BATCH_CLICKS], arrival_us)
                    pipe.xadd(self._keys.clicks(partition), {FIELD: encode(batch)})
            await pipe.execute()

    async def reject(self, events: Sequence[RejectedEvent]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for event in events:
                pipe.xadd(self._keys.rejected(), {FIELD: encode(event)})
            await pipe.execute()

    async def end_input(self, *, watermark_us: int, arrival_us: int) -> None:
        """Tell every partition that a finite input has ended: its watermark moves on to `watermark_us`."""
        batch = RecordBatch.of([], arrival_us)
        batch.watermark_us = watermark_us
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition in range(self._partitions):
                pipe.xadd(self._keys.clicks(partition), {FIELD: encode(batch)})
            await pipe.execute()
