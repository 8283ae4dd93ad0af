"""Which events were seen already: 8 bytes an id, for as long as a second one could still be accepted."""

from collections.abc import Iterator

import numpy as np

from clickloom.wire import Hashes, Times

_RECENT = 16_384  # ids that wait before they are sorted into their buckets' arrays
_NO_BUCKET = 2**62  # more than the number of any
_BITS_AN_ID = 16  # of the filter, at least: of 1,000 ids it has not seen it lets 60 be looked for, or fewer

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


class SeenIds:
    """Exact over 64-bit hashes. Ids lie in buckets of event time, which are dropped whole.

    New ids wait in sorted runs, then go into one sorted array a bucket. A filter knows of nearly all new ids that they
    are new; only the others are looked for. `take_added` and `take_dropped` say what a commit must write; `restore`
    reads it back.
    """

    def __init__(self, bucket_us: int) -> None:
        self.bucket_us = bucket_us
        self._sorted: dict[int, Hashes] = {}
        self._runs: list[Hashes] = []  # the recent ids, each run more than twice as long as the next
        self._recent: list[tuple[int, Hashes]] = []  # the recent ids by bucket
        self._filter = _Filter(_RECENT)
        self._least = _NO_BUCKET  # no bucket that holds ids is less
        self._added: dict[int, list[bytes]] = {}
        self._dropped: list[int] = []

    def restore(self, bucket: int, stored: bytes) -> None:
        """Take back what commits wrote of one bucket."""
        self._sorted[bucket] = np.unique(np.frombuffer(stored, "<u8"))
        self._least = min(self._least, bucket)
        self._note(self._sorted[bucket])

    @property
    def buckets(self) -> list[int]:
        """The buckets that hold ids."""
        return sorted(self._sorted.keys() | {bucket for bucket, _ in self._recent})

    def first_seen(self, hashes: Hashes, times: Times) -> Mask | None:
        """Remember the ids. Which rows are the first of their id; None if all of them are."""
        ordered = np.sort(hashes)
        suspects = ordered[self._filter.may_hold(ordered)]
        repeated = (ordered[1:] == ordered[:-1]).any()
        if not repeated and not any(_found(known, suspects).any() for known in self._arrays()):
            self._remember(hashes, times, ordered)
            return None
        first = np.zeros(len(hashes), dtype=bool)
        first[np.unique(hashes, return_index=True)[1]] = True
        for known in self._arrays():
            first &= ~_found(known, hashes)
        self._remember(hashes[first], times[first], np.sort(hashes[first]))
        return first

    def _arrays(self) -> Iterator[Hashes]:
        """All ids, in sorted arrays."""
        yield from self._sorted.values()
        yield from self._runs

    def _remember(self, hashes: Hashes, times: Times, ordered: Hashes) -> None:
        if not len(hashes):
            return
        numbers = times // self.bucket_us
        low, high = int(numbers.min()), int(numbers.max())
        self._least = min(self._least, low)
        for number in [low] if low == high else np.unique(numbers).tolist():
            members = hashes if low == high else hashes[numbers == number]
            self._recent.append((number, members))
            self._added.setdefault(number, []).append(members.tobytes())
        self._runs.append(ordered)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            self._runs.append(np.sort(np.concatenate([self._runs.pop(), self._runs.pop()])))
        self._note(ordered)
        if len(self._runs[0]) >= _RECENT:
            self._sort_recent()

    def _note(self, ordered: Hashes) -> None:
        """Let the filter know of ids that the arrays hold; a larger one if it is full."""
        if self._filter.room < len(ordered):
            self._filter = _Filter(2 * sum(map(len, self._arrays())))
            for known in self._arrays():
                self._filter.add(known)
        else:
            self._filter.add(ordered)

    def _sort_recent(self) -> None:
        by_bucket: dict[int, list[Hashes]] = {}
        for number, members in self._recent:
            by_bucket.setdefault(number, []).append(members)
        for number, parts in by_bucket.items():
            known = self._sorted.get(number)
            self._sorted[number] = np.sort(np.concatenate(parts if known is None else [known, *parts]))
        self._recent.clear()
        self._runs.clear()

    def forget(self, before_us: int) -> None:
        """Drop the buckets that lie wholly before `before_us`: their clicks would be late."""
        bound = before_us // self.bucket_us
        if self._least >= bound:
            return
        self._sort_recent()
        for number in [number for number in self._sorted if number < bound]:
            del self._sorted[number]
            self._added.pop(number, None)
            self._dropped.append(number)
        self._least = min(self._sorted, default=_NO_BUCKET)

    def take_added(self) -> dict[int, bytes]:
        """By bucket, the ids since the last call."""
        added, self._added = self._added, {}
        return {number: b"".join(parts) for number, parts in added.items()}

    def take_dropped(self) -> list[int]:
        """The buckets dropped since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped


class _Filter:
    """A Bloom filter of one bit an id, at the place that the id's highest bits name: sorted ids go through it in order.

    What it has not been told of it may still hold; what it has been told of it does.
    """

    def __init__(self, ids: int) -> None:
        self.room = max(ids, _RECENT)  # ids that it takes before it says "may hold" too often
        width = (_BITS_AN_ID * self.room - 1).bit_length()
        self._shift = np.uint64(64 - width)
        self._bytes = np.zeros(2**width // 8, np.uint8)

    def add(self, ids: Hashes) -> None:
        self.room -= len(ids)
        places = ids >> self._shift
        np.bitwise_or.at(self._bytes, places >> np.uint64(3), _bits(places))

    def may_hold(self, ids: Hashes) -> Mask:
        places = ids >> self._shift
        found: Mask = (self._bytes[places >> np.uint64(3)] & _bits(places)) != 0
        return found


def _bits(places: Hashes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Each place's bit within its byte."""
    return np.left_shift(np.uint8(1), (places & np.uint64(7)).astype(np.uint8))


def _found(known: Hashes, needles: Hashes) -> Mask:
    """Which of the needles are in the sorted array."""
    found: Mask = known.take(known.searchsorted(needles), mode="clip") == needles
    return found
