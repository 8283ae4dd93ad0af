"""What was streamed lately, so that one reading serves every subscriber. Pure.

Stream time is cut into slices. A slice is known by its end: whoever has been given it has been given every entry with
an id before that, of all partitions. So the end is the event's id, and any process can go on from it.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from fastapi.sse import format_sse_event

T = TypeVar("T")
C = TypeVar("C", contravariant=True)


class View(Hashable, Protocol[C]):
    """What a subscriber asked to see; equal ones share their events."""

    @property
    def event(self) -> str:
        """The events' name."""

    def show(self, content: C) -> bytes | None:
        """The event's data as JSON; None: there is nothing for it to show."""


class Slice(Generic[T]):
    """What came in one stretch of stream time."""

    __slots__ = ("_events", "content", "end_ms", "rows")

    def __init__(self, end_ms: int, content: T, rows: int) -> None:
        """rows: what its memory goes by."""
        self.end_ms = end_ms
        self.content = content
        self.rows = rows
        self._events: dict[View[T], bytes | None] = {}

    def event(self, view: View[T]) -> bytes | None:
        """As it is sent, made once for all who ask for the same; None: nothing is."""
        if view not in self._events:
            data = view.show(self.content)
            self._events[view] = None if data is None else sse(view.event, data, self.end_ms)
        return self._events[view]


def sse(event: str, data: bytes, position_ms: int) -> bytes:
    """A server-sent event whose id is a position."""
    return format_sse_event(event=event, data_str=data.decode(), id=str(position_ms))


class Ring(Generic[T]):
    """The last slices, without a gap between them: all from `begin_ms` to `end_ms`."""

    def __init__(self, begin_ms: int, *, kept_ms: int, kept_rows: int) -> None:
        self.begin_ms = self.end_ms = begin_ms
        self._kept_ms = kept_ms
        self._kept_rows = kept_rows
        self._rows = 0
        self._slices: deque[Slice[T]] = deque()

    def add(self, slice_: Slice[T]) -> None:
        """The next slice, which begins where the last one ends; the oldest go."""
        self._slices.append(slice_)
        self._rows += slice_.rows
        self.end_ms = slice_.end_ms
        while len(self._slices) > 1 and self._too_much:
            gone = self._slices.popleft()
            self._rows -= gone.rows
            self.begin_ms = gone.end_ms

    @property
    def _too_much(self) -> bool:
        return self._rows > self._kept_rows or self._slices[0].end_ms < self.end_ms - self._kept_ms

    def next_after(self, position_ms: int) -> Slice[T] | None:
        """The slice that begins there, or holds it. None: there is none yet, or it is gone (see `begin_ms`)."""
        if position_ms < self.begin_ms:
            return None
        last = deque(self._newest_until(position_ms), maxlen=1)
        return last[0] if last else None

    def _newest_until(self, position_ms: int) -> Iterator[Slice[T]]:
        """From the newest back; most subscribers have seen all but one."""
        for slice_ in reversed(self._slices):
            if slice_.end_ms <= position_ms:
                return
            yield slice_
