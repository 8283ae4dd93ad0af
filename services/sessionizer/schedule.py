"""When to commit. Pure: the clock is an argument."""

from dataclasses import dataclass

IDLE_COMMIT_US = 5_000_000  # a partition without clicks says this often how far its watermark is
IDLE_US = 100_000  # so often it is told that time goes by
LONGEST_WAIT_MS = 250
PROMPT_COMMIT_US = 100_000  # if there is nothing more to read meanwhile: a commit then holds up no clicks


def passed(interval_us: int, *, since_us: int, now_us: int) -> bool:
    """Whether the interval is over; it is when the clock was set back, which must not make it endless."""
    return not 0 <= now_us - since_us < interval_us


@dataclass(frozen=True, slots=True)
class CommitPolicy:
    interval_us: int  # after this long at the latest, if something happened
    sessions: int  # after this many changed sessions

    def begin(self, now_us: int) -> "Schedule":
        """The time since a commit starts anew."""
        return Schedule(self, now_us)


class Schedule:
    """What has happened since the last commit."""

    def __init__(self, policy: CommitPolicy, now_us: int) -> None:
        self._policy = policy
        self._since_us = now_us
        self._idled_us = now_us
        self.entries = 0  # read since
        self.caught_up = False  # the last read found nothing more

    def full(self, changed_sessions: int) -> bool:
        """Whether a commit is due before anything more is applied."""
        return changed_sessions >= self._policy.sessions

    def due(self, now_us: int, *, unchanged: bool) -> bool:
        quiet = unchanged and not self.entries
        busy_us = self._prompt_us if self.caught_up else self._policy.interval_us
        return passed(IDLE_COMMIT_US if quiet else busy_us, since_us=self._since_us, now_us=now_us)

    @property
    def _prompt_us(self) -> int:
        return min(self._policy.interval_us, PROMPT_COMMIT_US)

    def idle_due(self, now_us: int) -> bool:
        """Whether it is time to tell a partition that nothing has arrived; says so once."""
        if not passed(IDLE_US, since_us=self._idled_us, now_us=now_us):
            return False
        self._idled_us = now_us
        return True

    def wait_ms(self, now_us: int) -> int:
        """How long a read may block; at least 1, for 0 would block for ever."""
        if not self.entries:
            return LONGEST_WAIT_MS
        return min(LONGEST_WAIT_MS, max(1, (self._since_us + self._prompt_us - now_us) // 1_000))
