"""Stream entries as rows of the tables. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from clickloom.click import Details, device_type_of
from clickloom.errors import UndecodableEntry
from clickloom.keys import split_key
from clickloom.session import Session
from clickloom.streams import Entry, split_id
from clickloom.times import to_datetime
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import FIELD, MAX_PAYLOAD, LateClick, decode_batch, decode_changelog, decode_rejected

Row = tuple[Any, ...]

_NO_DETAILS = Details()


@dataclass(slots=True)
class Rows:
    """What a run of entries of one stream puts into Postgres."""

    clicks: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)
    revoked: dict[UUID, int] = field(default_factory=dict)  # − rows: session → greatest version taken back
    sessions: dict[UUID, Row] = field(default_factory=dict)  # + rows, the last of each session
    watermark_us: int | None = None


def click_rows(stream: str, partition: int, entries: Sequence[Entry]) -> Rows:
    rows = Rows()
    for entry_id, fields in entries:
        milliseconds, sequence = split_id(entry_id.decode())
        try:
            batch = decode_batch(fields.get(FIELD, b""))
        except UndecodableEntry as error:
            rows.rejected.append(_undecodable(stream, entry_id, fields, error))
            continue
        arrived_at = to_datetime(batch.arrival_us)
        details_of = dict(batch.details)
        times = batch.time_column.tolist()
        columns = zip(batch.keys, batch.code_column.tolist(), times, batch.event_ids, strict=True)
        for row, (key, code, time_us, event_id) in enumerate(columns):
            details = details_of.get(row)
            site_id, user_id, device_id = split_key(key)
            who = (event_id, site_id, user_id, device_id, device_type_of(device_id, details), batch.names[code])
            position = (arrived_at, partition, milliseconds, sequence, row)
            rows.clicks.append((*position, *who, to_datetime(time_us), *_detail_columns(details or _NO_DETAILS)))
    return rows


def _detail_columns(details: Details) -> Iterator[Any]:
    yield from (details.page_url, details.referrer, details.utm_source, details.utm_medium, details.utm_campaign)
    yield _json(details.experiments)
    yield from (details.order_id, details.revenue, details.currency)
    yield _json(details.properties)


def _json(value: dict[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def changelog_rows(stream: str, window: str, entries: Sequence[Entry]) -> Rows:
    """− and + rows folded in order, so that a session appears at most once on either side."""
    rows = Rows()
    for entry_id, fields in entries:
        try:
            changelog = decode_changelog(fields.get(FIELD, b""))
        except UndecodableEntry as error:
            rows.rejected.append(_undecodable(stream, entry_id, fields, error))
            continue
        for minus in changelog.minus:
            rows.sessions.pop(minus.session_uid, None)
            rows.revoked[minus.session_uid] = minus.version
        for plus in changelog.plus:
            rows.sessions[plus.session_uid] = _session_row(window, plus)
        position = split_id(entry_id.decode())
        rows.late += [(stream, *position, row, *_late_row(window, late)) for row, late in enumerate(changelog.late)]
        if changelog.watermark_us != NEVER_US:
            rows.watermark_us = changelog.watermark_us
    return rows


def _session_row(window: str, session: Session) -> Row:
    touch = session.touch
    return (
        session.session_uid,
        to_datetime(session.begin_us),
        window,
        session.site_id,
        session.user_id,
        session.device_id,
        session.device_type,
        session.session_id,
        to_datetime(session.timeagg_us),
        to_datetime(session.end_us),
        session.duration_sec,
        session.events,
        session.begin_navigation,
        session.end_navigation,
        session.path,
        session.path_offsets_us,
        session.path_truncated,
        touch.entry_url,
        touch.referrer,
        touch.utm_source,
        touch.utm_medium,
        touch.utm_campaign,
        _json(touch.experiments),
        session.converted,
        session.orders,
        session.revenue,
        touch.currency,
        session.bounced,
        session.closed_by,
        session.version,
    )


def _late_row(window: str, late: LateClick) -> Row:
    moments = (to_datetime(late.time_us), to_datetime(late.arrival_us), to_datetime(late.watermark_us))
    details = Jsonb(msgspec.to_builtins(late.details or _NO_DETAILS, str_keys=True))
    return (window, late.event_id, *split_key(late.key), late.name, *moments, late.late_by_us, details)


def rejected_rows(stream: str, entries: Sequence[Entry]) -> Rows:
    rows = Rows()
    for entry_id, fields in entries:
        try:
            event = decode_rejected(fields.get(FIELD, b""))
        except UndecodableEntry as error:
            rows.rejected.append(_undecodable(stream, entry_id, fields, error))
            continue
        position = (stream, *split_id(entry_id.decode()))
        told = (event.source, event.code, event.message, event.payload[:MAX_PAYLOAD])
        rows.rejected.append((*position, to_datetime(event.rejected_us), *told))
    return rows


def _undecodable(stream: str, entry_id: bytes, fields: dict[bytes, bytes], error: UndecodableEntry) -> Row:
    milliseconds, sequence = split_id(entry_id.decode())
    payload = fields.get(FIELD) or repr(fields).encode()
    told = (f"stream {stream}", "undecodable_entry", str(error), payload[:MAX_PAYLOAD])
    return (stream, milliseconds, sequence, to_datetime(milliseconds * 1_000), *told)
