"""Stream entries as rows of the tables. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from clickloom.click import Details, device_type_of
from clickloom.errors import UndecodableEntry
from clickloom.keys import split_key
from clickloom.session import Session
from clickloom.streams import Entry, split_id
from clickloom.times import to_datetime
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import FIELD, MAX_PAYLOAD, EntryId, LateClick, decode_batch, decode_changelog, decode_rejected
from services.persister.account import REFUSED, Account, storable

Row = tuple[Any, ...]
Position = tuple[int, int, int]  # an entry's id, and the row in it

_NO_DETAILS = Details()


@dataclass(slots=True)
class Rows:
    """What a run of entries of one stream puts into Postgres."""

    stream: str
    account: Account = field(default_factory=Account)
    clicks: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)
    revoked: set[UUID] = field(default_factory=set)  # − rows
    sessions: dict[UUID, tuple[Position, Row]] = field(default_factory=dict)  # + rows, the newest of each session
    watermark_us: int | None = None

    def __len__(self) -> int:
        return len(self.clicks) + len(self.late) + len(self.rejected) + len(self.revoked) + len(self.sessions)

    def refuse(self, position: Position, row: Row, reason: str, *, site_id: str | None = None) -> None:
        """A row that Postgres does not take is a rejected one; of a click it is the site's."""
        told = (REFUSED, reason, repr(row).encode())
        self.rejected.append(_rejected(self.stream, position, _moment_of(position[:2]), site_id, *told))


AddEntry = Callable[[Rows, EntryId, bytes], None]


def add_entries(rows: Rows, entries: Sequence[Entry], add: AddEntry) -> None:
    """Put entries into rows by `add`, which does it whole or raises; one that cannot be read becomes rejected.

    Raises UnknownVersion.
    """
    for entry_id, fields in entries:
        position = split_id(entry_id.decode())
        try:
            add(rows, position, fields.get(FIELD, b""))
        except (UndecodableEntry, ValueError, OverflowError) as error:  # ValueError: no visitor's key, no time
            payload = fields.get(FIELD) or repr(fields).encode()
            reason = (rows.account.site_id, "undecodable_entry", str(error), payload)
            rows.rejected.append(_rejected(rows.stream, (*position, 0), _moment_of(position), *reason))


def add_clicks(partition: int, rows: Rows, entry: EntryId, value: bytes) -> None:
    batch = decode_batch(value)
    arrived_at = to_datetime(batch.arrival_us)
    details_of = dict(batch.details)
    found = []
    columns = zip(batch.keys, batch.code_column.tolist(), batch.time_column.tolist(), batch.event_ids, strict=True)
    for row, (key, code, time_us, event_id) in enumerate(columns):
        details = details_of.get(row)
        site_id, user_id, device_id = split_key(key)
        who = (event_id, site_id, user_id, device_id, device_type_of(device_id, details), batch.names[code])
        position = (arrived_at, partition, *entry, row)
        found.append((*position, *who, to_datetime(time_us), *_detail_columns(details or _NO_DETAILS)))
    rows.clicks += found
    rows.account.receive(entry, batch.sites)


def _detail_columns(details: Details) -> Iterator[Any]:
    yield from (details.page_url, details.referrer, details.utm_source, details.utm_medium, details.utm_campaign)
    yield _json(details.experiments)
    yield from (details.order_id, details.revenue, details.currency)
    yield _json(details.properties)


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def add_changelog(window: str, rows: Rows, entry: EntryId, value: bytes) -> None:
    """− and + rows folded in order, so that a session appears at most once on either side.

    The order of the entries counts, not the versions: a sessionizer whose last commits Redis has lost makes them anew,
    in other portions, so that an older version with newer clicks can come behind a newer one.
    """
    changelog = decode_changelog(value)
    plus = [((*entry, row), _session_row(window, session)) for row, session in enumerate(changelog.plus)]
    late = [(rows.stream, *click.position, *_late_row(window, click)) for click in changelog.late]
    for minus in changelog.minus:
        rows.sessions.pop(minus.session_uid, None)
        rows.revoked.add(minus.session_uid)
    for position, row in plus:
        rows.sessions[row[0]] = (position, row)
    rows.late += late
    rows.account.take_in(entry, changelog)
    if changelog.watermark_us != NEVER_US:
        rows.watermark_us = changelog.watermark_us


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
    details = _json(late.details or _NO_DETAILS)
    return (window, late.event_id, *split_key(late.key), late.name, *moments, late.late_by_us, late.reason, details)


def add_rejected(rows: Rows, entry: EntryId, value: bytes) -> None:
    event = decode_rejected(value)
    rejected_at = to_datetime(event.rejected_us)
    told = (event.site_id, event.code, event.message, event.payload, event.source)
    rows.rejected.append(_rejected(rows.stream, (*entry, 0), rejected_at, *told))


def _rejected(
    stream: str,
    position: Position,
    rejected_at: object,
    site_id: str | None,
    code: str,
    message: str,
    payload: bytes,
    source: str = "",
) -> Row:
    """Postgres takes every such row: a text with NUL, which it would refuse, shows it as \\0."""
    told = map(storable, (source or f"stream {stream}", code, message))
    return (stream, *position, rejected_at, site_id and storable(site_id), *told, payload[:MAX_PAYLOAD])


def _moment_of(entry: EntryId) -> object:
    return to_datetime(entry[0] * 1_000)
