"""One part while its lease is ours: its sessions in memory, how far they are, and the next commit. No I/O."""

import asyncio
from collections.abc import Sequence

from clickloom.metrics import BOTS, CLICKS, COMMITS, DUPLICATES, LATE, UNDECODABLE
from clickloom.streams import split_id
from clickloom.windows.partition import Partition
from clickloom.wire import RecordBatch
from services.sessionizer.leases import Lease
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.segments import Segments
from services.sessionizer.store import Commit, Position


class Served:
    """Begins where the store is. After a commit that failed it is of no use any more: the part is loaded anew."""

    def __init__(
        self, lease: Lease, partition: Partition, segments: Segments, *, at: Position, policy: CommitPolicy, now_us: int
    ) -> None:
        self.lease = lease
        self.cursor = at.cursor  # of the last entry applied
        self.committing: asyncio.Task[None] | None = None
        self._partition = partition
        self._segments = segments
        self._since = at.cursor  # of the last commit taken
        self._commits = at.commits
        self._undecodable = 0
        self._policy = policy
        self.schedule = policy.begin(now_us)

    def apply(self, entries: Sequence[str], batches: Sequence[RecordBatch | None]) -> None:
        """The next entries of the stream, by their ids; None: one that could not be decoded, which is only counted."""
        self.cursor = entries[-1]
        self.schedule.entries += len(batches)
        readable = [(entry, batch) for entry, batch in zip(entries, batches, strict=True) if batch is not None]
        self._undecodable += len(batches) - len(readable)
        positions = [split_id(entry) for entry, _ in readable]
        self._partition.apply(*(batch for _, batch in readable), entries=positions)
        window = self.lease.part.window
        UNDECODABLE.labels(window).inc(len(batches) - len(readable))
        CLICKS.labels(window).inc(sum(len(batch) for _, batch in readable))

    def idle(self, now_us: int) -> None:
        """Nothing has arrived up to now."""
        if self.schedule.idle_due(now_us):
            self._partition.idle(now_us)

    @property
    def full(self) -> bool:
        """So much has changed that a commit must come before more is applied."""
        return self.schedule.full(self._partition.changed_sessions)

    def due(self, now_us: int) -> bool:
        return self.full or self.schedule.due(now_us, unchanged=self._partition.unchanged)

    @property
    def settled(self) -> bool:
        """Nothing is applied that no commit has taken."""
        return not self.schedule.entries and self._partition.unchanged

    def take_commit(self, now_us: int) -> Commit:
        """All that was applied since the last one, as one commit."""
        self._partition.rewrite(self._segments.outdated())
        erased = self._partition.take_erased()
        for person in erased:
            self._partition.rewrite(self._segments.expel(person))
        changes = self._partition.take_changes(now_us)
        changes.changelog.erased = erased
        changes.metrics.undecodable, self._undecodable = self._undecodable, 0
        self._commits += 1
        changes.changelog.number, changes.changelog.read_to = self._commits, split_id(self.cursor)
        segment, dropped = self._segments.add(self._commits, changes.sessions, changes.forgotten)
        since, self._since = self._since, self.cursor
        entries, caught_up = self.schedule.entries, self.schedule.caught_up
        self.schedule = self._policy.begin(now_us)
        self.schedule.caught_up = caught_up
        COMMITS.labels(self.lease.part.window).inc()
        DUPLICATES.labels(self.lease.part.window).inc(changes.metrics.duplicates)
        LATE.labels(self.lease.part.window).inc(changes.metrics.late)
        BOTS.labels(self.lease.part.window).inc(changes.metrics.bots)
        return Commit(
            lease=self.lease,
            number=self._commits,
            since=since,
            cursor=self.cursor,
            entries=entries,
            changes=changes,
            segment=segment,
            dropped=dropped,
        )
