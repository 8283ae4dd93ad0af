"""The numbers of one second, summed over partitions. Pure."""

from typing import Any

from clickloom.times import iso
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import CommitMetrics, Summary


class Ticker:
    """Adds up the commits of one window; `take` gives a tick and begins the next."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}  # partition → open sessions after its last commit
        self._watermarks: dict[int, int] = {}
        self._sums = _zero()

    def seed(self, partition: int, metrics: CommitMetrics) -> None:
        """What stood before the first tick: gauges, no counts."""
        self._open[partition] = metrics.open_sessions
        if metrics.watermark_us != NEVER_US:
            self._watermarks[partition] = metrics.watermark_us

    def add(self, partition: int, metrics: CommitMetrics) -> None:
        self.seed(partition, metrics)
        sums = self._sums
        for name in ("clicks", "duplicates", "late", "closed_sessions", "revised_sessions"):
            setattr(sums, name, getattr(sums, name) + getattr(metrics, name))
        sums.session_duration.merge(metrics.session_duration)
        sums.session_events.merge(metrics.session_events)
        for name, count in metrics.events.items():
            sums.events[name] = sums.events.get(name, 0) + count

    def take(self, now_us: int) -> dict[str, Any]:
        sums, self._sums = self._sums, _zero()
        return {
            "at": iso(now_us),
            "clicks": sums.clicks,
            "duplicates": sums.duplicates,
            "late": sums.late,
            "open_sessions": sum(self._open.values()),
            "closed_sessions": sums.closed_sessions,
            "revised_sessions": sums.revised_sessions,
            "session_duration": _statistics(sums.session_duration),
            "session_events": _statistics(sums.session_events),
            "events": sums.events,
            "watermark": iso(min(self._watermarks.values())) if self._watermarks else None,
        }


def _zero() -> CommitMetrics:
    return CommitMetrics(window="", committed_us=0, watermark_us=NEVER_US)


def _statistics(summary: Summary) -> dict[str, int | None]:
    """As CloudWatch kept a metric; durations are in seconds."""
    return {"count": summary.count, "sum": summary.sum, "min": summary.min, "max": summary.max}
