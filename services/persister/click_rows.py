"""Clicks as packed rows of `clicks`. Pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from clickloom.click import Details, device_type_of
from clickloom.errors import UndecodableEntry
from clickloom.keys import split_key
from clickloom.times import to_datetime
from clickloom.wire import EntryId, RecordBatch
from services.persister.packing import NULL, PG_EPOCH_US, FixedColumns, jsonb, name, numeric, packed, text

MOST_CLICKS = 2**15  # that `entry_row` can tell apart; our own batches have 500

# The columns of clickloom/tables.py in their order: first those of a fixed size.
FIXED = FixedColumns(
    24,
    {
        "arrived_at": ">i8",
        "entry_ms": ">i8",
        "entry_seq": ">i4",
        "partition": ">i2",
        "entry_row": ">i2",
        "client_timestamp": ">i8",
        "is_bot": "?",
    },
)
_NO_DETAILS = NULL * 11


def click_rows(batch: RecordBatch, partition: int, entry: EntryId) -> list[bytes]:
    """Raises UndecodableEntry and OverflowError for an entry that the table cannot hold."""
    names = batch.names
    events = [names[code] for code in batch.code_column.tolist()]
    fixed = _fixed(batch, partition, entry)
    return packed_clicks(fixed, batch.event_ids, batch.keys, events, dict(batch.details))


def packed_clicks(
    fixed: Sequence[bytes],
    event_ids: Sequence[str],
    keys: Sequence[str],
    names: Sequence[str],
    details: Mapping[int, Details],
) -> list[bytes]:
    """Row by row what FIXED has packed and what else there is of a click; details of the rows that have any."""
    visitors, rest = list(map(_visitor, keys)), [_NO_DETAILS] * len(keys)
    for row, known in details.items():
        visitors[row] = _visitor(keys[row], known.device_type)
        rest[row] = _detail_columns(known)
    ids = [packed(event_id.encode()) for event_id in event_ids]
    return list(map(b"".join, zip(fixed, ids, visitors, map(name, names), rest, strict=True)))


def _fixed(batch: RecordBatch, partition: int, entry: EntryId) -> list[bytes]:
    to_datetime(batch.arrival_us)  # raises what is before the year 1, which no client could read back
    if len(batch) > MOST_CLICKS:
        raise UndecodableEntry(f"the batch has {len(batch)} clicks; the most is {MOST_CLICKS}")
    if len(batch):
        to_datetime(int(batch.time_column.min()))
    bots = np.zeros(len(batch), np.bool_)
    bots[batch.bots] = True
    return FIXED.rows(
        len(batch),
        {
            "arrived_at": np.array(batch.arrival_us - PG_EPOCH_US, np.int64),
            "entry_ms": np.array(entry[0], np.int64),
            "entry_seq": np.array(entry[1], np.int64),
            "partition": np.array(partition),
            "entry_row": np.arange(len(batch)),
            "client_timestamp": batch.time_column - PG_EPOCH_US,
            "is_bot": bots,
        },
    )


@lru_cache(maxsize=50_000)
def _visitor(key: str, device_type: str | None = None) -> bytes:
    """Site, user, device and device type."""
    site_id, user_id, device_id = split_key(key)
    kind = device_type or device_type_of(device_id, None)
    return name(site_id) + text(user_id) + text(device_id) + name(kind)


def _detail_columns(details: Details) -> bytes:
    texts = (details.page_url, details.referrer, details.utm_source, details.utm_medium, details.utm_campaign)
    order = text(details.order_id) + numeric(details.revenue) + text(details.currency)
    rest = jsonb(details.properties) + text(details.client_address)
    return b"".join(map(text, texts)) + jsonb(details.experiments) + order + rest
