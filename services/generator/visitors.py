"""Who visits: users with Zipf activity, each with devices of their own. Pure."""

from bisect import bisect
from collections import deque
from itertools import accumulate
from random import Random

Visitor = tuple[int, str]  # user and device: what sessions are kept by

_NEWCOMERS = 0.3  # of all visits: from somebody who was never here before
_TRIES = 8
_DEVICES = (  # a user's devices; drawn by an equal share of the users each, the first device the one mostly used
    ("mobile",),
    ("mobile",),
    ("mobile", "computer"),
    ("mobile", "computer"),
    ("mobile", "tablet"),
    ("computer",),
    ("computer", "mobile"),
    ("computer", "mobile", "tablet"),
)
_FIRST_DEVICE = 0.7


class Visitors:
    """Draws who comes next, never one whose visit is going on or whose last one ended less than a gap ago.

    Keeps those alone. Users 1 to `users` come back, the lower the number the more often; newcomers are numbered on
    from there.
    """

    def __init__(self, random: Random, users: int) -> None:
        self._random = random
        self._salt = random.getrandbits(64) | 1
        self._activity = list(accumulate(1 / rank for rank in range(1, users + 1)))
        self._newest = users
        self._taken: set[Visitor] = set()
        self._resting: deque[tuple[int, Visitor]] = deque()

    def draw(self, time_us: int) -> Visitor:
        """Somebody who is free; from now on not."""
        while self._resting and self._resting[0][0] < time_us:
            self._taken.remove(self._resting.popleft()[1])
        visitor = self._returning() if self._random.random() >= _NEWCOMERS else None
        return visitor or self.newcomer()

    def _returning(self) -> Visitor | None:
        for _ in range(_TRIES):
            user = bisect(self._activity, self._random.random() * self._activity[-1]) + 1
            visitor = user, self._device(user)
            if visitor not in self._taken:
                self._taken.add(visitor)
                return visitor
        return None

    def newcomer(self) -> Visitor:
        self._newest += 1
        visitor = self._newest, self._device(self._newest)
        self._taken.add(visitor)
        return visitor

    def _device(self, user: int) -> str:
        devices = _DEVICES[self._mixed(user) % len(_DEVICES)]
        if len(devices) == 1 or self._random.random() < _FIRST_DEVICE:
            return devices[0]
        return devices[1 + int(self._random.random() * (len(devices) - 1))]

    def variant(self, user: int, experiment: str = "") -> str:
        """The side of the experiment that a user is always on, whatever side of another."""
        return "B" if self._mixed(user) >> (8 + len(experiment)) & 1 else "A"

    def _mixed(self, user: int) -> int:
        """Bits that a user always has, spread evenly (the multiplication of Fibonacci hashing)."""
        return (user * self._salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 32

    def leave(self, visitor: Visitor, free_after_us: int) -> None:
        """The visit is over; the visitor can come again after that moment."""
        self._resting.append((free_after_us, visitor))
