"""A bucket's selected clicks, out of the engine: as columns for the windows, as rows for Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from clickloom.click import DEVICE_CLASSES, Details
from clickloom.keys import SEPARATOR
from clickloom.windows.groups import Rows
from clickloom.windows.whole import Timelines
from services.cli.history.ledger import IMPORTED, Counts
from services.cli.history.revision import Standing
from services.cli.history.staged import Database, name, text
from services.persister.click_rows import FIXED, packed_clicks
from services.persister.packing import PG_EPOCH_US

ROWS_OF_ENTRY = 1_000  # clicks are numbered as if they had come in record batches

Mask = npt.NDArray[np.bool_]

# A click's details but for the device type, and the address, which is cut, or left out, where events come in from the
# net.
_TOLD = [told for told in Details.__struct_fields__ if told not in ("device_type", "client_address")]
_CLASSES = ", ".join(map(text, DEVICE_CLASSES))
_CONCLUDED = f"CASE WHEN device_id IN ({_CLASSES}) THEN device_id ELSE 'other' END"
# Of a click in Postgres it is not known whether its device type was told, unless nothing else would explain it.
_DEVICE_TYPE = f"CASE WHEN fresh OR device_type <> {_CONCLUDED} THEN device_type END"
_ANY = " OR ".join(f"{told} IS NOT NULL" for told in (*_TOLD, _DEVICE_TYPE))
_SEPARATOR = f"chr({ord(SEPARATOR)})"
_KEY = f"concat(site_id, {_SEPARATOR}, user_id, {_SEPARATOR}, device_id)"


@dataclass(frozen=True, slots=True)
class Feed:
    """A bucket's selected clicks: row i of every column is click i."""

    clicks: Timelines  # those apart, which go into no session, come last
    order: Rows  # which row of the table `feed` each is
    people: int  # rows that are not apart
    fresh: Mask
    bots: Mask
    event_ids: list[str]

    def of_windows(self, database: Database, windows: Sequence[str]) -> dict[str, Timelines]:
        """Of each window, the clicks that are not late under it."""
        late = database.execute("SELECT rowid, late FROM feed WHERE late <> ''").fetchall()
        people, found = np.arange(len(self.clicks)) < self.people, {}
        for window in windows:
            rows = [row for row, names in late if f" {window} " in names]
            found[window] = _only(self.clicks, people & ~np.isin(self.order, rows) if rows else people)
        return found


def read_feed(database: Database) -> Feed:
    columns: dict[str, Any] = database.execute(
        f"SELECT {_KEY} AS key, event_id, client_event, time_us, fresh, apart, is_bot FROM feed ORDER BY rowid"
    ).fetchnumpy()
    keys, apart = columns["key"].tolist(), np.asarray(columns["apart"], np.bool_)
    numbers: dict[str, int] = {}
    visitors = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(keys))
    order = np.lexsort((columns["time_us"], visitors, apart))
    firsts, counts = _runs(visitors[order], apart[order])
    listed = order.tolist()
    places = dict(zip(listed, range(len(listed)), strict=True))
    told = database.execute(
        f"SELECT rowid, event_id, {_DEVICE_TYPE}, {', '.join(_TOLD)} FROM feed WHERE {_ANY}"
    ).fetchall()
    clicks = Timelines(
        [keys[row] for row in order[firsts].tolist()],
        counts,
        columns["client_event"][order].tolist(),
        np.asarray(columns["time_us"][order], "<i8"),
        {places[row]: event_id for row, event_id, *_ in told},
        {places[row]: _details(values) for row, _, *values in told},
    )
    fresh, bots = (np.asarray(columns[column][order], np.bool_) for column in ("fresh", "is_bot"))
    return Feed(clicks, order, int((~apart).sum()), fresh, bots, columns["event_id"][order].tolist())


def _runs(visitors: Rows, apart: Mask) -> tuple[Rows, Rows]:
    """Of each visitor's rows, those apart for themselves: the first, and how many they are."""
    changes = (visitors[1:] != visitors[:-1]) | (apart[1:] != apart[:-1])
    firsts = np.flatnonzero(np.concatenate([np.full(min(len(visitors), 1), True), changes]))
    return firsts, np.diff(np.append(firsts, len(visitors)))


def _only(clicks: Timelines, kept: Mask) -> Timelines:
    """Those rows."""
    if kept.all():
        return clicks
    rows = np.flatnonzero(kept)
    visitors = np.repeat(np.arange(len(clicks.counts)), clicks.counts)[rows]
    left, counts = np.unique(visitors, return_counts=True)
    places = {row: place for place, row in enumerate(rows.tolist())}
    return Timelines(
        [clicks.visitors[visitor] for visitor in left.tolist()],
        counts,
        [clicks.names[row] for row in places],
        clicks.times[rows],
        {places[row]: event_id for row, event_id in clicks.event_ids.items() if row in places},
        {places[row]: details for row, details in clicks.details.items() if row in places},
    )


def _details(values: Sequence[Any]) -> Details:
    told = dict(zip(("device_type", *_TOLD), values, strict=True))
    for column in ("experiments", "properties"):
        if told[column] is not None:
            told[column] = msgspec.json.decode(told[column])
    if told["revenue"] is not None:
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


def rows_of(feed: Feed, *, entered_ms: int, first_seq: int) -> list[bytes]:
    """The new clicks as packed rows of `clicks`, each visitor's together, so that an index takes them side by side."""
    rows = np.flatnonzero(feed.fresh)
    number, times = np.arange(len(rows)), feed.clicks.times[rows] - PG_EPOCH_US
    fixed = FIXED.rows(
        len(rows),
        {
            "arrived_at": times,  # history came when it happened
            "entry_ms": np.array(entered_ms),
            "entry_seq": first_seq + number // ROWS_OF_ENTRY,
            "partition": np.array(IMPORTED),
            "entry_row": number % ROWS_OF_ENTRY,
            "client_timestamp": times,
            "is_bot": feed.bots[rows],
        },
    )
    clicks, event_ids = _only(feed.clicks, feed.fresh), list(compress(feed.event_ids, feed.fresh.tolist()))
    return packed_clicks(fixed, event_ids, clicks.keys, clicks.names, clicks.details)
