"""Two ways in which the same clicks were cut into sessions, held against each other. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.generator.truth import Visit


class Fate(Enum):
    """What became of a session on the other side."""

    paired = "paired"  # one session there overlaps it, and no other of this side
    split = "split"  # several sessions there overlap it
    joined = "joined"  # the one that overlaps it overlaps others of this side too
    missing = "missing"  # none overlaps it


@dataclass(slots=True)
class Cluster:
    """Sessions of one visitor, of both sides, that hang together: each overlaps another in time, or is alone."""

    left: list[Visit] = field(default_factory=list)
    right: list[Visit] = field(default_factory=list)

    def fate(self, one: Visit) -> Fate:
        """Of a session of the left."""
        there = self.partners(one)
        if not there:
            return Fate.missing
        if len(there) > 1:
            return Fate.split
        shared = len(self.left) > 1 and sum(_overlap(peer, there[0]) for peer in self.left) > 1
        return Fate.joined if shared else Fate.paired

    def partners(self, one: Visit) -> list[Visit]:
        """The sessions of the right that a session of the left overlaps."""
        return [other for other in self.right if _overlap(one, other)]

    def extra(self) -> list[Visit]:
        """The sessions of the right that overlap none of the left."""
        return [other for other in self.right if not any(_overlap(one, other) for one in self.left)]


def _overlap(one: Visit, other: Visit) -> bool:
    return one.begin_session <= other.end_session and other.begin_session <= one.end_session


def clusters(left: Iterable[Visit], right: Iterable[Visit]) -> Iterator[Cluster]:
    """Every session of both sides, each in one cluster."""
    by_visitor: defaultdict[tuple[str, str], list[tuple[Visit, bool]]] = defaultdict(list)
    for side, visits in ((True, left), (False, right)):
        for visit in visits:
            by_visitor[visit.user_id, visit.device_id].append((visit, side))
    for pairs in by_visitor.values():
        pairs.sort(key=lambda pair: pair[0].begin_session)
        yield from _of_one_visitor(pairs)


def _of_one_visitor(pairs: Sequence[tuple[Visit, bool]]) -> Iterator[Cluster]:
    cluster, end = Cluster(), pairs[0][0].end_session
    for visit, is_left in pairs:
        if visit.begin_session > end:
            yield cluster
            cluster = Cluster()
        end = max(end, visit.end_session)
        (cluster.left if is_left else cluster.right).append(visit)
    yield cluster
