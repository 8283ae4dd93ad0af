"""The + rows of live sessions."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from clickloom.click import device_type_of
from clickloom.keys import split_key
from clickloom.session import ClosedBy, Session, Touch, session_uid
from clickloom.times import MINUTE_US
from clickloom.windows.live import PATH, PATH_LIMIT, Extras, Live, Order, Path
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


def session_records(
    emitted: Sequence[tuple[Live, str, ClosedBy]], *, window: str, names: EventNames, rules: Rules
) -> list[Session]:
    """What the clicks of live sessions are as sessions, each with its version: (session, visitor's key, closed by)."""
    if not emitted:
        return []
    bounds, texts, offsets, conversions = _paths([live for live, _, _ in emitted], names)
    records = []
    for (live, key, closed_by), (first, end), shown in zip(emitted, pairwise(bounds), conversions, strict=True):
        site_id, user_id, device_id = split_key(key)
        begin_us, last_us, events = live.begin_us, live.last_us, live.events
        told = _NOTHING_TOLD if live.extras is None else _told(live.extras)
        converted = shown + told.more_conversions
        kept = min(end, first + PATH_LIMIT)
        # By position: it takes a fifteenth of the time that names take, and this is done for every session.
        records.append(
            Session(
                session_uid(window, key, begin_us),
                site_id,
                user_id,
                device_id,
                told.device_type or device_type_of(device_id, None),
                begin_us - begin_us % MINUTE_US,
                begin_us,
                last_us,
                events,
                texts[first],
                texts[end - 1],
                texts[first:kept],
                offsets[first:kept],
                events > PATH_LIMIT,
                told.touch,
                converted > 0,
                converted + told.repeated_orders,
                told.revenue,
                not converted and last_us - begin_us < rules.bounce_us,
                closed_by,
                live.version,
                live.because if live.version > 1 else None,
            )
        )
    return records


class _Paths(NamedTuple):
    """The clicks of all sessions, one session's after the other's, each by time."""

    bounds: list[int]  # where each session begins, and where the last ends
    texts: list[str]  # of each click, the event name
    offsets: list[int]  # and µs since its session's first
    conversions: list[int]  # of each session, how many of its clicks are conversions


def _paths(sessions: Sequence[Live], names: EventNames) -> _Paths:
    """Of all at once, for each would take a few calls of numpy."""
    bounds = np.cumsum([0, *(len(live.path) // PATH.itemsize for live in sessions)])
    clicks = _in_order(np.frombuffer(b"".join(live.path for live in sessions), PATH), bounds, names)
    times, codes = clicks["time_us"], clicks["code"]
    return _Paths(
        bounds.tolist(),
        list(map(names.texts.__getitem__, codes.tolist())),
        (times - np.repeat(times[bounds[:-1]], np.diff(bounds))).tolist(),
        np.add.reduceat(names.conversions(codes), bounds[:-1], dtype=np.int64).tolist(),
    )


def _in_order(clicks: Path, bounds: Counts, names: EventNames) -> Path:
    """Each session's clicks by time, those of one time by name. Most came in order."""
    sessions = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    times = clicks["time_us"]
    disordered = np.unique(sessions[1:][(sessions[1:] == sessions[:-1]) & (times[1:] <= times[:-1])])
    if not len(disordered):
        return clicks
    rows = np.flatnonzero(np.isin(sessions, disordered))
    some = clicks[rows]
    ordered = clicks.copy()
    ordered[rows] = some[np.lexsort((names.ranks(some["code"]), some["time_us"], sessions[rows]))]
    return ordered


class Told(NamedTuple):
    """What the details of a session's clicks tell of it."""

    touch: Touch
    device_type: str | None
    more_conversions: int  # that the path shows no more
    repeated_orders: int  # to add to the conversions, so that an order told twice counts once: 0 or less
    revenue: Decimal


_NOTHING_TOLD = Told(Touch(), None, 0, 0, Decimal(0))


def _told(extras: Extras) -> Told:
    orders, revenue = _orders(extras.orders)
    device_type = extras.touch.get("device_type", (0, None))[1]
    return Told(_touch(extras), device_type, extras.pruned_conversions, orders - len(extras.orders), revenue)


def _orders(told: list[Order]) -> tuple[int, Decimal]:
    """(orders, revenue): an order told twice counts once, with the revenue it was first told with."""
    first: dict[str, Decimal] = {}
    for _, order, revenue in sorted(told):
        first.setdefault(order, revenue)
    return len(first), sum(first.values(), Decimal(0))


def _touch(extras: Extras) -> Touch:
    if not extras.touch:
        return _NOTHING_TOLD.touch
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
