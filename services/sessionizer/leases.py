"""Who serves what. Pure: the workers that live and the leases as they stand are arguments.

As the Kinesis Client Library shares shards: no coordinator. Every worker looks at the same two things and takes or
gives only for itself, so that a view that is a moment old costs a moment and never a double owner: the leases see to
that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple


class Part(NamedTuple):
    """One partition under one window: what a lease is for. In order, a partition's windows stand together."""

    partition: int
    window: str

    def __str__(self) -> str:
        return f"partition {self.partition} of {self.window}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to commit a part, until another epoch begins."""

    part: Part
    epoch: int
    owner: str

    @property
    def token(self) -> str:
        """What the lease's key holds while the lease is ours."""
        return f"{self.epoch}:{self.owner}"

    def __str__(self) -> str:
        return str(self.part)


class Plan(NamedTuple):
    """What one worker should do about its share."""

    take: list[Part]
    give: list[Part]


def balance(me: str, workers: Iterable[str], owners: Mapping[Part, str | None]) -> Plan:
    """An even share for every worker with the fewest moves: those with the most leases keep the odd ones.

    owners: every part; None: free. A part whose owner does not live any more is not free before its lease ends.
    """
    alive = {me, *workers}
    held = Counter(owner for owner in owners.values() if owner in alive)
    ranked = sorted(alive, key=lambda worker: (-held[worker], worker))
    least, odd = divmod(len(owners), len(alive))
    missing = {worker: least + (rank < odd) - held[worker] for rank, worker in enumerate(ranked)}
    parts = sorted(owners)
    if missing[me] < 0:
        return Plan([], [part for part in parts if owners[part] == me][missing[me] :])
    # Each takes its own stretch of what is free, so that two that look at once do not reach for the same.
    before = sum(max(0, missing[worker]) for worker in ranked[: ranked.index(me)])
    free = [part for part in parts if owners[part] is None]
    return Plan(free[before : before + missing[me]], [])


def in_words(parts: Iterable[Part]) -> dict[str, str]:
    """By window the partitions, for a log: `visits: 0-3 5`."""
    ordered = sorted(parts, key=lambda part: (part.window, part.partition))
    by_window = groupby(ordered, key=lambda part: part.window)
    return {window: " ".join(_runs([part.partition for part in members])) for window, members in by_window}


def _runs(numbers: Sequence[int]) -> Iterable[str]:
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        yield f"{members[0]}-{members[-1]}" if len(members) > 1 else str(members[0])
