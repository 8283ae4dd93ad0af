"""Clicks of a bucket into sessions, by the windows' own code. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from clickloom.click import Details
from clickloom.session import Session
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, Window
from clickloom.wire import RecordBatch, Times

AT_ONCE = 8_192  # clicks of one record batch; fewer than it can tell names apart
AT_ONCE_BY_MINUTE = 1_024  # the stagger window looks through all rows of the visitor that are younger than the batch
FEWEST = 512  # clicks that are worth a batch

Mask = npt.NDArray[np.bool_]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Clicks:
    """Accepted clicks, each once, in any order; row i of every column is click i."""

    keys: list[str]
    names: list[str]
    times: Times
    event_ids: Mapping[int, str]  # of the rows that have details: an order without a number is known by it
    details: Mapping[int, Details]  # of the rows that have any

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, kept: Sequence[bool]) -> "Clicks":
        """Those rows."""
        rows = np.flatnonzero(kept).tolist()
        return Clicks(
            [self.keys[row] for row in rows],
            [self.names[row] for row in rows],
            self.times[rows],
            {new: self.event_ids[row] for new, row in enumerate(rows) if row in self.event_ids},
            {new: self.details[row] for new, row in enumerate(rows) if row in self.details},
        )


def cut(clicks: Clicks, window: Window, rules: Rules) -> list[Session]:
    """The sessions of one batch over these clicks."""
    if not len(clicks):
        return []
    partition = Partition(window, replace(rules, out_of_orderness_us=0))
    if isinstance(window, SessionWindow):  # it takes clicks in any order as long as the watermark stands
        for order in _in_rounds(clicks, window):
            for batch in _batches(clicks, order, AT_ONCE):
                partition.apply(batch, explicit_watermark=True)
    else:  # it goes by the clock
        for batch in _batches(clicks, np.argsort(clicks.times, kind="stable"), AT_ONCE_BY_MINUTE):
            partition.apply(batch)
    partition.finish()
    return partition.take_changes(0).changelog.plus


def _in_rounds(clicks: Clicks, window: SessionWindow) -> Iterator[Order]:
    """Every visitor's first clicks, then every visitor's next ones, and so on; clicks of one round are within the gap.

    The window takes those at once. So years of few visitors are as quick as a day of many.
    """
    visitors = np.fromiter(map(hash, clicks.keys), np.int64, len(clicks))
    order = np.lexsort((clicks.times, visitors))
    visitors, times = visitors[order], clicks.times[order]
    others = _changes(visitors)
    begins = np.flatnonzero(others | np.concatenate([[False], np.diff(times) > window.gap_us]))
    since = (times - _spread(times[begins], begins, len(times))) // max(window.gap_us, 1)  # of the visit's begin
    parts = np.cumsum(others | _changes(since) | _marked(begins, len(times)), dtype=np.int64)
    rounds = parts - _spread(parts[others], np.flatnonzero(others), len(times))
    order = order[np.argsort(rounds, kind="stable")]
    ends = np.cumsum(np.bincount(rounds)).tolist()
    first = 0
    for end in ends:
        if end - first >= FEWEST or end == len(order):
            yield order[first:end]
            first = end


def _changes(values: Times) -> Mask:
    """Where a value is another than the one before it; the first is."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def _marked(places: Order, length: int) -> Mask:
    marked = np.zeros(length, bool)
    marked[places] = True
    return marked


def _spread(values: Times, begins: Order, length: int) -> Times:
    """Each value from its begin to the next one's."""
    return np.repeat(values, np.diff(np.append(begins, length)))


def _batches(clicks: Clicks, order: Order, size: int) -> Iterator[RecordBatch]:
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        times = clicks.times[rows]
        listed = rows.tolist()
        names: dict[str, int] = {}
        codes = [names.setdefault(clicks.names[row], len(names)) for row in listed]
        details = [(place, clicks.details[row]) for place, row in enumerate(listed) if row in clicks.details]
        yield RecordBatch(
            arrival_us=int(times.max()),
            keys=[clicks.keys[row] for row in listed],
            names=list(names),
            codes=np.array(codes, "<u2").tobytes(),
            times=times.tobytes(),
            hashes=_distinct(rows).tobytes(),
            event_ids=[clicks.event_ids.get(row, "") for row in listed] if details else [""] * len(listed),
            details=details,
            sites=[],  # the ledger counts imported clicks by their rows
        )


def _distinct(rows: Order) -> npt.NDArray[np.uint64]:
    """Hashes that are all different, spread over 64 bits: whoever is there twice has been left out already."""
    with np.errstate(over="ignore"):
        return rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
