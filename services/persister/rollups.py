"""What rows of `sessions` add to `session_rollups`, or take from it. Pure."""

import struct
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from clickloom.durations import CLASSES, class_of
from clickloom.session import Session
from clickloom.times import MINUTE_US
from services.persister.packing import PG_EPOCH_US, integer_arrays, name, numeric

BUCKET_US = 5 * MINUTE_US


class Facts(NamedTuple):
    """Of a session, what rollups are made of."""

    begin_us: int
    site_id: str
    device_type: str
    begin_navigation: str
    duration_sec: int
    events: int
    bounced: bool
    converted: bool
    orders: int
    revenue: Decimal


class Place(NamedTuple):
    """A row of the rollups of one window."""

    bucket_us: int
    site_id: str
    device_type: str
    begin_navigation: str


@dataclass(slots=True)
class Sums:
    sessions: int = 0
    events: int = 0
    duration_sec: int = 0
    bounces: int = 0
    conversions: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)
    durations: list[int] = field(default_factory=lambda: [0] * CLASSES)


def facts_of(session: Session) -> Facts:
    return Facts(
        session.begin_us,
        session.site_id,
        session.device_type,
        session.begin_navigation,
        session.duration_sec,
        session.events,
        session.bounced,
        session.converted,
        session.orders,
        session.revenue,
    )


class Moves(dict[Place, Sums]):
    """What one run of rows changes, of one window."""

    def add(self, facts: Facts, sign: int = 1) -> None:
        """One session more or, with -1, less."""
        begin_us, site_id, device_type, begin, duration_sec, events, bounced, converted, orders, revenue = facts
        place = Place(begin_us - begin_us % BUCKET_US, site_id, device_type, begin)
        sums = self.get(place)
        if sums is None:
            sums = self[place] = Sums()
        sums.sessions += sign
        sums.events += sign * events
        sums.duration_sec += sign * duration_sec
        sums.bounces += sign * bounced
        sums.conversions += sign * converted
        sums.durations[class_of(duration_sec)] += sign
        if orders:
            sums.orders += sign * orders
        if revenue:
            sums.revenue += sign * revenue

    def packed_rows(self, window: str) -> list[bytes]:
        """What has changed, as rows of `session_rollups`."""
        nothing = Sums()
        moved = [(place, sums) for place, sums in self.items() if sums.sessions or sums != nothing]
        durations = integer_arrays([sums.durations for _, sums in moved])
        return [_row(window, *move) + classes for move, classes in zip(moved, durations, strict=True)]

    def emptied(self) -> set[int]:
        """Buckets (µs) in which there may be a place without sessions now."""
        return {place.bucket_us for place, sums in self.items() if sums.sessions < 0}


_HEAD = struct.Struct(">h")
_BUCKET = struct.Struct(">iq")
_COUNTS = struct.Struct(">iqiqiqiqiqiq")
_COLUMNS = 13


def _row(window: str, place: Place, sums: Sums) -> bytes:
    """But for its last column, the classes of durations."""
    bucket = _BUCKET.pack(8, place.bucket_us - PG_EPOCH_US)
    who = name(place.site_id) + name(place.device_type) + name(place.begin_navigation)
    ends = (8, sums.bounces, 8, sums.conversions, 8, sums.orders)
    counts = _COUNTS.pack(8, sums.sessions, 8, sums.events, 8, sums.duration_sec, *ends)
    return _HEAD.pack(_COLUMNS) + name(window) + bucket + who + counts + numeric(sums.revenue)
