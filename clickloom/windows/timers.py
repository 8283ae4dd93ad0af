"""Timers by the thousand: what is due up to a moment, without keeping all of it sorted."""

from heapq import heappop, heappush
from typing import Generic, TypeVar

_BUCKET_BITS = 20  # buckets of 2^20 µs, about a second

T = TypeVar("T")


class Timers(Generic[T]):
    """Items by the moment they are due, in buckets; adding costs a list append.

    `expired` may hand out an item up to a bucket early: who takes it looks whether it is due, and adds it again if not.
    """

    __slots__ = ("_buckets", "_order")

    def __init__(self) -> None:
        self._buckets: dict[int, list[T]] = {}
        self._order: list[int] = []

    def add(self, due_us: int, item: T) -> None:
        number = due_us >> _BUCKET_BITS
        bucket = self._buckets.get(number)
        if bucket is None:
            self._buckets[number] = [item]
            heappush(self._order, number)
        else:
            bucket.append(item)

    def expired(self, now_us: int) -> list[T]:
        """Take out every item that is due by `now_us`."""
        last = now_us >> _BUCKET_BITS
        items: list[T] = []
        while self._order and self._order[0] <= last:
            items += self._buckets.pop(heappop(self._order))
        return items
