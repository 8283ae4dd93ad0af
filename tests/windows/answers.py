"""What window tests hold a partition against: the batch answer, the changelog applied, and a store of commits."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from clickloom.click import Click
from clickloom.session import Session
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow, Window
from clickloom.wire import Tally


class Span(NamedTuple):
    """A session, in what every window must get right."""

    user: str
    begin: float  # s
    end: float  # s
    events: int
    closed_by: str
    path: tuple[str, ...]  # the first events


def spans(rows: Iterable[Session]) -> list[Span]:
    return sorted(
        Span(row.user_id, row.begin_us / SECOND_US, row.end_us / SECOND_US, row.events, row.closed_by, tuple(row.path))
        for row in rows
    )


def batch_answer(clicks: Sequence[Click], window: Window) -> list[Span]:
    """All clicks at once: sort each visitor's, cut, done."""
    answer = []
    for user in {str(click.user_id) for click in clicks}:
        mine = sorted((click.time_us, click.client_event) for click in clicks if click.user_id == user)
        answer += _minutes(user, mine) if isinstance(window, StaggerWindow) else _visits(user, mine, window)
    return sorted(answer)


def _visits(user: str, clicks: list[tuple[int, str]], window: SessionWindow) -> list[Span]:
    visits: list[list[tuple[int, str]]] = []
    ends: list[str] = []
    for moment, name in clicks:
        if visits and moment - visits[-1][-1][0] <= window.gap_us:
            if moment - visits[-1][0][0] <= window.max_duration_us:
                visits[-1].append((moment, name))
                continue
            ends.append("cap")
        elif visits:
            ends.append("gap")
        visits.append([(moment, name)])
    return [_span(user, visit, end) for visit, end in zip(visits, [*ends, "gap"], strict=True)]


def _minutes(user: str, clicks: list[tuple[int, str]]) -> list[Span]:
    minutes = sorted({moment // MINUTE_US for moment, _ in clicks})
    return [_span(user, [click for click in clicks if click[0] // MINUTE_US == number], "range") for number in minutes]


def _span(user: str, clicks: list[tuple[int, str]], closed_by: str) -> Span:
    path = tuple(name for _, name in clicks[:100])
    return Span(user, clicks[0][0] / SECOND_US, clicks[-1][0] / SECOND_US, len(clicks), closed_by, path)


class Changelog:
    """The changelog applied in order; a − row without its + row is an error, and so is a second + row."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Session] = {}
        self.late = 0
        self.duplicates = 0
        self.clicks = 0
        self.tallies: list[Tally] = []

    def take(self, partition: Partition) -> Changes:
        changes = partition.take_changes(0)
        for minus in changes.changelog.minus:
            assert self.rows.pop(minus.uid).version == minus.version
        for plus in changes.changelog.plus:
            assert plus.uid not in self.rows
            self.rows[plus.uid] = plus
        self.late += len(changes.changelog.late)
        self.duplicates += changes.metrics.duplicates
        self.clicks += changes.metrics.clicks
        self.tallies += changes.changelog.tallies
        self._check_sum(changes.changelog.open_events)
        return changes

    def _check_sum(self, open_events: dict[str, int]) -> None:
        """The ledger's: every click read is in a session closed or open, seen before, or late; by site."""
        read, known = Counter[str](), Counter(open_events)
        for tally in self.tallies:
            read[tally.site_id] += tally.clicks - tally.duplicates - tally.late - tally.bots
        for row in self.rows.values():
            known[row.site_id] += row.events
        assert read == known
        assert sum(tally.clicks for tally in self.tallies) == self.clicks
        assert sum(tally.late for tally in self.tallies) == self.late

    def finish(self, partition: Partition) -> None:
        partition.finish()
        self.take(partition)
        assert partition.take_changes(0).metrics.open_sessions == 0

    def spans(self) -> list[Span]:
        return spans(self.rows.values())


class Stored:
    """What commits have written, as a store keeps it; a new owner is made from it alone."""

    def __init__(self) -> None:
        self.sessions: dict[str, bytes] = {}
        self.seen: dict[int, bytes] = {}
        self.names: dict[int, str] = {}
        self.meta = b""

    def commit(self, partition: Partition, log: Changelog) -> Changes:
        changes = log.take(partition)
        self.sessions.update(changes.sessions)
        for key in changes.forgotten:
            self.sessions.pop(key, None)
        for bucket, ids in changes.seen_added.items():
            self.seen[bucket] = self.seen.get(bucket, b"") + ids
        for bucket in changes.seen_dropped:
            self.seen.pop(bucket, None)
        self.names.update(changes.names_added)
        for code in changes.names_freed:
            del self.names[code]
        self.meta = changes.meta
        return changes

    def new_owner(self, window: Window, rules: Rules) -> Partition:
        partition = Partition(window, rules)
        for bucket in partition.restore_meta(self.meta):
            partition.restore_seen(bucket, self.seen[bucket])
        partition.restore_names(self.names)
        for key, value in self.sessions.items():
            partition.restore_sessions(key, value)
        return partition
