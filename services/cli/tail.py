"""`clickloom tail`: streams as JSON lines, so that nobody needs to read msgpack."""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec
from redis.asyncio import Redis

from clickloom.errors import InvalidSetting, UndecodableEntry
from clickloom.keys import Keys, split_key
from clickloom.session import Session
from clickloom.settings import Settings
from clickloom.streams import START, last_id, read_streams
from clickloom.times import iso
from clickloom.wire import FIELD, RecordBatch, Revoked, decode_batch, decode_changelog, decode_metrics


class Stream(StrEnum):
    clicks = "clicks"
    sessions = "sessions"
    metrics = "metrics"


async def tail(
    redis: Redis, stream: Stream, *, window: str, from_start: bool, settings: Settings
) -> AsyncIterator[bytes]:
    """Entries of all partitions as they come, one JSON text each (a click each, for clicks).

    Raises InvalidSetting if there is no such window, UnknownVersion.
    """
    known = [defined.name for defined in settings.parsed_windows()]
    if window not in known:
        raise InvalidSetting(f"--window {window}: not defined; one of {', '.join(known)}")
    keys = Keys(settings.namespace)
    name_of: dict[Stream, Callable[[int], str]] = {
        Stream.clicks: keys.clicks,
        Stream.metrics: keys.metrics,
        Stream.sessions: partial(keys.sessions, window),
    }
    names = map(name_of[stream], range(settings.partitions))
    cursors = {name: START if from_start else await last_id(redis, name) for name in names}
    while True:
        for name, entries in (await read_streams(redis, cursors, count=100, block_ms=1_000)).items():
            for entry_id, fields in entries:
                cursors[name] = entry_id.decode()
                for found in _found(stream, fields):
                    yield msgspec.json.encode({"stream": name, "id": cursors[name], **found})


def _found(stream: Stream, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
    try:
        return _decode(stream, fields.get(FIELD, b""))
    except UndecodableEntry as error:
        return [{"undecodable": str(error)}]


def _decode(stream: Stream, value: bytes) -> list[dict[str, Any]]:
    if stream is Stream.clicks:
        return _clicks(decode_batch(value))
    decoded: Any = decode_changelog(value) if stream is Stream.sessions else decode_metrics(value)
    return [_named(decoded)]


def _clicks(batch: RecordBatch) -> list[dict[str, Any]]:
    details = dict(batch.details)
    rows = zip(batch.keys, batch.code_column.tolist(), batch.time_column.tolist(), batch.event_ids, strict=True)
    return [
        {
            **dict(zip(("site_id", "user_id", "device_id"), split_key(key), strict=True)),
            "client_event": batch.names[code],
            "client_timestamp": iso(time_us),
            "event_id": event_id,
            **(msgspec.to_builtins(details[row], str_keys=True) if row in details else {}),
        }
        for row, (key, code, time_us, event_id) in enumerate(rows)
    ]


def _named(value: Any) -> Any:
    """Array-shaped structs with their fields' names."""
    if isinstance(value, Session | Revoked):
        return {"session_uid": value.session_uid, **_fields(value)}
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, dict):
        return {name: _named(item) for name, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: _named(getattr(value, name)) for name in value.__struct_fields__ if name != "uid"}
