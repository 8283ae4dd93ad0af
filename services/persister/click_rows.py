"""A record batch as packed rows of `clicks`. Pure."""

import struct
from functools import lru_cache

import numpy as np

from clickloom.click import Details, device_type_of
from clickloom.errors import UndecodableEntry
from clickloom.keys import split_key
from clickloom.times import to_datetime
from clickloom.wire import EntryId, RecordBatch
from services.persister.packing import NULL, PG_EPOCH_US, jsonb, name, numeric, packed, text

MOST_CLICKS = 2**15  # that `entry_row` can tell apart; our own batches have 500

# The columns of clickloom/tables.py in their order: first those that all clicks of an entry share, then some of a fixed
# size that numpy makes for all clicks at once.
_HEAD = struct.Struct(">hiqiqiiih")
_COLUMNS = 24
_FIXED = np.dtype([("two", ">i4"), ("row", ">i2"), ("eight", ">i4"), ("time", ">i8"), ("one", ">i4"), ("bot", "?")])
_NO_DETAILS = NULL * 11


def click_rows(batch: RecordBatch, partition: int, entry: EntryId) -> list[bytes]:
    """Raises UndecodableEntry and OverflowError for an entry that the table cannot hold."""
    head, fixed = _head(batch, partition, entry), _fixed(batch)
    names = list(map(name, batch.names))
    events = [names[code] for code in batch.code_column.tolist()]
    ids = [packed(event_id.encode()) for event_id in batch.event_ids]
    visitors = list(map(_visitor, batch.keys))
    details = [_NO_DETAILS] * len(batch)
    for row, known in batch.details:
        visitors[row] = _visitor(batch.keys[row], known.device_type)
        details[row] = _detail_columns(known)
    return list(map(b"".join, zip(_repeated(head, batch), fixed, ids, visitors, events, details, strict=True)))


def _repeated(head: bytes, batch: RecordBatch) -> list[bytes]:
    return [head] * len(batch)


def _head(batch: RecordBatch, partition: int, entry: EntryId) -> bytes:
    to_datetime(batch.arrival_us)  # raises what is before the year 1, which no client could read back
    if len(batch) > MOST_CLICKS:
        raise UndecodableEntry(f"the batch has {len(batch)} clicks; the most is {MOST_CLICKS}")
    try:
        return _HEAD.pack(_COLUMNS, 8, batch.arrival_us - PG_EPOCH_US, 8, entry[0], 4, entry[1], 2, partition)
    except struct.error as error:
        raise UndecodableEntry(f"the entry's id {entry[0]}-{entry[1]} is beyond what the table holds") from error


def _fixed(batch: RecordBatch) -> list[bytes]:
    """The click's row in the batch, its time, and whether it is a bot's."""
    columns = np.empty(len(batch), _FIXED)
    columns["two"], columns["row"] = 2, np.arange(len(batch))
    columns["eight"], columns["time"] = 8, batch.time_column - PG_EPOCH_US
    columns["one"], columns["bot"] = 1, False
    columns["bot"][batch.bots] = True
    if len(batch):
        to_datetime(int(batch.time_column.min()))
    found: list[bytes] = columns.view(f"V{_FIXED.itemsize}").tolist()
    return found


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
