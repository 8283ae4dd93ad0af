"""A live session: one that can still change. Kept in memory and, by visitor, in Redis."""

from decimal import Decimal
from typing import Any, Self

import msgspec
import numpy as np
from msgspec.structs import astuple

from clickloom.click import Details
from clickloom.session import RevisedBecause
from clickloom.windows.names import EventNames

PATH_LIMIT = 100  # clicks that the path shows
PATH = np.dtype([("time_us", "<i8"), ("code", "<u4")])  # a click of a path: event time, event name
Path = np.ndarray[tuple[int], np.dtype[np.void]]
PRUNE_AT_BYTES = 2 * PATH_LIMIT * PATH.itemsize
EVERYTHING_US = 2**62  # a time after every click

Order = tuple[int, str, Decimal]  # (event time, order, revenue) of one click that told of an order
Touches = dict[str, tuple[int, Any]]  # field → (event time, value) of the first click that has it


UTM_FIELDS = ("utm_source", "utm_medium", "utm_campaign")  # go together, and empty ones tell nothing
TOUCH_FIELDS = ("page_url", "referrer", *UTM_FIELDS, "experiments", "device_type", "currency")
ORDER_FIELDS = ("order_id", "revenue")


class Extras(msgspec.Struct, array_like=True, gc=False):
    """What clicks with details added, each with its time so that any order of arrival gives the same.

    Of TOUCH_FIELDS the first that is told counts, of ORDER_FIELDS each that a conversion tells.
    """

    touch: Touches = msgspec.field(default_factory=dict)
    orders: list[Order] = msgspec.field(default_factory=list)  # conversions that tell an order or a revenue
    pruned_conversions: int = 0  # conversions that the path shows no more

    def note(self, details: Details, time_us: int, *, conversion: bool, event_id: str) -> None:
        device_type, page_url, referrer, source, medium, campaign, experiments, *more = astuple(details)
        order_id, revenue, currency, _properties, _client_address = more
        utm = [source, medium, campaign]
        touch = self.touch
        if page_url is not None:
            _keep_first(touch, "page_url", time_us, page_url)
        if referrer is not None:
            _keep_first(touch, "referrer", time_us, referrer)
        if any(utm):
            _keep_first(touch, "utm", time_us, utm)
        if experiments is not None:
            _keep_first(touch, "experiments", time_us, experiments)
        if device_type is not None:
            _keep_first(touch, "device_type", time_us, device_type)
        if currency is not None:
            _keep_first(touch, "currency", time_us, currency)
        if conversion and (order_id is not None or revenue is not None):
            # A revenue without an order is an order of its own.
            self.orders.append((time_us, order_id or f"\x1f{event_id}", revenue or Decimal(0)))

    def merged(self, other: Self) -> Self:
        both = type(self)(
            dict(self.touch), self.orders + other.orders, self.pruned_conversions + other.pruned_conversions
        )
        for name, touch in other.touch.items():
            _keep_first(both.touch, name, *touch)
        return both

    def between(self, begin_us: int, end_us: int) -> Self:
        """What of this is known to be from that time."""
        touch = {name: found for name, found in self.touch.items() if begin_us <= found[0] <= end_us}
        return type(self)(touch, [order for order in self.orders if begin_us <= order[0] <= end_us])


def _keep_first(touch: Touches, name: str, time_us: int, value: Any) -> None:
    """Of one time, the lesser as text is the first, so that the order of arrival does not matter."""
    known = touch.get(name)
    if known is None or time_us < known[0] or (time_us == known[0] and repr(value) < repr(known[1])):
        touch[name] = (time_us, value)


class Live(msgspec.Struct, array_like=True, gc=False):
    """A session that can still change.

    `path` holds a record of type PATH for each click, in order of arrival: packed, since millions of small integers all
    over the memory take longer to find again than they took to make. A long one is cut back from time to time.
    """

    begin_us: int
    last_us: int
    events: int
    path: bytearray
    version: int = 0  # of the last + row; 0 before the first
    emitted: bool = False  # the last + row stands
    opened_us: int = 0  # arrival clock, of a stagger row's first click
    extras: Extras | None = None
    because: RevisedBecause | None = None  # how it last took in clicks or gave some away, other than by going on

    @classmethod
    def of(cls, time_us: int, code: int) -> Self:
        """The session of one click."""
        return cls(time_us, time_us, 1, bytearray(np.array((time_us, code), PATH).tobytes()))

    @property
    def dead(self) -> bool:
        """Merged into others, or erased."""
        return self.events == 0

    @property
    def clicks(self) -> Path:
        """The clicks that the path has, in order of arrival."""
        return np.frombuffer(bytes(self.path), PATH)

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

    def prune(self, names: EventNames, *, keep_from_us: int) -> None:
        """Cut a long path back to its first clicks, the last, and those since `keep_from_us`."""
        if len(self.path) < PRUNE_AT_BYTES:
            return
        clicks = self.clicks
        clicks = clicks[np.argsort(clicks["time_us"], kind="stable")]
        kept = clicks["time_us"] >= keep_from_us
        kept |= clicks["time_us"] <= clicks["time_us"][PATH_LIMIT - 1]  # with all of one time: the path is by name then
        kept |= clicks["time_us"] == self.last_us
        if lost := int(names.conversions(clicks["code"][~kept]).sum()):
            self.extras = self.extras or Extras()
            self.extras.pruned_conversions += lost
        self.path = bytearray(clicks[kept].tobytes())

    def part(self, *, after_us: int) -> Self:
        """Take out the clicks after that time as a session of their own; the path must show all of them."""
        clicks = self.clicks
        rest, kept = clicks[clicks["time_us"] > after_us], clicks[clicks["time_us"] <= after_us]
        begin_us = int(rest["time_us"].min())
        other = type(self)(begin_us, self.last_us, len(rest), bytearray(rest.tobytes()), self.version)
        self.path = bytearray(kept.tobytes())
        self.events -= len(rest)
        self.last_us = int(kept["time_us"].max())
        if (extras := self.extras) is not None:
            other.extras = extras.between(begin_us, other.last_us)
            self.extras = extras.between(self.begin_us, self.last_us)
            self.extras.pruned_conversions = extras.pruned_conversions  # what is pruned is from before
        return other
