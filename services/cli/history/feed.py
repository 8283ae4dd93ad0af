"""A bucket's selected clicks, out of the engine: as columns for the windows, as packed rows for Postgres."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from pyarrow import compute

from clickloom.click import DEVICE_CLASSES, Details
from clickloom.keys import visitor_key
from clickloom.windows.groups import Rows
from clickloom.windows.live import UTM_FIELDS
from clickloom.windows.whole import Timelines, Told
from services.cli.history.ledger import IMPORTED, Counts
from services.cli.history.packed import packed_rows
from services.cli.history.revision import Standing
from services.cli.history.staged import Database, name, text
from services.persister.click_rows import FIXED
from services.persister.packing import PG_EPOCH_US

ROWS_OF_ENTRY = 1_000  # clicks are numbered as if they had come in record batches
PACKED_AT_ONCE = 30_000  # of 70 kB at the most: what Arrow joins ends at 2 GB

Mask = npt.NDArray[np.bool_]

# A click's details but for the device type, and the address, which is cut, or left out, where events come in from the
# net.
_TOLD = [told for told in Details.__struct_fields__ if told not in ("device_type", "client_address")]
_CLASSES = ", ".join(map(text, DEVICE_CLASSES))
_CONCLUDED = f"CASE WHEN device_id IN ({_CLASSES}) THEN device_id ELSE 'other' END"
# Of a click in Postgres it is not known whether its device type was told, unless nothing else would explain it.
_DEVICE_TYPE = f"CASE WHEN fresh OR device_type <> {_CONCLUDED} THEN device_type END"
_ROWS = (
    "SELECT visitor, time_us, fresh, apart, late, is_bot, event_id, site_id, user_id, device_id, client_event,"
    f" coalesce(device_type, {_CONCLUDED}) AS device_type, {_DEVICE_TYPE} AS told_type, {', '.join(_TOLD)} FROM feed"
)


@dataclass(frozen=True, slots=True)
class Feed:
    """A bucket's selected clicks."""

    rows: Any  # an Arrow table, of the columns that have anything
    order: Rows  # click i is this row of it
    people: int  # clicks that are not apart
    clicks: Timelines  # those apart, which go into no session, come last

    def of_windows(self, windows: Sequence[str]) -> dict[str, Timelines]:
        """Of each window, the clicks that are not late under it."""
        late = self.rows["late"]
        people = np.arange(len(self.order)) < self.people
        if not compute.any(compute.not_equal(late, "")).as_py():
            return dict.fromkeys(windows, _only(self.clicks, people))
        return {
            window: _only(self.clicks, people & ~_mask(compute.match_substring(late, f" {window} "))[self.order])
            for window in windows
        }


def read_feed(database: Database) -> Feed:
    """The table `feed`, which has a row at least."""
    rows = database.sql(_ROWS).to_arrow_table()
    rows = rows.drop_columns([column for column in rows.column_names if rows[column].null_count == len(rows)])
    visitors, apart = np.asarray(rows["visitor"]), _mask(rows["apart"])
    order = np.lexsort((rows["time_us"], visitors, apart))
    firsts, counts = _runs(visitors[order], apart[order])
    events = rows["client_event"].combine_chunks().dictionary_encode()
    columns = (rows[column].take(order[firsts]).to_pylist() for column in ("site_id", "user_id", "device_id"))
    clicks = Timelines(
        [visitor_key(*who) for who in zip(*columns, strict=True)],
        counts,
        events.dictionary.to_pylist(),
        np.asarray(events.indices)[order],
        np.asarray(rows["time_us"])[order],
        _told(rows, order),
    )
    return Feed(rows, order, int((~apart).sum()), clicks)


def _told(rows: Any, order: Rows) -> Told:
    columns = {"device_type": "told_type", **{told: told for told in _TOLD}}
    known = {told: rows[column] for told, column in columns.items() if column in rows.column_names}

    def read(clicks: Rows) -> list[tuple[str, Details]]:
        places = order[clicks]
        values = (column.take(places).to_pylist() for column in known.values())
        details = (_details(known, row) for row in zip(*values, strict=True))
        return list(zip(rows["event_id"].take(places).to_pylist(), details, strict=True))

    return Told({told: np.flatnonzero(_has(told, column)[order]) for told, column in known.items()}, read)


def _has(field: str, column: Any) -> Mask:
    if field in UTM_FIELDS:
        return _mask(compute.fill_null(compute.not_equal(column, ""), False))
    return _mask(compute.is_valid(column))


def _mask(column: Any) -> Mask:
    return np.asarray(column, np.bool_)


def _runs(visitors: npt.NDArray[np.uint64], apart: Mask) -> tuple[Rows, Rows]:
    """Of each visitor's clicks, those apart for themselves: the first, and how many they are."""
    changes = (visitors[1:] != visitors[:-1]) | (apart[1:] != apart[:-1])
    firsts = np.flatnonzero(np.concatenate([[True], changes]))
    return firsts, np.diff(np.append(firsts, len(visitors)))


def _only(clicks: Timelines, kept: Mask) -> Timelines:
    """Those clicks."""
    if kept.all():
        return clicks
    rows, places = np.flatnonzero(kept), np.cumsum(kept) - 1
    visitors = np.repeat(np.arange(len(clicks.counts)), clicks.counts)[rows]
    left, counts = np.unique(visitors, return_counts=True)
    told = clicks.told
    fields = {name: places[found[kept[found]]] for name, found in told.fields.items()}
    return Timelines(
        [clicks.visitors[visitor] for visitor in left.tolist()],
        counts,
        clicks.names,
        clicks.codes[rows],
        clicks.times[rows],
        Told(fields, lambda some: told.read(rows[some])),
    )


def _details(fields: Iterable[str], values: Sequence[Any]) -> Details:
    told = dict(zip(fields, values, strict=True))
    for column in ("experiments", "properties"):
        if told.get(column) is not None:
            told[column] = msgspec.json.decode(told[column])
    if told.get("revenue") is not None:
        told["revenue"] = _as_told(told["revenue"])
    return Details(**told)


def _as_told(amount: Decimal) -> Decimal:
    """Without the zeros that the column's scale adds."""
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()


def standing_of(database: Database, window: str) -> list[Standing]:
    """The sessions that stand where those of `feed` will."""
    columns = ", ".join(map(name, Standing.__match_args__))
    query = f'SELECT {columns} FROM replaced WHERE "window" = {text(window)}'
    return [Standing(*row) for row in database.execute(query).fetchall()]


def counts_of(database: Database) -> dict[str, Counts]:
    """New clicks, by site."""
    query = "SELECT site_id, count(*), count(*) FILTER (apart) FROM feed WHERE fresh GROUP BY ALL"
    return {site_id: Counts(*counts) for site_id, *counts in database.execute(query).fetchall()}


def rows_of(feed: Feed, *, entered_ms: int, first_seq: int) -> Iterator[memoryview]:
    """The new clicks as packed rows of `clicks`, each visitor's together, so that an index takes them side by side."""
    rows = feed.order[_mask(feed.rows["fresh"])[feed.order]]
    for first in range(0, len(rows), PACKED_AT_ONCE):
        some = feed.rows.take(rows[first : first + PACKED_AT_ONCE])
        number, times = np.arange(first, first + len(some)), np.asarray(some["time_us"]) - PG_EPOCH_US
        fixed = FIXED.array(
            len(some),
            {
                "arrived_at": times,  # history came when it happened
                "entry_ms": np.array(entered_ms),
                "entry_seq": first_seq + number // ROWS_OF_ENTRY,
                "partition": np.array(IMPORTED),
                "entry_row": number % ROWS_OF_ENTRY,
                "client_timestamp": times,
                "is_bot": _mask(some["is_bot"]),
            },
        )
        yield packed_rows(fixed, some)
