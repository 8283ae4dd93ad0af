"""When to commit. Pure: the clock is an argument."""

from dataclasses import dataclass

IDLE_COMMIT_US = 5_000_000  # a partition without clicks says this often how far its watermark is


@dataclass(frozen=True, slots=True)
class CommitPolicy:
    interval_us: int  # after this long at the latest, if something happened
    sessions: int  # after this many changed sessions
    lease_us: int

    def begin(self, now_us: int) -> "Schedule":
        """The time since a commit starts anew."""
        return Schedule(self, now_us)


class Schedule:
    """What has happened since the last commit."""

    def __init__(self, policy: CommitPolicy, now_us: int) -> None:
        self._policy = policy
        self._since_us = now_us
        self._renewed_us = now_us
        self._entries = 0

    def read(self, entries: int) -> None:
        self._entries += entries

    def wait_ms(self, now_us: int) -> int:
        """How long a read may block; at least 1, for 0 would block for ever."""
        return max(1, (self._since_us + self._policy.interval_us - now_us) // 1_000) if self._entries else 250

    def due(self, now_us: int, *, changed_sessions: int, unchanged: bool) -> bool:
        waited_us = now_us - self._since_us
        if self._entries or not unchanged:
            return waited_us >= self._policy.interval_us or changed_sessions >= self._policy.sessions
        return waited_us >= IDLE_COMMIT_US

    def renewal_due(self, now_us: int) -> bool:
        return now_us - self._renewed_us >= self._policy.lease_us // 3

    def renewed(self, now_us: int) -> None:
        self._renewed_us = now_us
