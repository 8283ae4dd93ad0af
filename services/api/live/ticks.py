"""The numbers of a second, summed over partitions: what commits told, in slices of stream time. Pure.

A second is told in parts, each of which is all of the second so far and takes the place of the part before. So a click
shows soon, and the numbers of a whole second are those of its last part.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import Any

import msgspec

from clickloom.live import ACTIVE_MINUTES
from clickloom.numbers import MinuteChange, SiteNumbers
from clickloom.times import MINUTE_US, SECOND_US, iso
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import CommitMetrics
from services.api.live.present import Present

SECOND_MS = 1_000
MINUTE_MS = 60_000
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

Sites = Mapping[str, SiteNumbers]


@dataclass(slots=True)
class Minute:
    """What is told of a whole minute too: quantiles of seconds do not add up to those of their minute."""

    conversions: int = 0
    revenue: Decimal = Decimal(0)
    durations: Counter[int] = field(default_factory=Counter)
    session_events: Counter[int] = field(default_factory=Counter)

    def add(self, other: "SiteNumbers | Minute") -> None:
        self.conversions += other.conversions
        self.revenue += other.revenue
        self.durations.update(other.durations)
        self.session_events.update(other.session_events)

    def shown(self) -> dict[str, Any]:
        return {
            "conversions": self.conversions,
            "revenue": format(self.revenue, "f"),
            "session_duration": statistics(self.durations),
            "session_events": statistics(self.session_events),
        }


@dataclass(frozen=True, slots=True)
class Tick:
    """One window at one moment of stream time."""

    end_ms: int
    news: tuple[Sites, ...]  # commits since the tick before
    commits: tuple[Sites, ...]  # all of the second
    open: Mapping[str, int]
    minute: Mapping[str, Minute]  # by site, up to this second
    watermark_us: int | None
    present: Present

    @property
    def complete(self) -> bool:
        return self.end_ms % SECOND_MS == 0

    def told(self, site_id: str | None) -> bool:
        """Whether anything happened since the tick before."""
        return any(site_id is None or site_id in sites for sites in self.news)

    def shown(self, site_id: str | None) -> dict[str, Any]:
        """As the API tells it; None: all sites."""
        sums = SiteNumbers()
        for sites in self.commits:
            for numbers in _of(sites, site_id):
                sums.merge(numbers)
        minute = Minute()
        for part in (*_of(self.minute, site_id), sums):
            minute.add(part)
        at_us, second_ms = self.end_ms * 1_000, (self.end_ms - 1) // SECOND_MS * SECOND_MS
        users = self.present.users(site_id, (self.end_ms - 1) // MINUTE_MS)
        return {
            "second": iso(second_ms * 1_000),
            "at": iso(at_us),
            "complete": self.complete,
            "clicks": sums.clicks,
            "duplicates": sums.duplicates,
            "late": sums.late,
            "bots": sums.bots,
            "events": sums.events,
            "devices": sums.devices,
            "conversions": sums.conversions,
            "revenue": format(sums.revenue, "f"),
            "this_minute": {"minute": iso((self.end_ms - 1) // MINUTE_MS * MINUTE_US), **minute.shown()},
            "open_sessions": sum(_of(self.open, site_id)),
            "closed_sessions": sums.closed_sessions,
            "revised_sessions": sums.revised_sessions,
            "session_duration": statistics(sums.durations),
            "session_events": statistics(sums.session_events),
            **{f"active_users_{minutes}m": found for minutes, found in zip(ACTIVE_MINUTES, users, strict=True)},
            "watermark": None if self.watermark_us is None else iso(self.watermark_us),
            "watermark_lag_sec": None if self.watermark_us is None else (at_us - self.watermark_us) / SECOND_US,
            "arrived": [
                {"minute": iso(minute * MINUTE_US), "clicks": count} for minute, count in sorted(sums.arrived.items())
            ],
            "changes": [_change(minute, change) for minute, change in sorted(sums.changes.items())],
        }


def _of(by_site: Mapping[str, Any], site_id: str | None) -> Iterable[Any]:
    """Of all sites, or of one, if there is anything of it."""
    if site_id is None:
        return by_site.values()
    return [by_site[site_id]] if site_id in by_site else []


def _with(minute: Mapping[str, Minute], commits: Iterable[Sites]) -> Mapping[str, Minute]:
    """A new one, for ticks keep the one that they were given."""
    found = dict(minute)
    for site_id in {site_id for sites in commits for site_id in sites}:
        found[site_id] = Minute()
        for part in (minute, *commits):
            for numbers in _of(part, site_id):
                found[site_id].add(numbers)
    return found


def _change(minute: int, change: MinuteChange) -> dict[str, Any]:
    told = msgspec.structs.asdict(change)
    return {"minute": iso(minute * MINUTE_US), **told, "revenue": format(change.revenue, "f")}


def statistics(values: Mapping[int, int]) -> dict[str, int | None]:
    """As CloudWatch kept a metric, of value → how often: exact, quantiles by nearest rank."""
    ordered = sorted(values)
    count = sum(values.values())
    ranks = list(accumulate(values[value] for value in ordered))
    return {
        "count": count,
        "sum": sum(value * often for value, often in values.items()),
        "min": ordered[0] if ordered else None,
        "max": ordered[-1] if ordered else None,
        **{
            name: next((value for value, rank in zip(ordered, ranks, strict=True) if rank >= share * count), None)
            for name, share in QUANTILES.items()
        },
    }


class Ticker:
    """Commits of one window in, ticks out, in the order of stream time."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._open: dict[int, Mapping[str, int]] = {}  # partition → open sessions by site after its last commit
        self._watermarks: dict[int, int] = {}
        self._news: list[Sites] = []
        self._commits: list[Sites] = []
        self._minute: Mapping[str, Minute] = {}

    def add(self, partition: int, metrics: CommitMetrics) -> None:
        """A commit since the last tick."""
        sites = metrics.sites
        self._open[partition] = {site_id: found.open_sessions for site_id, found in sites.items()}
        if metrics.watermark_us != NEVER_US:
            self._watermarks[partition] = metrics.watermark_us
        self._news.append(sites)

    def tick(self, end_ms: int) -> Tick:
        """All of the second that ends there, or runs, up to that time."""
        news, self._news = self._news, []
        self._commits += news
        tick = Tick(
            end_ms,
            tuple(news),
            tuple(self._commits),
            self._open_by_site(),
            self._minute,
            min(self._watermarks.values(), default=None),
            self._present,
        )
        if end_ms % SECOND_MS == 0:
            self._minute = {} if end_ms % MINUTE_MS == 0 else _with(self._minute, self._commits)
            self._commits = []
        return tick

    def _open_by_site(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for counts in self._open.values():
            for site_id, count in counts.items():
                sums[site_id] = sums.get(site_id, 0) + count
        return sums
