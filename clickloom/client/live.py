"""What the live streams tell, as types. Fields that a newer server adds are passed over. Pure."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from httpx_sse import ServerSentEvent

from clickloom.client.answers import Session

T = TypeVar("T", bound="Told")


class Gap(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What was missed, because the server keeps it no more."""

    from_: datetime
    to: datetime
    reason: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    missed: Gap | None = None  # just before this; all but never, see docs/api.md


class Summary(msgspec.Struct, frozen=True):
    """Quantiles by nearest rank; null of nothing."""

    count: int
    sum: int
    min: int | None
    max: int | None
    p50: int | None
    p90: int | None
    p99: int | None


class ThisMinute(msgspec.Struct, frozen=True):
    minute: datetime
    conversions: int
    revenue: Decimal


class Arrived(msgspec.Struct, frozen=True):
    minute: datetime
    clicks: int


class Change(msgspec.Struct, frozen=True):
    """Of the closed sessions that begin in a minute: those that are new less those that were taken back."""

    minute: datetime
    sessions: int
    events: int
    duration_sec: int
    bounces: int
    conversions: int
    orders: int
    revenue: Decimal


class LiveTick(Told, frozen=True, kw_only=True):
    """A second so far, in place of the tick before of the same second; docs/api.md says what the fields mean."""

    second: datetime
    at: datetime
    complete: bool  # nothing more comes of this second
    clicks: int
    duplicates: int
    late: int
    bots: int
    events: dict[str, int]  # clicks by event name
    devices: dict[str, int]  # clicks by device type
    conversions: int
    revenue: Decimal
    this_minute: ThisMinute
    open_sessions: int
    closed_sessions: int
    revised_sessions: int
    session_duration: Summary  # s
    session_events: Summary
    active_users_5m: int
    active_users_30m: int
    watermark: datetime | None
    watermark_lag_sec: float | None
    arrived: list[Arrived]
    changes: list[Change]


class Revoked(msgspec.Struct, frozen=True):
    session_uid: str
    version: int
    begin_session: datetime


class LiveSessions(Told, frozen=True, kw_only=True):
    """Closed sessions; first those that are no more, for a late click changed them."""

    revoked: list[Revoked]
    sessions: list[Session]


class LiveClick(msgspec.Struct, frozen=True, kw_only=True):
    event_id: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    client_event: str
    client_timestamp: datetime
    received_at: datetime
    is_bot: bool
    page_url: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    experiments: dict[str, str] | None = None
    order_id: str | None = None
    revenue: Decimal | None = None
    currency: str | None = None


class LiveClicks(Told, frozen=True, kw_only=True):
    """As the stream took them: a duplicate comes twice."""

    clicks: list[LiveClick]


def ticks(told: str) -> LiveTick:
    return msgspec.json.decode(told, type=LiveTick)


def sessions(told: str) -> LiveSessions:
    return msgspec.json.decode(told, type=LiveSessions)


def clicks(told: str) -> LiveClicks:
    return LiveClicks(clicks=msgspec.json.decode(told, type=list[LiveClick]))


class Hearing(Generic[T]):
    """The events of a stream, one after the other: a gap is told with what comes after it."""

    def __init__(self, parse: Callable[[str], T]) -> None:
        self._parse = parse
        self._missed: Gap | None = None

    def heard(self, event: ServerSentEvent) -> T | None:
        """None: it is nothing by itself. `dropped` ends the stream, which is then gone on with from the last id."""
        if not event.data:  # only an id: where to go on from
            return None
        match event.event:
            case "gap":
                self._missed = msgspec.json.decode(event.data, type=Gap)
                return None
            case "dropped":
                return None
            case _:
                found: Any = msgspec.structs.replace(self._parse(event.data), missed=self._missed)
                self._missed = None
                told: T = found
                return told
