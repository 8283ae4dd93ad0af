"""The numbers of a commit by site, as `metrics:{p}` carries them and live ticks add them up."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from clickloom.session import Session
from clickloom.times import MINUTE_US

NOTHING = Decimal(0)

T = TypeVar("T")


def add_counts(into: dict[T, int], counts: Mapping[T, int]) -> None:
    for key, count in counts.items():
        into[key] = into.get(key, 0) + count


class MinuteChange(msgspec.Struct, array_like=True, gc=False):
    """How the sessions that begin in one minute have changed: their + rows less their − rows."""

    sessions: int = 0
    events: int = 0
    duration_sec: int = 0
    bounces: int = 0
    conversions: int = 0
    orders: int = 0
    revenue: Decimal = NOTHING

    def add(self, row: Session, sign: int) -> None:
        """sign: 1 of a + row, -1 of a − row."""
        self.sessions += sign
        self.events += sign * row.events
        self.duration_sec += sign * row.duration_sec
        self.bounces += sign * row.bounced
        self.conversions += sign * row.converted
        self.orders += sign * row.orders
        if row.revenue:  # of most there is none, and a decimal takes as long as all the others
            self.revenue += sign * row.revenue

    def merge(self, other: "MinuteChange") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class SiteNumbers(msgspec.Struct, array_like=True, gc=False):
    """What happened on one site. Any two can be added; of open sessions the sum is that of different partitions.

    Minutes are since 1970.
    """

    clicks: int = 0  # rows read, duplicates, late ones and bots included
    duplicates: int = 0
    late: int = 0
    bots: int = 0
    events: dict[str, int] = msgspec.field(default_factory=dict)  # clicks by event name
    devices: dict[str, int] = msgspec.field(default_factory=dict)  # clicks by device type
    conversions: int = 0  # conversion events that are in sessions
    revenue: Decimal = NOTHING  # of these
    open_sessions: int = 0  # after the commit
    closed_sessions: int = 0  # + rows of version 1
    revised_sessions: int = 0  # + rows of later versions
    durations: dict[int, int] = msgspec.field(default_factory=dict)  # s → closed sessions
    session_events: dict[int, int] = msgspec.field(default_factory=dict)  # clicks → closed sessions
    changes: dict[int, MinuteChange] = msgspec.field(default_factory=dict)  # by minute of the sessions' begin
    arrived: dict[int, int] = msgspec.field(default_factory=dict)  # clicks by the minute in which the stream got them

    def row(self, row: Session, sign: int) -> None:
        """A + row (sign 1) or a − row (-1) of the changelog."""
        self.change_of(row.begin_us // MINUTE_US).add(row, sign)
        if sign < 0:
            return
        if row.version > 1:
            self.revised_sessions += 1
            return
        self.closed_sessions += 1
        duration_sec, events = row.duration_sec, row.events
        self.durations[duration_sec] = self.durations.get(duration_sec, 0) + 1
        self.session_events[events] = self.session_events.get(events, 0) + 1

    def change_of(self, minute: int) -> MinuteChange:
        found = self.changes.get(minute)
        if found is None:
            found = self.changes[minute] = MinuteChange()
        return found

    def merge(self, other: "SiteNumbers") -> None:
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            add_counts(getattr(self, name), getattr(other, name))
        for minute, change in other.changes.items():
            self.change_of(minute).merge(change)


_COUNTERS = ("events", "devices", "durations", "session_events", "arrived")
_ADDED = tuple(name for name in SiteNumbers.__struct_fields__ if name not in {*_COUNTERS, "changes"})


class ActiveUsers(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """Who was there, in sketches: an entry of `active:{p}`."""

    version: int
    sketches: list[tuple[int, str, bytes]]  # minute of the stream, site, registers that changed (`Sketch.add`)
