"""Rows put together by what they have in common."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clickloom.wire import Times

Rows = npt.NDArray[np.int64]  # numbers of rows


def hashes_of(keys: Sequence[str]) -> Rows:
    return np.fromiter(map(hash, keys), np.int64, len(keys))


class Groups(NamedTuple):
    """Rows of one hash, side by side. What is not the same may have one 64-bit hash: look."""

    order: Rows
    keys: list[str]  # in that order, as everything else
    starts: Rows  # of each group, the place of the first
    bounds: Iterable[tuple[int, int, int, int]]  # of each group: first, end, least time, greatest time

    @classmethod
    def of(cls, keys: Sequence[str], times: Times, hashes: Rows) -> "Groups":
        order = np.argsort(hashes)
        hashes, times = hashes[order], times[order]
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        least, greatest = np.minimum.reduceat(times, starts).tolist(), np.maximum.reduceat(times, starts).tolist()
        firsts = starts.tolist()
        bounds = zip(firsts, [*firsts[1:], len(keys)], least, greatest, strict=True)
        return cls(order, list(map(keys.__getitem__, order.tolist())), starts, bounds)

    def least(self, values: Times) -> list[int]:
        """The least value of each group."""
        found: list[int] = np.minimum.reduceat(values[self.order], self.starts).tolist()
        return found
