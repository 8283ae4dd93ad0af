"""What each kind of live stream makes of the entries that it reads. Pure.

Slices are cut alike by every process, whenever it reads: at ticks, and within one of many rows after some milliseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol, TypeVar

import structlog

from clickloom.errors import UndecodableEntry, UnknownVersion
from clickloom.live import TICK_MS
from clickloom.wire import Changelog, RecordBatch, decode_active, decode_batch, decode_changelog, decode_metrics
from services.api.live.present import Present
from services.api.live.reading import Found
from services.api.live.ring import Slice
from services.api.live.ticks import MINUTE_MS, Tick, Ticker

log = structlog.get_logger()

ROWS = 1_000  # of clicks or sessions in one event, and those of the same millisecond
SEED_MS = 10_000  # so long before, every partition has committed at least once, and said what is open

T = TypeVar("T")
Ticks = Mapping[str, Tick]  # by window
Batches = list[RecordBatch]
Changelogs = list[Changelog]


class Source(Protocol[T]):
    """Reads on in the order of stream time; times are those of ticks."""

    step_ms: int  # of the past, read at once

    def begins(self, position_ms: int) -> int:
        """From where it must be given entries, so that the slices after the position are right."""

    def slices(self, entries: Sequence[Found], begin_ms: int, end_ms: int) -> Iterator[Slice[T]]:
        """The next stretch of stream time, with all its entries."""


class MetricsSource:
    """A slice a tick."""

    step_ms = 5_000

    def __init__(self, present: Present, windows: Sequence[str], partitions: int) -> None:
        self._present = present
        self._tickers = {window: Ticker(present) for window in windows}
        self._partitions = partitions  # streams from there on are of active users

    def begins(self, position_ms: int) -> int:
        return max(0, position_ms // MINUTE_MS * MINUTE_MS - SEED_MS)

    def slices(self, entries: Sequence[Found], begin_ms: int, end_ms: int) -> Iterator[Slice[Ticks]]:
        for tick_ms, found in by_tick(entries, begin_ms, end_ms):
            for one in found:
                self._take(one)
            ticks = {window: ticker.tick(tick_ms) for window, ticker in self._tickers.items()}
            yield Slice(tick_ms, ticks, 1)

    def _take(self, found: Found) -> None:
        try:
            if found.stream >= self._partitions:
                self._present.add(decode_active(found.value))
                return
            metrics = decode_metrics(found.value)
        except (UndecodableEntry, UnknownVersion, ValueError) as error:  # numbers to look at: the others go on
            log.warning("entry.undecodable", reason=str(error))
            return
        if (ticker := self._tickers.get(metrics.window)) is not None:
            ticker.add(found.stream, metrics)


class ClicksSource:
    """Record batches as they are."""

    step_ms = 1_000

    def begins(self, position_ms: int) -> int:
        return position_ms

    def slices(self, entries: Sequence[Found], begin_ms: int, end_ms: int) -> Iterator[Slice[Batches]]:
        yield from _cut(entries, begin_ms, end_ms, decode_batch, len)


class SessionsSource:
    """Changelogs of one window as they are."""

    step_ms = 1_000

    def begins(self, position_ms: int) -> int:
        return position_ms

    def slices(self, entries: Sequence[Found], begin_ms: int, end_ms: int) -> Iterator[Slice[Changelogs]]:
        yield from _cut(entries, begin_ms, end_ms, decode_changelog, lambda log: len(log.plus) + len(log.minus))


def by_tick(entries: Sequence[Found], begin_ms: int, end_ms: int) -> Iterator[tuple[int, list[Found]]]:
    """(end, entries) of each tick. What has an id from before, for Redis' clock was set back, is in the first."""
    at = 0
    for tick_ms in range(begin_ms - begin_ms % TICK_MS + TICK_MS, end_ms + 1, TICK_MS):
        first = at
        while at < len(entries) and entries[at].entry[0] < tick_ms:
            at += 1
        yield tick_ms, list(entries[first:at])


def _cut(entries: Sequence[Found], begin_ms: int, end_ms: int, decode: Any, rows_of: Any) -> Iterator[Slice[Any]]:
    for tick_ms, found in by_tick(entries, begin_ms, end_ms):
        content: list[Any] = []
        rows = 0
        for moment_ms, together in groupby(found, key=lambda one: one.entry[0]):
            if rows >= ROWS:
                yield Slice(moment_ms, content, rows)
                content, rows = [], 0
            for one in _decoded(together, decode):
                content.append(one)
                rows += rows_of(one)
        yield Slice(tick_ms, content, rows)


def _decoded(entries: Iterator[Found], decode: Any) -> Iterator[Any]:
    for found in entries:
        try:
            yield decode(found.value)
        except (UndecodableEntry, UnknownVersion) as error:
            log.warning("entry.undecodable", reason=str(error))
