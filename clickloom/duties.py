"""What a process must do again and again, and when it last did. Pure: the clock, in seconds that only grow, is told.

A duty is a loop, by its name, or a commit that must come. `done` is success. `waiting` is a try that a store which is
away did not let succeed: no progress, but the process is well, and to start it anew would help nobody.
"""

from dataclasses import dataclass

PROGRESS_WITHIN_S = 30.0  # every loop and commit comes at least every 5 s while the stores answer
ROUND_WITHIN_S = 300.0  # a Redis that is silent is waited for and asked again for up to 4 minutes within one try


@dataclass(slots=True)
class _Duty:
    done_s: float
    tried_s: float


class Duties:
    """Told by the loops of a process; asked by whoever watches it."""

    def __init__(self) -> None:
        self._duties: dict[str, _Duty] = {}

    def expect(self, name: str, now_s: float) -> None:
        """From now on; if it is expected already nothing changes."""
        self._duties.setdefault(name, _Duty(now_s, now_s))

    def forget(self, name: str) -> None:
        """It is not this process's any more."""
        self._duties.pop(name, None)

    def done(self, name: str, now_s: float) -> None:
        self._duties[name] = _Duty(now_s, now_s)

    def waiting(self, name: str, now_s: float) -> None:
        self.expect(name, now_s)
        self._duties[name].tried_s = now_s

    def ages_s(self, now_s: float) -> dict[str, float]:
        """By name, how long ago each was done, or first expected."""
        return {name: now_s - duty.done_s for name, duty in list(self._duties.items())}

    def behind(self, now_s: float) -> list[str]:
        """What was not done for too long, in words; empty: all goes on."""
        ages = sorted(self.ages_s(now_s).items())
        return [f"{name}: not done for {age:.0f} s" for name, age in ages if age > PROGRESS_WITHIN_S]

    def stuck(self, now_s: float) -> list[str]:
        """What was not even tried for so long that only a new process helps, in words."""
        tried = {name: now_s - duty.tried_s for name, duty in sorted(self._duties.items())}
        return [f"{name}: not tried for {age:.0f} s" for name, age in tried.items() if age > ROUND_WITHIN_S]
