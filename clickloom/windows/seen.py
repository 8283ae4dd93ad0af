"""Which events were seen already: 8 bytes an id, for as long as a second one could still be accepted."""

import numpy as np

from clickloom.wire import Hashes, Times

_RECENT = 16_384  # ids held in a set before they are sorted into their buckets' arrays
_NO_BUCKET = 2**62  # more than the number of any

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


class SeenIds:
    """Exact over 64-bit hashes. Ids lie in buckets of event time, which are dropped whole.

    New ids wait in a set, then go into one sorted array a bucket. `take_added` and `take_dropped` say what a commit
    must write; `restore` reads it back.
    """

    def __init__(self, bucket_us: int) -> None:
        self.bucket_us = bucket_us
        self._least = _NO_BUCKET  # none is less
        self._sorted: dict[int, Hashes] = {}
        self._recent: set[int] = set()
        self._recent_rows: list[tuple[int, Hashes]] = []
        self._added: dict[int, list[bytes]] = {}
        self._dropped: list[int] = []

    def restore(self, bucket: int, stored: bytes) -> None:
        """Take back what commits wrote of one bucket."""
        self._sorted[bucket] = np.unique(np.frombuffer(stored, "<u8"))
        self._least = min(self._least, bucket)

    @property
    def buckets(self) -> list[int]:
        """The buckets that hold ids."""
        return sorted(self._sorted.keys() | {bucket for bucket, _ in self._recent_rows})

    def first_seen(self, hashes: Hashes, times: Times) -> Mask | None:
        """Remember the ids. Which rows are the first of their id; None if all of them are."""
        ids, ordered = hashes.tolist(), np.sort(hashes)
        repeated = (ordered[1:] == ordered[:-1]).any()
        if not repeated and self._recent.isdisjoint(ids) and not self._any_sorted(ordered):
            self._remember(hashes, times)
            return None
        first = self._mask(hashes, ids)
        self._remember(hashes[first], times[first])
        return first

    def _any_sorted(self, needles: Hashes) -> bool:
        """Whether any of the ids is in the arrays; sorted needles find their places one after the other."""
        return any(_found(known, needles).any() for known in self._sorted.values())

    def _mask(self, hashes: Hashes, ids: list[int]) -> Mask:
        first = np.zeros(len(hashes), dtype=bool)
        first[np.unique(hashes, return_index=True)[1]] = True
        first &= np.fromiter((value not in self._recent for value in ids), bool, len(ids))
        for known in self._sorted.values():
            first &= ~_found(known, hashes)
        return first

    def _remember(self, hashes: Hashes, times: Times) -> None:
        if not len(hashes):
            return
        self._recent.update(hashes.tolist())
        numbers = times // self.bucket_us
        low, high = int(numbers.min()), int(numbers.max())
        self._least = min(self._least, low)
        for number in [low] if low == high else np.unique(numbers).tolist():
            members = hashes if low == high else hashes[numbers == number]
            self._recent_rows.append((number, members))
            self._added.setdefault(number, []).append(members.tobytes())
        if len(self._recent) >= _RECENT:
            self._sort_recent()

    def _sort_recent(self) -> None:
        by_bucket: dict[int, list[Hashes]] = {}
        for number, members in self._recent_rows:
            by_bucket.setdefault(number, []).append(members)
        for number, parts in by_bucket.items():
            known = self._sorted.get(number)
            self._sorted[number] = np.sort(np.concatenate(parts if known is None else [known, *parts]))
        self._recent.clear()
        self._recent_rows.clear()

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


def _found(known: Hashes, needles: Hashes) -> Mask:
    """Which of the needles are in the sorted array."""
    found: Mask = known.take(known.searchsorted(needles), mode="clip") == needles
    return found
