"""The sessionizer's side of Redis: leases, the streams it reads, and the one step in which everything moves on."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from redis.asyncio import Redis, RedisCluster

from clickloom.errors import Fenced
from clickloom.keys import Keys
from clickloom.metrics import ROLLED_BACK
from clickloom.streams import START, Entry, as_bytes, read_streams
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.stored import decode_names
from clickloom.wire import encode
from services.sessionizer.functions import FUNCTIONS
from services.sessionizer.leases import Lease, Part
from services.sessionizer.segments import Segments

SEGMENTS = 4  # read at once: one reply must not hold Redis for long
RESTORED = 2_000  # visitors restored before others get their turn

_REASONS = {
    "fenced": "another has taken the lease since",
    "rolled back": "Redis has lost its last commits",
    "input lost": "Redis has lost entries that were read",
}


@dataclass(frozen=True, slots=True)
class Position:
    """How far a part is committed."""

    cursor: str
    commits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What moves a part on from one position to the next."""

    lease: Lease
    number: int  # of this commit: one more than the position that it starts from
    since: str  # the cursor that it starts from
    cursor: str
    entries: int  # between the two
    changes: Changes
    segment: bytes  # empty: no session changed
    dropped: Sequence[int]  # segments of which nothing counts any more


class Store:
    """Redis as a sessionizer sees it. A call that raises RedisError may or may not have done its work."""

    def __init__(self, redis: Redis, *, keys: Keys, lease_us: int) -> None:
        self._redis = redis
        self._keys = keys
        self._lease_ms = lease_us // 1_000

    async def beat(self, worker: str) -> list[str]:
        """Say that the worker lives; the names of all that do."""
        names = await FUNCTIONS.call(self._redis, "beat", [self._keys.workers()], [worker, self._lease_ms])
        return [as_bytes(name).decode() for name in names]

    async def leave(self, worker: str) -> None:
        """Say that the worker is gone."""
        await self._redis.zrem(self._keys.workers(), worker)

    async def owners(self, parts: Collection[Part]) -> dict[Part, str | None]:
        """Every part's owner; None: its lease is free."""
        keys = [self._lease_key(part) for part in parts]
        redis: Any = self._redis
        tokens = await (redis.mget_nonatomic(keys) if isinstance(redis, RedisCluster) else redis.mget(keys))
        return {
            part: None if token is None else as_bytes(token).decode().partition(":")[2]
            for part, token in zip(parts, tokens, strict=True)
        }

    async def take(self, part: Part, worker: str) -> Lease | None:
        """Take the lease if it is free, or the worker's own of another epoch, which ends with that.

        The epoch only grows, so no two leases are ever alike. Once this returns no commit of an earlier one can
        happen any more, not even one that is still on its way.
        """
        keys = [self._lease_key(part), self._progress_key(part)]
        epoch = await FUNCTIONS.call(self._redis, "take", keys, [worker, self._lease_ms])
        return Lease(part, int(epoch), worker) if epoch else None

    async def renew(self, leases: Collection[Lease]) -> list[Lease]:
        """Keep the leases for their time from now on, also those that have ended meanwhile if nobody has taken them.

        Returns those that are lost.
        """
        lost: list[Lease] = []
        for _, members in groupby(sorted(leases, key=lambda lease: lease.part), key=lambda lease: lease.part.partition):
            some = list(members)
            keys = [name for lease in some for name in (self._lease_key(lease.part), self._progress_key(lease.part))]
            tokens = [lease.token for lease in some]
            renewed = await FUNCTIONS.call(self._redis, "renew", keys, [self._lease_ms, *tokens])
            lost += [lease for lease, kept in zip(some, renewed, strict=True) if not kept]
        return lost

    async def release(self, lease: Lease) -> None:
        """Let another worker take over at once. Raises Fenced if one already has."""
        keys = [self._lease_key(lease.part), self._progress_key(lease.part)]
        if not await FUNCTIONS.call(self._redis, "release", keys, [lease.token]):
            raise Fenced(f"{lease}: another has taken it")

    async def load(self, part: Part, partition: Partition, segments: Segments) -> Position:
        """Bring an empty partition to its last commit. As long as the lease is ours nothing moves meanwhile.

        If it has ended, what is loaded may be of several commits, none of which can be built on: the next is refused.
        Raises Fenced if that shows here.
        """
        progress = self._progress_key(part)
        cursor, commits, meta = await self._redis.hmget(progress, ["cursor", "commits", "meta"])
        if cursor is None or commits is None or meta is None:
            return Position(START, 0)
        for bucket in partition.restore_meta(as_bytes(meta)):
            stored = await self._redis.get(self._seen_key(part, bucket))
            partition.restore_seen(bucket, as_bytes(stored or b""))
        names: Any = await self._redis.hgetall(self._names_key(part))
        partition.restore_names(decode_names(names))
        for count, (visitor, value) in enumerate((await self._sessions(part, segments)).items(), start=1):
            partition.restore_sessions(visitor, value)
            if count % RESTORED == 0:
                await asyncio.sleep(0)
        return Position(as_bytes(cursor).decode(), int(commits))

    async def _sessions(self, part: Part, segments: Segments) -> dict[str, bytes]:
        """Every visitor's sessions as the newest segment has them."""
        state = self._state_key(part)
        numbers = sorted(int(number) for number in await self._redis.hkeys(state))
        sessions: dict[str, bytes] = {}
        for first in range(0, len(numbers), SEGMENTS):
            some = numbers[first : first + SEGMENTS]
            values = await self._redis.hmget(state, list(map(str, some)))
            for number, value in zip(some, values, strict=True):
                if value is None:
                    raise Fenced(f"segment {number} was dropped meanwhile: another has taken the lease")
                segments.restore(number, as_bytes(value), sessions)
        return sessions

    async def read(self, cursors: Mapping[int, str], *, count: int, block_ms: int | None) -> dict[int, list[Entry]]:
        """By partition the entries after its cursor; only of partitions that have any."""
        partition_of = {self._keys.clicks(partition): partition for partition in cursors}
        streams = {stream: cursors[partition] for stream, partition in partition_of.items()}
        found = await read_streams(self._redis, streams, count=count, block_ms=block_ms)
        return {partition_of[stream]: entries for stream, entries in found.items()}

    async def commit(self, commit: Commit) -> None:
        """Move state, output and cursor on in one Redis Function.

        1. The fence: no epoch may have begun since ours, the last commit must be the one that we know of, and if the
           server is another than at that one all entries that we have read since must be there. Else nothing is
           written and Fenced is raised: another worker took over, or Redis lost its last commits, or input.
        2. State: the changed sessions as one segment, outdated segments dropped, event names, ids seen and dropped.
        3. Output: the changelog's rows, the commit's numbers, users who were there.
        4. Progress: count of commits, cursor, watermark; the lease kept; the cursor shown as a consumer group.

        Redis runs the function whole before anything else and writes it to its log as one transaction. A crash
        before it leaves the last commit, from which the next owner reads the same entries again; a crash after it
        leaves this one. Between the two there is nothing to leave.

        If the connection is lost before the answer, the commit may have happened, or may still be on its way. It is
        not sent again: the worker takes the part anew, which fences off the old epoch, and loads what is stored.
        """
        part, changes = commit.lease.part, commit.changes
        keys = [
            *(self._lease_key(part), self._progress_key(part), self._keys.clicks(part.partition)),
            *(self._state_key(part), self._names_key(part), self._keys.sessions(part.window, part.partition)),
            *(self._keys.metrics(part.partition), self._keys.active(part.partition)),
            *(self._seen_key(part, bucket) for bucket in [*changes.seen_added, *changes.seen_dropped]),
        ]
        arguments = [
            *(commit.lease.token, self._lease_ms, commit.number),
            *(part.window, commit.since, commit.cursor, commit.entries),
            *(changes.meta, changes.metrics.committed_us, changes.changelog.watermark_us),
            *(encode(changes.changelog), encode(changes.metrics)),
            encode(changes.active) if changes.active else b"",
            *(commit.segment, len(commit.dropped), len(changes.names_added), len(changes.names_freed)),
            *(len(changes.seen_added), *commit.dropped, *chain.from_iterable(changes.names_added.items())),
            *(*changes.names_freed, *changes.seen_added.values()),
        ]
        outcome = as_bytes(await FUNCTIONS.call(self._redis, "commit", keys, arguments)).decode()
        if outcome in ("rolled back", "input lost"):
            ROLLED_BACK.labels(part.window).inc()
        if outcome != "done":
            raise Fenced(f"{commit.lease}: {_REASONS[outcome]}")

    def _lease_key(self, part: Part) -> str:
        return self._keys.lease(part.window, part.partition)

    def _progress_key(self, part: Part) -> str:
        return self._keys.progress(part.window, part.partition)

    def _state_key(self, part: Part) -> str:
        return self._keys.state(part.window, part.partition)

    def _names_key(self, part: Part) -> str:
        return self._keys.names(part.window, part.partition)

    def _seen_key(self, part: Part, bucket: int) -> str:
        return self._keys.seen(part.window, part.partition, bucket)
