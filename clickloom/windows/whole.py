"""A finite input at once: the sessions that a partition comes to if nothing is late, without what it keeps on the way.

The rules are those of `sessions.py`; a test holds the two side by side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from clickloom.click import Details
from clickloom.session import ClosedBy, Session
from clickloom.windows.groups import Rows
from clickloom.windows.live import ORDER_FIELDS, PATH, TOUCH_FIELDS, Extras, Live
from clickloom.windows.names import EventNames
from clickloom.windows.record import session_records
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.wire import Times


class Told(NamedTuple):
    """The details of clicks: who tells what, and what it is, which only few are asked."""

    fields: Mapping[str, Rows]  # field of `Details` → the clicks that have it, of UTM_FIELDS not empty, in their order
    read: Callable[[Rows], Sequence[tuple[str, Details]]]  # of some: event id, by which an order without a number goes


@dataclass(frozen=True, slots=True)
class Timelines:
    """Clicks, each once: visitor by visitor, and those of each by time. Row i of every column is click i."""

    visitors: Sequence[str]  # their keys
    counts: Rows  # clicks of each visitor, at least one
    names: Sequence[str]  # each that there is, once
    codes: Rows  # of each click, the place of its name there
    times: Times
    told: Told

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def firsts(self) -> Rows:
        """Of each visitor, the first row."""
        firsts: Rows = np.cumsum(self.counts) - self.counts
        return firsts

    @property
    def keys(self) -> list[str]:
        """Of each click."""
        keys: list[str] = np.repeat(np.array(self.visitors, object), self.counts).tolist()
        return keys


def whole_sessions(clicks: Timelines, window: SessionWindow, rules: Rules) -> list[Session]:
    """In the order of the clicks, of which there must be one."""
    names = EventNames(rules.conversion_events)
    begins = _begins(clicks, window)
    emitted = _sessions(clicks, begins, names, window.gap_us)
    rows = _telling(clicks, begins, rules)
    places = np.searchsorted(begins, rows, side="right") - 1
    for row, place, (event_id, details) in zip(rows.tolist(), places.tolist(), clicks.told.read(rows), strict=True):
        live = emitted[place][0]
        live.extras = live.extras or Extras()
        conversion = clicks.names[clicks.codes[row]] in rules.conversion_events
        live.extras.note(details, int(clicks.times[row]), conversion=conversion, event_id=event_id)
    return session_records(emitted, window=window.name, names=names, rules=rules)


def _telling(clicks: Timelines, begins: Rows, rules: Rules) -> Rows:
    """The clicks whose details can count: of each field the first of each session, and conversions with an order."""
    fields = clicks.told.fields
    converting = np.array([name in rules.conversion_events for name in clicks.names], np.bool_)[clicks.codes]
    first = [_first_of_each(fields[name], clicks.times, begins) for name in TOUCH_FIELDS if name in fields]
    orders = [fields[name][converting[fields[name]]] for name in ORDER_FIELDS if name in fields]
    rows: Rows = np.unique(np.concatenate([*first, *orders, np.empty(0, np.int64)]))
    return rows


def _first_of_each(rows: Rows, times: Times, begins: Rows) -> Rows:
    """Of these rows those of each session's first moment that has any."""
    sessions = np.searchsorted(begins, rows, side="right")
    _, first, counts = np.unique(sessions, return_index=True, return_counts=True)
    found: Rows = rows[times[rows] == np.repeat(times[rows[first]], counts)]
    return found


def _begins(clicks: Timelines, window: SessionWindow) -> Rows:
    """The row of each session's first click."""
    times = clicks.times
    apart = np.concatenate([[True], np.diff(times) > window.gap_us])
    apart[clicks.firsts] = True
    begins = np.flatnonzero(apart)
    ends = np.append(begins[1:], len(times))
    too_long = np.flatnonzero(times[ends - 1] - times[begins] > window.max_duration_us).tolist()
    capped = [
        row for chain in too_long for row in _cuts(times, int(begins[chain]), int(ends[chain]), window.max_duration_us)
    ]
    return np.sort(np.concatenate([begins, np.array(capped, np.int64)]))


def _cuts(times: Times, first: int, end: int, max_us: int) -> Iterator[int]:
    """Where the longest duration cuts a chain of clicks: each session takes what is within it of its first click."""
    while times[end - 1] - times[first] > max_us:
        first += int(times[first:end].searchsorted(times[first] + max_us, side="right"))
        yield first


def _sessions(clicks: Timelines, begins: Rows, names: EventNames, gap_us: int) -> list[tuple[Live, str, ClosedBy]]:
    bounds = np.append(begins, len(clicks))
    begin, last = clicks.times[begins], clicks.times[bounds[1:] - 1]
    places = np.searchsorted(clicks.firsts, begins, side="right") - 1
    follows = (np.append(begin[1:], 0) - last <= gap_us) & np.append(places[1:] == places[:-1], False)
    closed: list[ClosedBy] = ["cap" if capped else "gap" for capped in follows.tolist()]
    path, size = bytearray(_records(clicks, names)), PATH.itemsize
    return [
        (Live(begin_us, last_us, end - first, path[first * size : end * size], 1, True), clicks.visitors[place], by)
        for (first, end), begin_us, last_us, place, by in zip(
            pairwise(bounds.tolist()), begin.tolist(), last.tolist(), places.tolist(), closed, strict=True
        )
    ]


def _records(clicks: Timelines, names: EventNames) -> bytes:
    records = np.empty(len(clicks), PATH)
    records["time_us"] = clicks.times
    records["code"] = np.array(names.add(clicks.names), np.uint32)[clicks.codes]
    return records.tobytes()
