"""The loop of a sessionizer: read, apply, commit, for every part whose lease it holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from itertools import zip_longest
from typing import Any

import structlog
from redis.exceptions import RedisError

from clickloom.duties import Duties
from clickloom.errors import Fenced, UndecodableEntry
from clickloom.metrics import STORE_FAILURES
from clickloom.streams import Entry
from clickloom.times import SECOND_US, now_us
from clickloom.wire import FIELD, RecordBatch, decode_batch
from services.sessionizer.keeper import Keeper
from services.sessionizer.leases import in_words
from services.sessionizer.served import Served
from services.sessionizer.store import Commit, Store
from services.sessionizer.trimming import Trimmer

log = structlog.get_logger()

ENTRIES = 64  # read at once, over all streams: 32,000 clicks of full batches
TOGETHER = 16  # entries that are decoded and applied at once: each visitor's clicks in them are one step
COMMITS = 8  # at once
LOOK_S = 0.25  # how soon a lease that was released is seen
TOGETHER_S = 0.02  # how soon it is looked again for parts that the last read was not for
TRIM_S = 5.0
LONGEST_AWAY_S = 2.0  # between tries while Redis is away

Layer = dict[int, list[Served]]  # partition → parts that are equally far


class Worker:
    """Windows that are equally far in a partition share one read and its decoding."""

    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        trimmer: Trimmer,
        *,
        stop: asyncio.Event,
        lease_us: int,
        duties: Duties,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._trimmer = trimmer
        self._stop = stop
        self._leave_within_s = lease_us / SECOND_US
        self._duties = duties
        self._commits = asyncio.Semaphore(COMMITS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None

    async def run(self) -> None:
        """Serve until told to stop, or until something can only be stopped at; then commit, release and leave."""
        for step in (self._serve, self._look, self._trim):
            self._begin(self._repeat(step))
        await self._stop.wait()
        await self._leave()
        if self._fault:
            raise self._fault

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            self._fault = self._fault or fault
            self._stop.set()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        # The event ends it too: redis-py sends within asyncio.wait_for, which can lose a cancellation (Python 3.11).
        while not self._stop.is_set():
            await _until_done(step, self._duties)

    async def _serve(self) -> None:
        """Read what is new for every part, apply it, and commit the parts that are due, beside one another."""
        if not self._keeper.served:
            await asyncio.sleep(TOGETHER_S)
        found = layers(self._keeper.served.values())
        moved = [await self._step(layer, block_ms=None) for layer in found[:-1]]
        for layer in found[-1:]:
            await self._step(layer, block_ms=None if any(moved) else self._block_ms(alone=not moved))
        for served in list(self._keeper.served.values()):
            if served.due(now_us()):
                await self._begin_commit(served)

    def _block_ms(self, *, alone: bool) -> int:
        """How long a read may wait: until the next commit, or for a moment if it is not for all the streams."""
        now = now_us()
        waits = [served.schedule.wait_ms(now) for served in self._keeper.served.values()]
        return min(waits if alone else [*waits, round(TOGETHER_S * 1_000)])

    async def _step(self, layer: Layer, *, block_ms: int | None) -> bool:
        """Whether there was anything to read."""
        cursors = {partition: members[0].cursor for partition, members in layer.items()}
        count = max(1, ENTRIES // len(layer))
        asked_us = now_us()
        found = await self._store.read(cursors, count=count, block_ms=block_ms)
        for partition, members in layer.items():
            entries = found.get(partition, [])
            for served in members:
                served.schedule.caught_up = len(entries) < count
                if not entries:
                    served.idle(asked_us)  # not the time now: the answer may be old
            if entries:
                await self._apply(members, entries)
        return bool(found)

    async def _apply(self, members: Sequence[Served], entries: Sequence[Entry]) -> None:
        number = members[0].lease.part.partition
        for first in range(0, len(entries), TOGETHER):
            some = entries[first : first + TOGETHER]
            ids = [entry_id.decode() for entry_id, _ in some]
            batches = [_decode(number, entry_id, fields) for entry_id, fields in some]
            for served in members:
                served.apply(ids, batches)
                if served.full:
                    await self._begin_commit(served)

    async def _begin_commit(self, served: Served) -> None:
        """Commit while reading goes on; one at a time of each part."""
        if served.committing:
            await asyncio.wait([served.committing])
        if self._keeper.holds(served.lease):
            commit = served.take_commit(now_us())
            served.committing = self._begin(self._commit(served, commit))

    async def _commit(self, served: Served, commit: Commit) -> None:
        try:
            async with self._commits:
                await self._store.commit(commit)
            self._duties.done(str(served.lease.part), time.monotonic())
        except (Fenced, RedisError) as error:
            self._keeper.lose(served.lease, error)
        finally:
            served.committing = None

    async def _look(self) -> None:
        """Take and give so that every worker has its share."""
        taken, given = await self._keeper.look()
        if taken:
            self._begin(self._keeper.load(taken))
        if given:
            self._begin(self._give(given))
        await asyncio.sleep(LOOK_S)

    async def _give(self, given: Sequence[Served]) -> None:
        """Commit what was applied and release."""
        for served in given:
            self._keeper.served.pop(served.lease.part, None)  # from here on nothing more is read for it
        await asyncio.gather(*map(self._finish, given))
        for served in given:
            try:
                await self._keeper.release(served.lease)
            except RedisError as error:
                self._keeper.lose(served.lease, error)
        log.info("partitions.given", partitions=in_words(served.lease.part for served in given))

    async def _finish(self, served: Served) -> None:
        if not served.settled:
            await self._begin_commit(served)
        if served.committing:
            await asyncio.wait([served.committing])

    async def _trim(self) -> None:
        await self._trimmer.trim(self._keeper.first_served())
        await asyncio.sleep(TRIM_S)

    async def _leave(self) -> None:
        """Commit what was applied and release everything, within the time that a lease has; then nothing runs more."""
        served = list(self._keeper.served.values())
        commits = {one.committing for one in served}
        for task in self._tasks - commits:
            task.cancel()
        try:
            async with asyncio.timeout(self._leave_within_s):
                await asyncio.gather(*map(self._finish, served))
                await _until_done(self._keeper.leave, self._duties)
            log.info("partitions.given", partitions=in_words(one.lease.part for one in served))
        except TimeoutError:
            log.warning("redis.away", remedy="others take over when the leases have ended")
        for task in self._tasks:
            task.cancel()


def layers(served: Iterable[Served]) -> list[Layer]:
    """The parts by how far they are: one layer, unless the windows of some partition are at different entries."""
    by_cursor: dict[int, dict[str, list[Served]]] = {}
    for one in served:
        by_cursor.setdefault(one.lease.part.partition, {}).setdefault(one.cursor, []).append(one)
    columns = zip_longest(*(groups.values() for groups in by_cursor.values()))
    return [
        {partition: members for partition, members in zip(by_cursor, column, strict=True) if members}
        for column in columns
    ]


def _decode(partition: int, entry_id: bytes, fields: dict[bytes, bytes]) -> RecordBatch | None:
    """None: no version of this software wrote the entry. The persister keeps it as rejected. Raises UnknownVersion."""
    try:
        return decode_batch(fields.get(FIELD, b""))
    except UndecodableEntry as error:
        log.warning("entry.undecodable", partition=partition, entry=entry_id.decode(), reason=str(error))
        return None


async def _until_done(step: Callable[[], Awaitable[None]], duties: Duties) -> None:
    """Do it; wait with capped backoff while Redis is away, and do it anew."""
    failures, duty = 0, step.__name__.strip("_")
    while True:
        try:
            await step()
        except RedisError as error:
            if not failures:
                log.warning("redis.away", step=step.__name__, reason=str(error))
            failures += 1
            STORE_FAILURES.labels("redis").inc()
            duties.waiting(duty, time.monotonic())
            await asyncio.sleep(min(LONGEST_AWAY_S, 0.05 * 2**failures))
        else:
            duties.done(duty, time.monotonic())
            if failures:
                log.info("redis.back", step=step.__name__)
            return
