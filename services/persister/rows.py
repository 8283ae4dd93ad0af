"""Stream entries as rows of the tables. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import msgspec

from clickloom.click import Details
from clickloom.errors import UndecodableEntry
from clickloom.keys import split_key
from clickloom.session import Session
from clickloom.streams import Entry, split_id
from clickloom.times import to_datetime
from clickloom.windows.watermark import NEVER_US
from clickloom.wire import (
    FIELD,
    MAX_PAYLOAD,
    Changelog,
    EntryId,
    LateClick,
    decode_batch,
    decode_changelog,
    decode_rejected,
)
from services.persister.account import REFUSED, Account, storable
from services.persister.click_rows import click_rows
from services.persister.session_rows import session_rows

Row = tuple[Any, ...]
Position = tuple[int, int, int]  # an entry's id, and the row in it

_NO_DETAILS = Details()


class Plus(NamedTuple):
    """A + row."""

    position: Position
    session: Session
    packed: bytes


class Minus(NamedTuple):
    """A − row: what an entry before this one has said of the session holds no more."""

    begin_us: int
    entry: EntryId


@dataclass(slots=True)
class Rows:
    """What a run of entries of one stream puts into Postgres."""

    stream: str
    account: Account = field(default_factory=Account)
    rollbacks: int = 0  # how often the stream was read anew because Redis had lost some of it
    window: str = ""  # of a changelog
    clicks: list[bytes] = field(default_factory=list)  # packed, see click_rows.py
    arrival_days: set[date] = field(default_factory=set)  # of the clicks
    late: list[Row] = field(default_factory=list)
    rejected: list[Row] = field(default_factory=list)
    revoked: dict[bytes, Minus] = field(default_factory=dict)  # by session_uid
    sessions: dict[bytes, Plus] = field(default_factory=dict)  # by session_uid: the newest + row of each session
    watermark_us: int | None = None

    def __len__(self) -> int:
        return len(self.clicks) + len(self.late) + len(self.rejected) + len(self.revoked) + len(self.sessions)

    def refuse(self, position: Position, row: object, reason: str, *, site_id: str | None = None) -> None:
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
    rows.clicks += click_rows(batch, partition, entry)
    rows.arrival_days.add(to_datetime(batch.arrival_us).date())
    rows.account.receive(entry, batch.sites)


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def add_changelog(window: str, rows: Rows, entry: EntryId, value: bytes) -> None:
    add_changes(window, rows, entry, decode_changelog(value))


def add_changes(window: str, rows: Rows, entry: EntryId, changelog: Changelog) -> None:
    """− and + rows folded in order, so that a session appears at most once on either side.

    The order of the entries counts, not the versions: a sessionizer whose last commits Redis has lost makes them anew,
    in other portions, so that an older version with newer clicks can come behind a newer one.
    """
    packed = session_rows(window, changelog.plus, rollbacks=rows.rollbacks, entry=entry)
    plus = [
        Plus((*entry, row), session, columns)
        for row, (session, columns) in enumerate(zip(changelog.plus, packed, strict=True))
    ]
    late = [(rows.stream, *click.position, *_late_row(window, click)) for click in changelog.late]
    rows.window = window
    for minus in changelog.minus:
        rows.sessions.pop(minus.uid, None)
        rows.revoked[minus.uid] = Minus(minus.begin_us, entry)
    for row in plus:
        rows.sessions[row.session.uid] = row
    rows.late += late
    rows.account.take_in(entry, changelog)
    if changelog.watermark_us != NEVER_US:
        rows.watermark_us = changelog.watermark_us


def _late_row(window: str, late: LateClick) -> Row:
    who = (late.event_id, *split_key(late.key), late.name)
    moments = (to_datetime(late.time_us), to_datetime(late.watermark_us))
    details = _json(late.details or _NO_DETAILS)
    return (to_datetime(late.arrival_us), window, *who, *moments, late.late_by_us, late.reason, details)


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
