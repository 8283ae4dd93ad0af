"""A session as the API's answers and webhooks show it."""

from typing import Any

from clickloom.session import Session
from clickloom.times import to_datetime

NOT_YET = ("bounced", "closed_by", "revised_because")  # that an open session does not have


def shown(window: str, session: Session) -> dict[str, Any]:
    """The members of a closed session; every value is one that JSON can be made of."""
    steps = zip(session.path, session.path_offsets_us, strict=True)
    touch = session.touch
    return {
        "session_uid": session.session_uid,
        "session_id": session.session_id,
        "window": window,
        "site_id": session.site_id,
        "user_id": session.user_id,
        "device_id": session.device_id,
        "device_type": session.device_type,
        "timeagg": to_datetime(session.timeagg_us),
        "events": session.events,
        "begin_navigation": session.begin_navigation,
        "end_navigation": session.end_navigation,
        "begin_session": to_datetime(session.begin_us),
        "end_session": to_datetime(session.end_us),
        "duration_sec": session.duration_sec,
        "path": [{"event": event, "offset_ms": offset_us // 1_000} for event, offset_us in steps],
        "path_truncated": session.path_truncated,
        "entry_url": touch.entry_url,
        "referrer": touch.referrer,
        "utm_source": touch.utm_source,
        "utm_medium": touch.utm_medium,
        "utm_campaign": touch.utm_campaign,
        "experiments": touch.experiments,
        "converted": session.converted,
        "orders": session.orders,
        "revenue": format(session.revenue.normalize(), "f"),
        "currency": touch.currency,
        "bounced": session.bounced,
        "closed_by": session.closed_by,
        "version": session.version,
        "revised_because": session.revised_because,
    }


def shown_open(window: str, session: Session, watermark_us: int) -> dict[str, Any]:
    """The members of a session that is open, as it stands."""
    members = {name: value for name, value in shown(window, session).items() if name not in NOT_YET}
    return {**members, "watermark": to_datetime(watermark_us)}
