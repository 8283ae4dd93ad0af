"""What the streams carry: record batches in, changelog and metrics out. msgpack, version first.

A record batch is kept by columns. The sessionizer reads keys, names and times of thousands of clicks at once
and most clicks have nothing else; a column decodes faster than as many structs
(see docs/decisions/0001-record-batches-by-column.md).
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self, TypeVar
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from clickloom.click import DEFAULT_SITE, Click, Details
from clickloom.errors import UndecodableEntry, UnknownVersion
from clickloom.keys import SEPARATOR, Person
from clickloom.numbers import ActiveUsers, SiteNumbers
from clickloom.session import Session
from clickloom.times import LAST_US

VERSION = 1
FIELD = b"b"  # the one field of every stream entry

Codes = npt.NDArray[np.uint16]
Times = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
EntryId = tuple[int, int]  # of a stream entry: (milliseconds, sequence)
T = TypeVar("T")


class RecordBatch(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """1..N clicks of one partition, by column; row i of every column is click i.

    A batch without clicks and with a watermark says that a finite input has ended there; one with `erase`, that persons
    are forgotten there (clickloom/erasure.py).
    """

    version: int = VERSION
    arrival_us: int
    keys: list[str]  # the visitor's key
    names: list[str]  # the distinct event names
    codes: bytes  # uint16, little-endian, index into names
    times: bytes  # int64, little-endian, event time in µs
    hashes: bytes  # uint64, of event id and visitor
    event_ids: list[str]
    details: list[tuple[int, Details]]  # (row, details) of the clicks that have any, by row
    sites: list[tuple[str, int]]  # how many clicks there are of each site: what the ledger counts by
    watermark_us: int | None = None
    bots: list[int] = msgspec.field(default_factory=list)  # rows, in order
    erase: list[Person] = msgspec.field(default_factory=list)  # of whom nothing from before is to be kept

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def code_column(self) -> Codes:
        return np.frombuffer(self.codes, "<u2")

    @property
    def time_column(self) -> Times:
        return np.frombuffer(self.times, "<i8")

    @property
    def hash_column(self) -> Hashes:
        return np.frombuffer(self.hashes, "<u8")

    @classmethod
    def of(cls, clicks: Sequence[Click], arrival_us: int, keys: list[str] | None = None) -> Self:
        """The batch of normalised clicks, all of one partition; `keys` are theirs, if they are known already."""
        names: dict[str, int] = {}
        if keys is None:
            keys = [click.key for click in clicks]
        event_ids = [click.event_id or "" for click in clicks]
        found = ((row, click.details()) for row, click in enumerate(clicks))
        return cls(
            arrival_us=arrival_us,
            keys=keys,
            codes=np.array([names.setdefault(click.client_event, len(names)) for click in clicks], "<u2").tobytes(),
            names=list(names),
            times=np.array([click.time_us for click in clicks], "<i8").tobytes(),
            hashes=b"".join(map(event_hash, event_ids, keys)),
            event_ids=event_ids,
            details=[(row, details) for row, details in found if details is not None],
            sites=list(Counter(click.site_id for click in clicks).items()),
            bots=[row for row, click in enumerate(clicks) if click.is_bot],
        )


def event_hash(event_id: str, key: str) -> bytes:
    """8 bytes that say whether two events are the same one: of event id and visitor."""
    return xxhash.xxh3_64_digest(f"{event_id}\x1f{key}".encode())


class Revoked(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A − row: this version of this session is no more."""

    uid: bytes
    version: int
    begin_us: int  # so that Postgres finds it where sessions of that time are
    site_id: str = ""  # empty: an earlier version wrote the row

    @property
    def session_uid(self) -> UUID:
        return UUID(bytes=self.uid)


class LateClick(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A click that came after its session could no longer change."""

    event_id: str
    key: str
    name: str
    time_us: int
    arrival_us: int
    watermark_us: int
    late_by_us: int  # how far the watermark was past the last one at which it would have been accepted
    position: tuple[int, int, int]  # in `clicks:{p}`: the entry's id, and the row in it
    details: Details | None = None

    @property
    def reason(self) -> str:
        return f"its session could no longer change: the watermark was {self.late_by_us / 1e6:g} s past its time"


class CommitMetrics(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """What one commit of one window of one partition did: an entry of `metrics:{p}`."""

    version: int = VERSION
    window: str
    committed_us: int
    watermark_us: int
    clicks: int = 0  # rows read, duplicates, late ones and bots included
    duplicates: int = 0
    late: int = 0
    undecodable: int = 0  # stream entries
    open_sessions: int = 0  # live and not yet emitted, after the commit
    bots: int = 0
    sites: dict[str, SiteNumbers] = msgspec.field(default_factory=dict)  # what of it is told by site, and more


class Tally(msgspec.Struct, array_like=True, gc=False):
    """What became of the clicks of one site in one entry of `clicks:{p}`; those not told are in sessions."""

    entry: EntryId
    site_id: str
    clicks: int
    duplicates: int = 0
    late: int = 0
    bots: int = 0


class Changelog(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """What one commit changed, in order: first the − rows, then the + rows. And its share of the ledger."""

    version: int = VERSION
    watermark_us: int
    minus: list[Revoked]
    plus: list[Session]
    late: list[LateClick]
    number: int = 0  # of the commit
    read_to: EntryId = (0, 0)  # the last entry of `clicks:{p}` that it knows
    tallies: list[Tally] = msgspec.field(default_factory=list)  # of the entries since the commit before, in order
    open_events: dict[str, int] = msgspec.field(default_factory=dict)  # site → clicks in sessions that no + row shows
    erased: list[Person] = msgspec.field(default_factory=list)  # whose open sessions closed for that alone


class RejectedEvent(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """Input that is no click, with the reason."""

    version: int = VERSION
    rejected_us: int
    source: str  # `http`, `replay access.log line 12`
    code: str
    message: str
    payload: bytes  # the first 4 KiB
    site_id: str = DEFAULT_SITE


MAX_PAYLOAD = 4096

encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class _Reader:
    """Decodes one type of entry; tells an unknown version from rubbish."""

    def __init__(self, kind: type[Any]) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def __call__(self, value: bytes) -> Any:
        _check_version(value)
        try:
            return self._decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UndecodableEntry(str(error)) from error


def _check_version(value: bytes) -> None:
    """An array whose first element is another integer than VERSION is a later version's entry."""
    if len(value) < 2 or not (0x90 <= value[0] <= 0x9F or value[0] in (0xDC, 0xDD)):
        raise UndecodableEntry("the entry is no msgpack array")
    first = value[{0xDC: 3, 0xDD: 5}.get(value[0], 1) :][:1]
    if first and first[0] != VERSION and first[0] < 0x80:
        raise UnknownVersion(
            f"an entry of version {first[0]}; this software reads version {VERSION}: upgrade every service"
        )


_read_batch = _Reader(RecordBatch)
_read_changelog = _Reader(Changelog)
_read_metrics = _Reader(CommitMetrics)
_read_active = _Reader(ActiveUsers)
_read_rejected = _Reader(RejectedEvent)


def decode_batch(value: bytes) -> RecordBatch:
    """Raises UndecodableEntry (reject the entry) or UnknownVersion (stop)."""
    batch: RecordBatch = _read_batch(value)
    rows = len(batch.keys)
    if not len(batch.codes) / 2 == len(batch.times) / 8 == len(batch.hashes) / 8 == len(batch.event_ids) == rows:
        raise UndecodableEntry(f"the columns of the batch do not all have {rows} rows")
    if "".join(batch.keys).count(SEPARATOR) != 2 * rows:
        raise UndecodableEntry("the batch has a key that is not site, user and device")
    if rows and batch.code_column.max() >= len(batch.names):
        raise UndecodableEntry("the batch names an event that is not in its table")
    if batch.arrival_us > LAST_US or (rows and batch.time_column.max() > LAST_US):
        raise UndecodableEntry("the batch has a time after the year 9999")
    if sum(count for _, count in batch.sites) != rows:
        raise UndecodableEntry(f"the sites of the batch do not add up to its {rows} clicks")
    if any(not 0 <= row < rows for row, _ in batch.details):
        raise UndecodableEntry("the batch has details of a click that is not in it")
    if any(not low < high < rows for low, high in pairwise([-1, *batch.bots])):
        raise UndecodableEntry("the batch has a bot that is not in it, or not in order")
    return batch


def decode_changelog(value: bytes) -> Changelog:
    """Raises UndecodableEntry or UnknownVersion."""
    changelog: Changelog = _read_changelog(value)
    return changelog


def decode_metrics(value: bytes) -> CommitMetrics:
    """Raises UndecodableEntry or UnknownVersion."""
    metrics: CommitMetrics = _read_metrics(value)
    return metrics


def decode_active(value: bytes) -> ActiveUsers:
    """Raises UndecodableEntry or UnknownVersion."""
    active: ActiveUsers = _read_active(value)
    return active


def decode_rejected(value: bytes) -> RejectedEvent:
    """Raises UndecodableEntry or UnknownVersion."""
    rejected: RejectedEvent = _read_rejected(value)
    return rejected
