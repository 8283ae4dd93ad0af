"""The session record: what one window made of one visitor's clicks."""

from decimal import Decimal
from hashlib import blake2b
from typing import Literal
from uuid import UUID

import msgspec

from clickloom.keys import visitor_key
from clickloom.times import MINUTE_US, SECOND_US

ClosedBy = Literal["gap", "range", "cap"]
RevisedBecause = Literal["extended", "merged", "recut", "imported"]


class Touch(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """First-touch fields: each from the first click of the session that has it."""

    entry_url: str | None = None
    referrer: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    experiments: dict[str, str] | None = None
    currency: str | None = None


class Session(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One row of the changelog, of the `sessions` table and of the answers."""

    uid: bytes  # 16 bytes, see `session_uid`
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    timeagg_us: int
    begin_us: int
    end_us: int
    events: int
    begin_navigation: str
    end_navigation: str
    path: list[str]  # the first events, in event-time order
    path_offsets_us: list[int]  # µs since begin, one an entry of path
    path_truncated: bool
    touch: Touch
    converted: bool
    orders: int
    revenue: Decimal
    bounced: bool
    closed_by: ClosedBy
    version: int
    revised_because: RevisedBecause | None = None  # why there is another version than the first

    @property
    def session_uid(self) -> UUID:
        return UUID(bytes=self.uid)

    @property
    def key(self) -> str:
        """The visitor's."""
        return visitor_key(self.site_id, self.user_id, self.device_id)

    @property
    def duration_sec(self) -> int:
        """Whole seconds, truncated, as the original."""
        return (self.end_us - self.begin_us) // SECOND_US

    @property
    def session_id(self) -> str:
        return session_id(self.user_id, self.device_id, self.timeagg_us)


def session_uid(window: str, key: str, begin_us: int) -> bytes:
    """The key of a session, 16 bytes: the same for the same window, visitor and begin, on every machine."""
    return blake2b(f"{window}\x1f{key}\x1f{begin_us}".encode(), digest_size=16).digest()


def session_id(user_id: str, device_id: str, timeagg_us: int) -> str:
    """The original's id, for people: `64_COM1614358320`."""
    return f"{user_id}_{device_id[:3]}{timeagg_us // SECOND_US}".upper()


def floor_to_minute(moment_us: int) -> int:
    return moment_us - moment_us % MINUTE_US
