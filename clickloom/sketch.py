"""How many different ones there were: HyperLogLog, so that any two sketches can be merged.

4,096 registers: the standard error is 1.6 %; up to some hundreds the count is off by one now and then. Counted by
Ertl's improved estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017): it needs no tables.
"""

from math import inf, log

import numpy as np
import numpy.typing as npt

_INDEX_BITS = 12
REGISTERS = 1 << _INDEX_BITS
_RANK_BITS = 64 - _INDEX_BITS
_LARGEST = _RANK_BITS + 1  # the rank of a hash without any further bit
_CHANGED = np.dtype([("index", "<u2"), ("rank", "u1")])

Hashes = npt.NDArray[np.uint64]
Registers = npt.NDArray[np.uint8]


class Sketch:
    """Of a set of 64-bit hashes."""

    __slots__ = ("registers",)

    def __init__(self) -> None:
        self.registers: Registers = np.zeros(REGISTERS, np.uint8)

    def add(self, hashes: Hashes) -> bytes:
        """Take hashes in; returns the registers that this changed, for `merge`: 3 bytes each, empty if none."""
        index = (hashes >> np.uint64(_RANK_BITS)).astype(np.int64)
        before = self.registers.copy()
        np.maximum.at(self.registers, index, _ranks(hashes & np.uint64((1 << _RANK_BITS) - 1)))
        changed = np.flatnonzero(self.registers > before)
        told = np.empty(len(changed), _CHANGED)
        told["index"], told["rank"] = changed, self.registers[changed]
        return told.tobytes()

    def merge(self, changed: bytes) -> None:
        """Take in what another's `add` returned. Raises ValueError for what none did."""
        told = np.frombuffer(changed, _CHANGED)
        if len(told) and (told["index"].max() >= REGISTERS or told["rank"].max() > _LARGEST):
            raise ValueError("no registers of a sketch")
        np.maximum.at(self.registers, told["index"], told["rank"])


def _ranks(rest: Hashes) -> Registers:
    """By how many bits the first that is set is from the left, and one more."""
    _, length = np.frexp(rest.astype(np.float64))  # exact: these are below 2**53
    return (_LARGEST - length).astype(np.uint8)


def count(registers: Registers) -> int:
    """How many different hashes the sketch, or the greatest of each register of several, has seen."""
    counts = np.bincount(registers, minlength=_LARGEST + 1).tolist()
    total = REGISTERS * _tau(1 - counts[_LARGEST] / REGISTERS)
    for rank in range(_RANK_BITS, 0, -1):
        total = (total + counts[rank]) / 2
    total += REGISTERS * _sigma(counts[0] / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * log(2) * total))


def _sigma(share: float) -> float:
    if share == 1:
        return inf
    factor, total, before = 1.0, share, -inf
    while total != before:
        share *= share
        before, total = total, total + share * factor
        factor *= 2
    return total


def _tau(share: float) -> float:
    if share in (0, 1):
        return 0.0
    factor, total, before = 1.0, 1 - share, inf
    while total != before:
        share **= 0.5
        factor /= 2
        before, total = total, total - (1 - share) ** 2 * factor
    return total / 3
