"""The + rows of live sessions."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from clickloom.click import device_type_of
from clickloom.keys import split_key
from clickloom.session import ClosedBy, Session, Touch, floor_to_minute, session_uid
from clickloom.windows.live import PATH, PATH_LIMIT, Extras, Live, Order, Path
from clickloom.windows.names import EventNames
from clickloom.windows.rules import Rules

_NO_TOUCH = Touch()
_NO_REVENUE = Decimal(0)


def session_records(
    emitted: Sequence[tuple[Live, str, ClosedBy]], *, window: str, names: EventNames, rules: Rules
) -> list[Session]:
    """What the clicks of live sessions are as sessions, each with its version: (session, visitor's key, closed by).

    The paths of all of them are put in order at once.
    """
    if not emitted:
        return []
    bounds = np.cumsum([0, *(len(live.path) // PATH.itemsize for live, _, _ in emitted)])
    clicks = _in_order(np.frombuffer(b"".join(live.path for live, _, _ in emitted), PATH), bounds, names)
    times = clicks["time_us"]
    offsets = (times - np.repeat(times[bounds[:-1]], np.diff(bounds))).tolist()
    texts = list(map(names.texts.__getitem__, clicks["code"].tolist()))
    conversions = np.add.reduceat(names.conversions(clicks["code"]), bounds[:-1], dtype=np.int64).tolist()
    rows = zip(emitted, pairwise(bounds.tolist()), conversions, strict=True)
    return [
        _record(live, key, closed_by, offsets[first:end], texts[first:end], converted, window, rules)
        for (live, key, closed_by), (first, end), converted in rows
    ]


def _in_order(clicks: Path, bounds: "np.ndarray[tuple[int], np.dtype[np.int64]]", names: EventNames) -> Path:
    """Each session's clicks by time, those of one time by name."""
    lengths = np.diff(bounds)
    sessions = np.repeat(np.arange(len(lengths)), lengths)
    times = clicks["time_us"]
    disordered = (sessions[1:] == sessions[:-1]) & (times[1:] <= times[:-1])
    if not disordered.any():
        return clicks
    ranks = np.empty(len(names.texts), np.int64)
    ranks[sorted(range(len(names.texts)), key=names.texts.__getitem__)] = np.arange(len(names.texts))
    return clicks[np.lexsort((ranks[clicks["code"]], times, sessions))]


def _record(
    live: Live,
    key: str,
    closed_by: ClosedBy,
    offsets: list[int],
    texts: list[str],
    conversions: int,
    window: str,
    rules: Rules,
) -> Session:
    site_id, user_id, device_id = split_key(key)
    begin_us, last_us = live.begin_us, live.last_us
    touch, orders, revenue, device_type = _NO_TOUCH, conversions, _NO_REVENUE, None
    if (extras := live.extras) is not None:
        conversions += extras.pruned_conversions
        touch, device_type = _touch(extras), extras.touch.get("device_type", (0, None))[1]
        told, revenue = _orders(extras.orders)
        orders = conversions - len(extras.orders) + told
    # By position: it takes a fifteenth of the time that names take, and this is done for every session.
    return Session(
        session_uid(window, key, begin_us),
        site_id,
        user_id,
        device_id,
        device_type or device_type_of(device_id, None),
        floor_to_minute(begin_us),
        begin_us,
        last_us,
        live.events,
        texts[0],
        texts[-1],
        texts[:PATH_LIMIT],
        offsets[:PATH_LIMIT],
        live.events > PATH_LIMIT,
        touch,
        conversions > 0,
        orders,
        revenue,
        not conversions and last_us - begin_us < rules.bounce_us,
        closed_by,
        live.version,
    )


def _orders(told: list[Order]) -> tuple[int, Decimal]:
    """(orders, revenue): an order told twice counts once, with the revenue it was first told with."""
    first: dict[str, Decimal] = {}
    for _, order, revenue in sorted(told):
        first.setdefault(order, revenue)
    return len(first), sum(first.values(), _NO_REVENUE)


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
