"""What a pipeline made of generated traffic, held against the truth. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from services.cli.compare import Cluster, Fate, clusters
from services.generator.truth import Truth, Visit

EXAMPLES = 10

_COMPARED = tuple(name for name in Visit.__struct_fields__ if name not in ("user_id", "device_id"))


class Refused(NamedTuple):
    """A click that the pipeline found late."""

    event_id: str
    user_id: str
    device_id: str
    client_timestamp: datetime


@dataclass(slots=True)
class Score:
    """How well sessions and late clicks agree with the truth."""

    true_sessions: int
    made_sessions: int
    found: Counter[str] = field(default_factory=Counter)  # deviations by verdict
    unexplained: int = 0  # deviations that late clicks unknown to the truth do not account for
    examples: list[str] = field(default_factory=list)
    true_late: int = 0
    late_found: int | None = None  # of those; None: nobody said which were refused
    late_unknown: int = 0  # refused, though in time

    @property
    def exact(self) -> int:
        """True sessions that were made exactly so."""
        return self.true_sessions - self.found.total() + self.found["extra"]

    @property
    def perfect(self) -> bool:
        return not self.found.total() and self.late_found in (None, self.true_late) and not self.late_unknown


def compare(truth: Truth, made: Sequence[Visit], refused: Sequence[Refused] | None) -> Score:
    """refused: the clicks that the pipeline found late; None if that is not known."""
    score = Score(true_sessions=len(truth.sessions), made_sessions=len(made), true_late=len(truth.late))
    known = {late.event_id for late in truth.late}
    unknown = {late.event_id: late for late in refused or () if late.event_id not in known}
    if refused is not None:
        score.late_found = len(known & {late.event_id for late in refused})
        score.late_unknown = len(unknown)
    refused_of: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for late in unknown.values():
        refused_of[late.user_id, late.device_id].append(late.client_timestamp)
    for cluster in clusters(truth.sessions, made):
        _judge(cluster, refused_of, score)
    return score


def _judge(cluster: Cluster, refused_of: Mapping[tuple[str, str], list[datetime]], score: Score) -> None:
    deviations = list(_deviations(cluster))
    score.found.update(verdict for verdict, _ in deviations)
    score.examples += [f"{verdict}: {told}" for verdict, told in deviations[: EXAMPLES - len(score.examples)]]
    if deviations and not _accounted(cluster, refused_of):
        score.unexplained += len(deviations)


def _deviations(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """(verdict, what it is about) of every session that is not exact."""
    for true in cluster.left:
        fate = cluster.fate(true)
        if fate is not Fate.paired:
            yield fate.value, _told(true)
        elif changes := _changes(true, cluster.partners(true)[0]):
            yield "changed", f"{_told(true)}: {changes}"
    for made in cluster.extra():
        yield "extra", _told(made)


def _told(visit: Visit) -> str:
    return f"{visit.user_id} {visit.device_id} {visit.begin_session.isoformat()}, {visit.events} events"


def _changes(true: Visit, made: Visit) -> str:
    """How what the pipeline made of a session differs, in the fields that it tells."""
    pairs = ((name, getattr(true, name), getattr(made, name)) for name in _COMPARED)
    return ", ".join(f"{name} {was} became {became}" for name, was, became in pairs if became not in (None, was))


def _accounted(cluster: Cluster, refused_of: Mapping[tuple[str, str], list[datetime]]) -> bool:
    """Whether every click of the true sessions is in a session made of them, or was refused as late."""
    both = cluster.left + cluster.right
    begin, end = min(one.begin_session for one in both), max(one.end_session for one in both)
    moments = refused_of.get((both[0].user_id, both[0].device_id), [])
    refused = sum(begin <= moment <= end for moment in moments)
    made = sum(one.events for one in cluster.right)
    return refused > 0 and sum(one.events for one in cluster.left) == made + refused
