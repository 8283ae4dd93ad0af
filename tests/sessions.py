"""Sessions for tests, in a line."""

from decimal import Decimal

from clickloom.keys import visitor_key
from clickloom.session import Session, Touch, session_uid
from clickloom.times import SECOND_US
from clickloom.wire import Changelog, Revoked


def session(
    begin: float, *, user: str = "64", window: str = "visits", version: int = 1, events: int = 1, **more: object
) -> Session:
    """A session that begins `begin` seconds after 1970 and lasts a second an event."""
    begin_us = round(begin * SECOND_US)
    fields: dict[str, object] = {
        "uid": session_uid(window, visitor_key("default", user, "computer"), begin_us),
        "site_id": "default",
        "user_id": user,
        "device_id": "computer",
        "device_type": "computer",
        "timeagg_us": begin_us,
        "begin_us": begin_us,
        "end_us": begin_us + (events - 1) * SECOND_US,
        "events": events,
        "begin_navigation": "beer_vitrine_nav",
        "end_navigation": "beer_checkout",
        "path": ["beer_vitrine_nav"] * events,
        "path_offsets_us": [number * SECOND_US for number in range(events)],
        "path_truncated": False,
        "touch": Touch(),
        "converted": False,
        "orders": 0,
        "revenue": Decimal(0),
        "bounced": True,
        "closed_by": "gap",
        "version": version,
    }
    return Session(**{**fields, **more})  # type: ignore[arg-type]  # by name


def changelog(*plus: Session, minus: tuple[Session, ...] = (), watermark: float = 2e9) -> Changelog:
    return Changelog(
        watermark_us=round(watermark * SECOND_US),
        minus=[Revoked(row.uid, row.version, row.begin_us, row.site_id) for row in minus],
        plus=list(plus),
        late=[],
    )
