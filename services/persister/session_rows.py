"""Sessions as packed rows of `sessions`, column by column, since one by one they take twice as long. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from clickloom.session import Session, Touch
from clickloom.times import FIRST_US, LAST_US, SECOND_US
from clickloom.wire import EntryId
from services.persister.packing import (
    NULL,
    PG_EPOCH_US,
    FixedColumns,
    bigint_arrays,
    jsonb,
    name,
    numeric,
    text,
    text_arrays,
)

# The columns of clickloom/tables.py in their order: first those of a fixed size.
_MOMENTS, _COUNTS = ("begin_us", "end_us", "timeagg_us"), ("duration_sec", "events", "orders", "version")
_FLAGS = ("path_truncated", "converted", "bounced")
_FIXED = FixedColumns(
    34,
    {
        "uid": "V16",
        **dict.fromkeys(_MOMENTS, ">i8"),
        **dict.fromkeys(_COUNTS, ">i4"),
        "told_ms": ">i8",
        "told_seq": ">i4",
        "rollbacks": ">i2",
        **dict.fromkeys(_FLAGS, "?"),
    },
)
_NO_TOUCH = Touch()
_NULLS = NULL * 7

Columns = dict[str, tuple[Any, ...]]


def session_rows(window: str, sessions: Sequence[Session], *, rollbacks: int, entry: EntryId) -> list[bytes]:
    """`entry` is that of the changelog. Raises OverflowError if the table cannot hold one of them."""
    if not sessions:
        return []
    columns: Columns = dict(
        zip(Session.__struct_fields__, zip(*map(msgspec.structs.astuple, sessions), strict=True), strict=True)
    )
    parts = (
        _fixed(columns, rollbacks, entry),
        repeat(name(window)),
        map(name, columns["site_id"]),
        map(text, columns["user_id"]),
        map(name, columns["device_id"]),
        map(name, columns["device_type"]),
        (text(session.session_id) for session in sessions),
        map(name, columns["begin_navigation"]),
        map(name, columns["end_navigation"]),
        map(name, columns["closed_by"]),
        map(_sums, columns["revenue"], columns["touch"]),
        text_arrays(columns["path"]),
        bigint_arrays(columns["path_offsets_us"]),
        map(text, columns["revised_because"]),
    )
    return list(map(b"".join, zip(*parts, strict=False)))  # the window is repeated without end


def _fixed(columns: Columns, rollbacks: int, entry: EntryId) -> list[bytes]:
    """Raises OverflowError, as numpy does for what is beyond 64 bits."""
    moments = {name: np.array(columns[name], np.int64) for name in _MOMENTS}
    begin, end, timeagg = moments.values()
    if not ((timeagg >= FIRST_US) & (timeagg <= begin) & (begin <= end) & (end <= LAST_US)).all():
        raise OverflowError("the session has a time before the year 1 or after 9999, or ends before its begin")
    return _FIXED.rows(
        len(begin),
        {
            "uid": np.frombuffer(b"".join(columns["uid"]), "V16"),
            **{column: values - PG_EPOCH_US for column, values in moments.items()},
            "duration_sec": (end - begin) // SECOND_US,
            **{column: np.array(columns[column], np.int64) for column in _COUNTS[1:]},
            "told_ms": np.array(entry[0], np.int64),
            "told_seq": np.array(entry[1], np.int64),
            "rollbacks": np.array(rollbacks, np.int64),
            **{column: np.array(columns[column], np.bool_) for column in _FLAGS},
        },
    )


def _sums(revenue: Decimal, touch: Touch) -> bytes:
    """Money, and what came with the first click."""
    return numeric(revenue) + _touch(touch)


def _touch(touch: Touch) -> bytes:
    if touch is _NO_TOUCH or touch == _NO_TOUCH:
        return _NULLS
    sources = (touch.entry_url, touch.referrer, touch.utm_source, touch.utm_medium, touch.utm_campaign)
    return b"".join(map(text, sources)) + jsonb(touch.experiments) + text(touch.currency)
