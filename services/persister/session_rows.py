"""A session as a packed row of `sessions`. Pure."""

import struct

from clickloom.session import Session, Touch
from clickloom.times import FIRST_US, LAST_US
from clickloom.wire import EntryId
from services.persister.packing import NULL, PG_EPOCH_US, bigints, jsonb, name, numeric, text, texts

# The columns of clickloom/tables.py in their order: first those of a fixed size.
_FIXED = struct.Struct(">hi16siqiqiqiiiiiiiiiqiiihi?i?i?")
_COLUMNS = 34
_NO_TOUCH = Touch()
_NULLS = NULL * 7


def session_row(window: str, session: Session, *, rollbacks: int, entry: EntryId) -> bytes:
    """`entry` is that of the changelog. Raises OverflowError for a session that the table cannot hold."""
    who = name(window) + name(session.site_id) + text(session.user_id) + name(session.device_id)
    kinds = name(session.device_type) + text(session.session_id)
    ends = name(session.begin_navigation) + name(session.end_navigation) + name(session.closed_by)
    path = texts(session.path) + bigints(session.path_offsets_us)
    revised = text(session.revised_because)
    return b"".join((_fixed(session, rollbacks, entry), who, kinds, ends, _sums(session), path, revised))


def _fixed(session: Session, rollbacks: int, entry: EntryId) -> bytes:
    if not FIRST_US <= session.timeagg_us <= session.begin_us <= session.end_us <= LAST_US:
        raise OverflowError("the session has a time before the year 1 or after 9999, or ends before its begin")
    begin, end, timeagg = (us - PG_EPOCH_US for us in (session.begin_us, session.end_us, session.timeagg_us))
    counts = (4, session.duration_sec, 4, session.events, 4, session.orders, 4, session.version)
    told = (8, entry[0], 4, entry[1], 2, rollbacks)
    flags = (1, session.path_truncated, 1, session.converted, 1, session.bounced)
    try:
        return _FIXED.pack(_COLUMNS, 16, session.uid, 8, begin, 8, end, 8, timeagg, *counts, *told, *flags)
    except struct.error as error:
        raise OverflowError(f"a number of the session is beyond what the table holds: {error}") from error


def _sums(session: Session) -> bytes:
    """Money, and what came with the first click."""
    return numeric(session.revenue) + _touch(session.touch)


def _touch(touch: Touch) -> bytes:
    if touch == _NO_TOUCH:
        return _NULLS
    sources = (touch.entry_url, touch.referrer, touch.utm_source, touch.utm_medium, touch.utm_campaign)
    return b"".join(map(text, sources)) + jsonb(touch.experiments) + text(touch.currency)
