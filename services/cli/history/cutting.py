"""Clicks of a bucket into sessions, by the windows' own code. Pure."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from clickloom.session import Session
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, Window
from clickloom.windows.whole import Timelines, whole_sessions
from clickloom.wire import RecordBatch

AT_ONCE = 1_024  # clicks of one record batch: the window looks through all rows of the visitor that are younger than it


def cut(clicks: Timelines, window: Window, rules: Rules) -> list[Session]:
    """The sessions of one batch over these clicks."""
    if not len(clicks):
        return []
    if isinstance(window, SessionWindow):
        return whole_sessions(clicks, window, rules)
    partition = Partition(window, replace(rules, out_of_orderness_us=0))
    for batch in _batches(clicks):  # it goes by the clock
        partition.apply(batch)
    partition.finish()
    return partition.take_changes(0).changelog.plus


def _batches(clicks: Timelines) -> Iterator[RecordBatch]:
    """In the order of time."""
    keys, order = clicks.keys, np.argsort(clicks.times, kind="stable")
    telling = np.unique(np.concatenate([np.empty(0, np.int64), *clicks.told.fields.values()]))
    told = dict(zip(telling.tolist(), clicks.told.read(telling), strict=True))
    for first in range(0, len(order), AT_ONCE):
        rows = order[first : first + AT_ONCE]
        listed = rows.tolist()
        names, codes = np.unique(clicks.codes[rows], return_inverse=True)
        yield RecordBatch(
            arrival_us=int(clicks.times[rows[-1]]),
            keys=[keys[row] for row in listed],
            names=[clicks.names[name] for name in names.tolist()],
            codes=codes.astype("<u2").tobytes(),
            times=clicks.times[rows].tobytes(),
            hashes=_distinct(rows).tobytes(),
            event_ids=[told[row][0] if row in told else "" for row in listed],
            details=[(place, told[row][1]) for place, row in enumerate(listed) if row in told],
            sites=[],  # the ledger counts imported clicks by their rows
        )


def _distinct(rows: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
    """Hashes that are all different, spread over 64 bits: whoever is there twice has been left out already."""
    with np.errstate(over="ignore"):
        return rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
