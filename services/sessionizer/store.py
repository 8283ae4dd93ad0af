"""The sessionizer's side of Redis: leases, the stream it reads, and the one step in which everything moves on."""

from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from clickloom.errors import Fenced
from clickloom.keys import Keys
from clickloom.streams import START, Entry, as_bytes, read_stream
from clickloom.windows.partition import Changes, Partition
from clickloom.wire import FIELD, encode


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit one partition of one window, until another epoch begins."""

    window: str
    partition: int
    epoch: int
    owner: str

    @property
    def token(self) -> bytes:
        """What the lease key holds while the lease is ours."""
        return f"{self.epoch}:{self.owner}".encode()


class PartitionStore:
    """Redis as one (window, partition) sees it."""

    def __init__(self, redis: Redis, *, keys: Keys, window: str, partition: int, lease_us: int) -> None:
        self._redis = redis
        self._keys = keys
        self._window = window
        self._partition = partition
        self._lease_ms = lease_us // 1_000
        self._lease_key = keys.lease(window, partition)
        self._progress = keys.progress(window, partition)
        self._state = keys.state(window, partition)

    async def acquire(self, owner: str) -> Lease | None:
        """Take the lease if it is free. The epoch only grows, so no two leases are ever alike."""
        if await self._redis.exists(self._lease_key):
            return None
        epoch = await self._redis.incr(self._keys.epoch(self._window, self._partition))
        lease = Lease(self._window, self._partition, epoch, owner)
        taken = await self._redis.set(self._lease_key, lease.token, nx=True, px=self._lease_ms)
        return lease if taken else None

    async def renew(self, lease: Lease) -> None:
        """Keep the lease without a commit. Raises Fenced if it is another's."""
        async with self._redis.pipeline(transaction=True) as pipe:
            await self._check(pipe, lease)
            pipe.pexpire(self._lease_key, self._lease_ms)
            await _execute(pipe, lease)

    async def release(self, lease: Lease) -> None:
        """Let another worker take over at once. Raises Fenced if one already has."""
        async with self._redis.pipeline(transaction=True) as pipe:
            await self._check(pipe, lease)
            pipe.delete(self._lease_key)
            await _execute(pipe, lease)

    async def load(self, partition: Partition) -> str:
        """Bring an empty partition to its last commit; returns the cursor."""
        cursor, meta = await self._redis.hmget(self._progress, ["cursor", "meta"])
        if cursor is None or meta is None:
            return START
        for bucket in partition.restore_meta(as_bytes(meta)):
            stored = await self._redis.get(self._keys.seen(self._window, self._partition, bucket))
            partition.restore_seen(bucket, as_bytes(stored or b""))
        async for key, value in self._redis.hscan_iter(self._state, count=1_000):
            partition.restore_sessions(as_bytes(key).decode(), as_bytes(value))
        return as_bytes(cursor).decode()

    async def read(self, cursor: str, *, count: int, block_ms: int) -> list[Entry]:
        """The entries after the cursor; empty if none came within `block_ms`."""
        return await read_stream(
            self._redis, self._keys.clicks(self._partition), cursor, count=count, block_ms=block_ms
        )

    async def commit(self, lease: Lease, *, cursor: str, changes: Changes) -> None:
        """Move state, cursor and output on in one MULTI/EXEC, if the lease is still ours.

        1. WATCH the lease and read it: another's token, or none, raises Fenced and nothing is written.
        2. State: changed and forgotten sessions, ids seen and dropped.
        3. Output: the changelog's rows, the commit's numbers.
        4. Progress: cursor, watermark and names; the lease renewed.

        EXEC applies 2 to 4 whole or not at all. A crash before it leaves the last commit, from which the next owner
        reads the same entries again; a crash after it leaves this one. If the lease changed hands between 1 and EXEC,
        WATCH makes EXEC fail.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            await self._check(pipe, lease)
            if changes.sessions:
                pipe.hset(self._state, items=[part for pair in changes.sessions.items() for part in pair])
            if changes.forgotten:
                pipe.hdel(self._state, *changes.forgotten)
            for bucket, ids in changes.seen_added.items():
                pipe.append(self._keys.seen(self._window, self._partition, bucket), ids)
            for bucket in changes.seen_dropped:
                pipe.delete(self._keys.seen(self._window, self._partition, bucket))
            pipe.xadd(self._keys.sessions(self._window, self._partition), {FIELD: encode(changes.changelog)})
            pipe.xadd(self._keys.metrics(self._partition), {FIELD: encode(changes.metrics)})
            pipe.hset(self._progress, mapping={"cursor": cursor, "meta": changes.meta})
            pipe.pexpire(self._lease_key, self._lease_ms)
            await _execute(pipe, lease)

    async def _check(self, pipe: Pipeline, lease: Lease) -> None:
        await pipe.watch(self._lease_key)
        if await pipe.get(self._lease_key) != lease.token:
            raise Fenced(f"partition {lease.partition} of window {lease.window} has another owner")
        pipe.multi()  # type: ignore[no-untyped-call]  # redis-py gives it no types


async def _execute(pipe: Pipeline, lease: Lease) -> None:
    try:
        await pipe.execute()
    except WatchError as error:
        raise Fenced(f"partition {lease.partition} of window {lease.window} changed hands during a commit") from error
