"""When events are due. Pure: the random source and the time are arguments."""

from collections.abc import Callable, Iterator
from math import cos, tau
from random import Random

from clickloom.times import DAY_US, SECOND_US

_BUSIEST_US = 15 * 3_600 * SECOND_US  # 15:00 UTC
_SWING = 0.75  # 1.75 times the mean at the busiest hour, a quarter of it twelve hours later


def even(time_us: int) -> float:
    """The same rate at every hour."""
    return 1.0


def day_curve(time_us: int) -> float:
    """How busy a time of the day is; 1 on average over a day."""
    return 1 + _SWING * cos(tau * (time_us - _BUSIEST_US) / DAY_US)


_WEEKDAYS = (0.85, 0.85, 0.9, 0.95, 1.2, 1.3, 0.95)  # from Monday; drinks are bought before the weekend
_FIRST_MONDAY = 4  # days after 1970 began


def week_curve(time_us: int) -> float:
    """How busy a time of the week is; 1 on average over a week."""
    return day_curve(time_us) * _WEEKDAYS[(time_us // DAY_US - _FIRST_MONDAY) % 7]


class Slots:
    """One slot an event: `rate` a second, each at a random moment of its own share of the time.

    The slots of a live run are tokens of a bucket that holds a second's worth (at least one): those older than that
    are lost, so that a stall is not followed by a burst. Every slot's time depends on the seed, the begin and the rate
    alone, not on when it is asked for.
    """

    def __init__(self, random: Random, *, begin_us: int, rate: float, curve: Callable[[int], float] = even) -> None:
        self._random = random.random
        self._begin_us = begin_us
        self._period_us = SECOND_US / rate
        self._curve = curve
        self._passed_us = 0.0  # since begin: a float of µs since 1970 would be too coarse at high rates
        self.next_us = begin_us
        self._advance()

    def _advance(self) -> None:
        share_us = self._period_us / self._curve(self.next_us)
        self.next_us = self._begin_us + int(self._passed_us + share_us * self._random())
        self._passed_us += share_us

    def __iter__(self) -> Iterator[int]:
        """All slots, without end."""
        return self.until(2**62)

    def until(self, time_us: int) -> Iterator[int]:
        """The slots up to a moment."""
        while self.next_us <= time_us:
            slot_us = self.next_us
            self._advance()
            yield slot_us

    def due(self, now_us: int) -> Iterator[int]:
        """The slots up to now that are not lost."""
        kept_us = now_us - int(max(SECOND_US, self._period_us))
        if self.next_us < kept_us:
            self._begin_us, self._passed_us = kept_us, 0.0
            self._advance()
        return self.until(now_us)
