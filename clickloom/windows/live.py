"""A live session: one that can still change. Kept in memory and, by visitor, in Redis."""

from decimal import Decimal
from typing import Any, Self

import msgspec

from clickloom.click import Details, device_type_of
from clickloom.keys import split_key
from clickloom.session import ClosedBy, Session, Touch, floor_to_minute, session_uid
from clickloom.windows.rules import Rules

PATH_LIMIT = 100  # clicks that the path shows
_PRUNE_AT = 4 * PATH_LIMIT  # entries (two a click) at which a path is cut back

_TOUCHED = ("page_url", "referrer", "experiments", "currency", "device_type")
_UTM = ("utm_source", "utm_medium", "utm_campaign")


class Extras(msgspec.Struct, array_like=True, gc=False):
    """What clicks with details added, each with its time so that any order of arrival gives the same."""

    touch: dict[str, tuple[int, Any]]  # field → (event time, value) of the first click that has it
    orders: dict[str, tuple[int, Decimal]]  # order → (event time, revenue)
    order_clicks: int = 0  # conversions that told an order or a revenue, an order sent twice counted twice
    pruned_conversions: int = 0  # conversions that the path shows no more

    def note(self, details: Details, time_us: int, *, conversion: bool, event_id: str) -> None:
        for name in _TOUCHED:
            self._touch(name, time_us, getattr(details, name))
        utm = [getattr(details, name) for name in _UTM]
        self._touch("utm", time_us, utm if any(utm) else None)
        if conversion and (details.order_id is not None or details.revenue is not None):
            self.order_clicks += 1
            _keep_least(self.orders, details.order_id or f"\x1f{event_id}", (time_us, details.revenue or Decimal(0)))

    def _touch(self, name: str, time_us: int, value: Any) -> None:
        if value is not None:
            _keep_least(self.touch, name, (time_us, value))

    def merged(self, other: Self) -> Self:
        both = type(self)(
            dict(self.touch),
            dict(self.orders),
            self.order_clicks + other.order_clicks,
            self.pruned_conversions + other.pruned_conversions,
        )
        for name, touch in other.touch.items():
            _keep_least(both.touch, name, touch)
        for order, found in other.orders.items():
            _keep_least(both.orders, order, found)
        return both

    def between(self, begin_us: int, end_us: int) -> Self:
        """What of this is known to be from that time, when a session is cut."""
        touch = {name: found for name, found in self.touch.items() if begin_us <= found[0] <= end_us}
        orders = {order: found for order, found in self.orders.items() if begin_us <= found[0] <= end_us}
        return type(self)(touch, orders, len(orders))


def _keep_least(table: dict[str, tuple[int, Any]], name: str, found: tuple[int, Any]) -> None:
    """Keep the earliest; between two of one time, the lesser as text, so that the order of arrival does not matter."""
    known = table.get(name)
    if known is None or (found[0], repr(found[1])) < (known[0], repr(known[1])):
        table[name] = found


class Live(msgspec.Struct, array_like=True, gc=False):
    """A session that can still change.

    `path` is flat: event time, event code, event time, event code, … in order of arrival. Past PATH_LIMIT clicks it is
    cut back from time to time to the first ones and the last.
    """

    begin_us: int
    last_us: int
    events: int
    path: list[int]
    version: int = 0  # of the last + row; 0 before the first
    emitted: bool = False  # the last + row stands
    opened_us: int = 0  # arrival clock, of a stagger row's first click
    extras: Extras | None = None

    @classmethod
    def of(cls, time_us: int, code: int, opened_us: int = 0) -> Self:
        return cls(time_us, time_us, 1, [time_us, code], opened_us=opened_us)

    @property
    def dead(self) -> bool:
        """Merged into another, or forgotten."""
        return self.events == 0

    def add(self, time_us: int, code: int) -> None:
        self.begin_us = min(self.begin_us, time_us)
        self.last_us = max(self.last_us, time_us)
        self.events += 1
        self.path += (time_us, code)

    def absorb(self, other: Self) -> None:
        """Take the other's clicks; the other is dead."""
        self.begin_us = min(self.begin_us, other.begin_us)
        self.last_us = max(self.last_us, other.last_us)
        self.events += other.events
        self.path += other.path
        self.version = max(self.version, other.version)
        if other.extras is not None:
            self.extras = other.extras if self.extras is None else self.extras.merged(other.extras)
        other.events = 0

    def entries(self, names: list[str]) -> list[tuple[int, str]]:
        """(event time, event name) in event-time order; events of one time by name."""
        times = self.path[::2]
        return sorted(zip(times, map(names.__getitem__, self.path[1::2]), strict=True))

    @property
    def complete(self) -> bool:
        """The path shows every click."""
        return len(self.path) == 2 * self.events

    def prune(self, names: list[str], rules: Rules) -> None:
        """Cut a long path back to its first clicks and the last; what conversions go with it are counted."""
        if len(self.path) < _PRUNE_AT:
            return
        order = sorted(zip(self.path[::2], self.path[1::2], strict=True), key=lambda pair: (pair[0], names[pair[1]]))
        gone = order[PATH_LIMIT:-1]
        self.path = [part for pair in (*order[:PATH_LIMIT], order[-1]) for part in pair]
        lost = sum(names[code] in rules.conversion_events for _, code in gone)
        if lost:
            self.extras = self.extras or Extras({}, {})
            self.extras.pruned_conversions += lost

    def cut(self, names: list[str], max_duration_us: int) -> list[Self]:
        """Cut a complete session that is too long: greedily from its begin, as a batch over its clicks would."""
        code_of = {names[code]: code for code in self.path[1::2]}
        pieces: list[Self] = []
        for time_us, name in self.entries(names):
            if pieces and time_us - pieces[-1].begin_us <= max_duration_us:
                pieces[-1].add(time_us, code_of[name])
            else:
                pieces.append(type(self).of(time_us, code_of[name]))
        for piece in pieces:
            piece.version = self.version
            if self.extras is not None:
                piece.extras = self.extras.between(piece.begin_us, piece.last_us)
        return pieces


def session_record(
    live: Live, *, window: str, key: str, closed_by: ClosedBy, names: list[str], rules: Rules
) -> Session:
    """The + row of a live session, with its version."""
    site_id, user_id, device_id = split_key(key)
    entries = live.entries(names)
    shown = entries[:PATH_LIMIT]
    extras = live.extras or Extras({}, {})
    conversions = sum(name in rules.conversion_events for _, name in entries) + extras.pruned_conversions
    told = extras.touch.get("device_type")
    return Session(
        session_uid=session_uid(window, key, live.begin_us),
        site_id=site_id,
        user_id=user_id,
        device_id=device_id,
        device_type=told[1] if told else device_type_of(device_id, None),
        timeagg_us=floor_to_minute(live.begin_us),
        begin_us=live.begin_us,
        end_us=live.last_us,
        events=live.events,
        begin_navigation=entries[0][1],
        end_navigation=entries[-1][1],
        path=[name for _, name in shown],
        path_offsets_us=[time_us - live.begin_us for time_us, _ in shown],
        path_truncated=live.events > PATH_LIMIT,
        touch=_touch(extras),
        converted=conversions > 0,
        orders=conversions - extras.order_clicks + len(extras.orders),
        revenue=sum((revenue for _, revenue in extras.orders.values()), Decimal(0)),
        bounced=live.last_us - live.begin_us < rules.bounce_us and not conversions,
        closed_by=closed_by,
        version=live.version,
    )


_NO_TOUCH = Touch()


def _touch(extras: Extras) -> Touch:
    if not extras.touch:
        return _NO_TOUCH
    first = {name: value for name, (_, value) in extras.touch.items()}
    source, medium, campaign = first.get("utm", (None, None, None))
    return Touch(
        entry_url=first.get("page_url"),
        referrer=first.get("referrer"),
        utm_source=source,
        utm_medium=medium,
        utm_campaign=campaign,
        experiments=first.get("experiments"),
        currency=first.get("currency"),
    )
