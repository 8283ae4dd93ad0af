"""Classes of durations: a histogram of fixed bounds, so that any two can be added, and quantiles told of the sum.

Up to 10 s a class is one second; after that the next begins a fifth higher, so that a quantile that is told as the
middle of its class is at most a tenth from the true one, up to a day. What is longer is in the last class.
"""

from bisect import bisect_right
from collections.abc import Sequence

_LONGEST_S = 86_400
_STEP = 1.2


def _bounds() -> tuple[int, ...]:
    found = [0]
    while found[-1] < _LONGEST_S:
        found.append(max(found[-1] + 1, int(found[-1] * _STEP)))
    return tuple(found)


BOUNDS_S = _bounds()  # the least duration of each class, in whole seconds
CLASSES = len(BOUNDS_S)


def class_of(duration_sec: int) -> int:
    """The class's index."""
    return max(0, bisect_right(BOUNDS_S, duration_sec) - 1)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The duration in seconds that `share` (0 to 1) of those counted do not exceed; None if there are none.

    `counts` is one number a class.
    """
    wanted = share * sum(counts)
    below = 0
    for index, count in enumerate(counts):
        below += count
        if count and below >= wanted:
            return _middle(index)
    return None


def _middle(index: int) -> float:
    """Of the whole seconds in a class."""
    if index + 1 == CLASSES:
        return float(BOUNDS_S[index])
    return (BOUNDS_S[index] + BOUNDS_S[index + 1] - 1) / 2
