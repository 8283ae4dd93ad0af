"""Keeps a worker's share of the leases: says that it lives, takes and loads what it should have, names what to give."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from clickloom.duties import Duties
from clickloom.errors import Fenced
from clickloom.times import now_us
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window
from services.sessionizer.leases import Lease, Part, balance, in_words
from services.sessionizer.schedule import CommitPolicy, passed
from services.sessionizer.segments import Segments
from services.sessionizer.served import Served
from services.sessionizer.store import Store

log = structlog.get_logger()

LOADS = 4  # parts loaded at once


class Keeper:
    """The leases of one worker. `served` is what the worker reads for; parts come and go between its steps."""

    def __init__(
        self,
        store: Store,
        *,
        name: str,
        windows: Mapping[str, Window],
        partitions: int,
        rules: Rules,
        policy: CommitPolicy,
        lease_us: int,
        duties: Duties,
    ) -> None:
        self.served: dict[Part, Served] = {}
        self._held: dict[Part, Lease] = {}  # also those that are being loaded or handed over
        self._store = store
        self._name = name
        self._windows = windows
        self._parts = [Part(number, window) for number in range(partitions) for window in windows]
        self._rules = rules
        self._policy = policy
        self._lease_us = lease_us
        self._duties = duties  # a part's is its next commit
        self._renewed_us = now_us()
        self._loads = asyncio.Semaphore(LOADS)

    async def look(self) -> tuple[list[Lease], list[Served]]:
        """See who lives and who holds what; returns the leases taken, to be loaded, and what is to be handed over."""
        workers = await self._store.beat(self._name)
        await self._renew(now_us())
        # A lease of ours whose time has ended is no one's to share out: the next commit or renewal has it again.
        owners = {
            part: self._name if owner is None and part in self._held else owner
            for part, owner in (await self._store.owners(self._parts)).items()
        }
        for part in (part for part, owner in owners.items() if owner not in (None, self._name)):
            self._duties.forget(str(part))
        plan = balance(self._name, workers, owners)
        # A lease in our name that we know nothing of: the answer to taking it was lost, or a commit's was.
        astray = [part for part, owner in owners.items() if owner == self._name and part not in self._held]
        taken = [lease for part in [*astray, *plan.take] if (lease := await self._store.take(part, self._name))]
        self._held.update((lease.part, lease) for lease in taken)
        return taken, [self.served[part] for part in plan.give if part in self.served]

    async def _renew(self, moment_us: int) -> None:
        if not passed(self._lease_us // 3, since_us=self._renewed_us, now_us=moment_us):
            return
        for lease in await self._store.renew(list(self._held.values())):
            self.lose(lease, "another has taken the lease")
        self._renewed_us = moment_us

    async def load(self, leases: Iterable[Lease]) -> None:
        """Bring the parts into memory and begin to serve them."""
        loaded = await asyncio.gather(*map(self._load, leases))
        log.info(
            "partitions.taken", partitions=in_words(lease.part for lease in loaded if lease), served=len(self.served)
        )

    async def _load(self, lease: Lease) -> Lease | None:
        first = lease.part.window == next(iter(self._windows))
        partition = Partition(self._windows[lease.part.window], self._rules, tells_active=first)
        segments = Segments()
        try:
            async with self._loads:
                position = await self._store.load(lease.part, partition, segments)
        except (Fenced, RedisError) as error:
            self.lose(lease, error)
            return None
        if not self.holds(lease):
            return None
        self.served[lease.part] = Served(lease, partition, segments, at=position, policy=self._policy, now_us=now_us())
        self._duties.expect(str(lease.part), time.monotonic())
        return lease

    def first_served(self) -> list[int]:
        """The partitions that are served here under the first window: one process for each."""
        first = next(iter(self._windows))
        return [part.partition for part in self.served if part.window == first]

    def holds(self, lease: Lease) -> bool:
        """As far as we know."""
        return self._held.get(lease.part) == lease

    def lose(self, lease: Lease, reason: object) -> None:
        """Forget the part and what is in memory of it. A lease still in our name is taken anew by the next look."""
        if not self.holds(lease):
            return
        self.served.pop(lease.part, None)
        del self._held[lease.part]
        log.warning("partition.lost", window=lease.part.window, partition=lease.part.partition, reason=str(reason))

    async def release(self, lease: Lease) -> None:
        """Let others take over at once."""
        if self.holds(lease):
            with suppress(Fenced):
                await self._store.release(lease)
            self._duties.forget(str(lease.part))
            self._held.pop(lease.part, None)  # a commit that was on its way may have found it gone meanwhile

    async def leave(self) -> None:
        """Release whatever is held, and be a worker no more. May be called again if it fails."""
        for lease in list(self._held.values()):
            await self.release(lease)
        await self._store.leave(self._name)
