"""A bucket's selected clicks, out of the engine: as columns for the windows, as CSV for Postgres."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from clickloom.click import DEVICE_CLASSES, Details
from clickloom.keys import SEPARATOR
from clickloom.tables import clicks as clicks_table
from services.cli.history.cutting import Clicks
from services.cli.history.ledger import Counts
from services.cli.history.revision import Standing
from services.cli.history.staged import Database, name, text

ROWS_OF_ENTRY = 1_000  # clicks are numbered as if they had come in record batches

# What sessions show of a click's details, but for the device type.
_TOLD = [told for told in Details.__struct_fields__ if told not in ("device_type", "properties", "client_address")]
_CLASSES = ", ".join(map(text, DEVICE_CLASSES))
_CONCLUDED = f"CASE WHEN device_id IN ({_CLASSES}) THEN device_id ELSE 'other' END"
# Of a click in Postgres it is not known whether its device type was told, unless nothing else would explain it.
_DEVICE_TYPE = f"CASE WHEN fresh OR device_type <> {_CONCLUDED} THEN device_type END"
_ANY = " OR ".join(f"{told} IS NOT NULL" for told in (*_TOLD, _DEVICE_TYPE))
_SEPARATOR = f"chr({ord(SEPARATOR)})"
_KEY = f"concat(site_id, {_SEPARATOR}, user_id, {_SEPARATOR}, device_id)"


def clicks_of(database: Database, windows: Sequence[str]) -> dict[str, Clicks]:
    """Of each window, the clicks of `feed` that are not late under it."""
    columns: dict[str, Any] = database.execute(
        f"SELECT {_KEY} AS key, client_event, time_us, late FROM feed WHERE NOT apart ORDER BY rowid"
    ).fetchnumpy()
    told = database.execute(
        f"SELECT rowid, event_id, {_DEVICE_TYPE}, {', '.join(_TOLD)} FROM feed WHERE {_ANY}"
    ).fetchall()
    clicks = Clicks(
        columns["key"].tolist(),
        columns["client_event"].tolist(),
        np.asarray(columns["time_us"], "<i8"),
        {row: event_id for row, event_id, *_ in told},
        {row: _details(values) for row, _, *values in told},
    )
    late = columns["late"]
    if not any(late):
        return dict.fromkeys(windows, clicks)
    return {window: clicks.only([f" {window} " not in names for names in late]) for window in windows}


def _details(values: Sequence[Any]) -> Details:
    told = dict(zip(("device_type", *_TOLD), values, strict=True))
    if told["experiments"] is not None:
        told["experiments"] = msgspec.json.decode(told["experiments"])
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


def write_csv(database: Database, file: Path, fixed: Mapping[str, int], first_seq: int) -> None:
    """The new clicks as rows of `clicks`, each visitor's together, so that an index takes them side by side.

    fixed: columns that are the same for all.
    """
    values = {
        **{column: str(value) for column, value in fixed.items()},
        "arrived_at": "make_timestamp(time_us)",  # history came when it happened
        "entry_seq": f"{first_seq} + (number - 1) // {ROWS_OF_ENTRY}",
        "entry_row": f"(number - 1) % {ROWS_OF_ENTRY}",
        "device_type": f"coalesce(device_type, {_CONCLUDED})",
        "client_timestamp": "make_timestamp(time_us)",
        "client_address": "NULL",  # which is cut, or left out, where events come in from the net
    }
    columns = ", ".join(f"{values.get(column.name, column.name)} AS {column.name}" for column in clicks_table.c)
    rows = "SELECT *, row_number() OVER () AS number FROM feed WHERE fresh ORDER BY site_id, user_id, time_us"
    database.execute(f"COPY (SELECT {columns} FROM ({rows})) TO {text(file)} (FORMAT csv, HEADER false)")
