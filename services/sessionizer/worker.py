"""The loop of one partition and window: read, apply, commit."""

import asyncio
import contextlib

import structlog

from clickloom.errors import Fenced, UndecodableEntry
from clickloom.metrics import CLICKS, COMMITS, UNDECODABLE
from clickloom.times import now_us
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from clickloom.wire import FIELD, decode_batch
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.store import Lease, PartitionStore

log = structlog.get_logger()

ENTRIES = 64  # read at once: 32,000 clicks of full batches


class PartitionWorker:
    """Serves one partition of one window for as long as it has the lease."""

    def __init__(
        self, store: PartitionStore, *, window: Window, number: int, rules: Rules, policy: CommitPolicy
    ) -> None:
        self._store = store
        self._window = window
        self._number = number
        self._rules = rules
        self._policy = policy

    async def run(self, owner: str, stop: asyncio.Event) -> None:
        """Wait for the lease, serve, and begin again if it is lost."""
        while not stop.is_set():
            lease = await self._store.acquire(owner)
            if lease is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), timeout=0.5)
                continue
            bound = log.bind(window=self._window.name, partition=self._number, epoch=lease.epoch)
            bound.info("partition.taken")
            try:
                await self._serve(lease, stop)
                await self._store.release(lease)
                bound.info("partition.released")
            except Fenced as error:
                bound.warning("partition.lost", reason=str(error))

    async def _serve(self, lease: Lease, stop: asyncio.Event) -> None:
        """Read, apply, commit, until told to stop; what was applied is committed before it returns."""
        partition = Partition(self._window, self._rules)
        cursor = await self._store.load(partition)
        schedule = self._policy.begin(now_us())
        while not stop.is_set():
            entries = await self._store.read(cursor, count=ENTRIES, block_ms=schedule.wait_ms(now_us()))
            for entry_id, fields in entries:
                self._apply(partition, entry_id, fields)
            if entries:
                cursor = entries[-1][0].decode()
            else:
                partition.idle(now_us())
            schedule.read(len(entries))
            if schedule.due(now_us(), changed_sessions=partition.changed_sessions, unchanged=partition.unchanged):
                await self._commit(lease, partition, cursor)
                schedule = self._policy.begin(now_us())
            elif schedule.renewal_due(now_us()):
                await self._store.renew(lease)
                schedule.renewed(now_us())
        await self._commit(lease, partition, cursor)

    def _apply(self, partition: Partition, entry_id: bytes, fields: dict[bytes, bytes]) -> None:
        try:
            batch = decode_batch(fields.get(FIELD, b""))
        except UndecodableEntry as error:
            # The persister keeps the entry as rejected; here it has no effect.
            UNDECODABLE.labels(self._window.name).inc()
            log.warning("entry.undecodable", partition=self._number, entry=entry_id.decode(), reason=str(error))
            return
        partition.apply(batch)
        CLICKS.labels(self._window.name).inc(len(batch))

    async def _commit(self, lease: Lease, partition: Partition, cursor: str) -> None:
        changes = partition.take_changes(now_us())
        await self._store.commit(lease, cursor=cursor, changes=changes)
        COMMITS.labels(self._window.name).inc()
