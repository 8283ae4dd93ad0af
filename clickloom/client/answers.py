"""What the API answers, as types. Fields that a newer server adds are passed over. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from clickloom.session import ClosedBy, RevisedBecause

T = TypeVar("T")


class ApiError(Exception):
    """The API refused, with a problem detail."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, Any]], retry_after_s: float | None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.errors = errors  # of a 422: which field, and what is wrong with it
        self.retry_after_s = retry_after_s  # when it may be asked again; None: the server does not say


class PathStep(msgspec.Struct, frozen=True):
    event: str
    offset_ms: int  # since the session's begin


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A closed session; docs/api.md says what the fields mean."""

    session_uid: str
    session_id: str
    window: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    timeagg: datetime
    events: int
    begin_navigation: str
    end_navigation: str
    begin_session: datetime
    end_session: datetime
    duration_sec: int
    path: list[PathStep]
    path_truncated: bool
    entry_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    experiments: dict[str, str] | None
    converted: bool
    orders: int
    revenue: Decimal
    currency: str | None
    bounced: bool
    closed_by: ClosedBy
    version: int
    revised_because: RevisedBecause | None = None


class SessionPage(msgspec.Struct, frozen=True):
    sessions: list[Session]
    next_cursor: str | None
    as_of: datetime | None


class Click(msgspec.Struct, frozen=True, kw_only=True):
    event_id: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    client_event: str
    client_timestamp: datetime
    arrived_at: datetime
    is_bot: bool
    page_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    experiments: dict[str, str] | None
    order_id: str | None
    revenue: Decimal | None
    currency: str | None
    properties: dict[str, Any] | None


class Moment(msgspec.Struct, frozen=True):
    """Of a user's timeline: a click, or a session at its begin."""

    at: datetime
    kind: Literal["click", "session"]
    click: Click | None = None
    session: Session | None = None


class TimelinePage(msgspec.Struct, frozen=True):
    timeline: list[Moment]
    next_cursor: str | None
    as_of: datetime | None


class Refused(msgspec.Struct, frozen=True):
    index: int  # of the event among those sent
    code: str
    message: str


class Accepted(msgspec.Struct, frozen=True):
    accepted: int
    rejected: list[Refused]


def decoded(answer: httpx.Response, kind: type[T]) -> T:
    """Raises ApiError."""
    return msgspec.json.decode(checked(answer).content, type=kind)


def accepted(answer: httpx.Response) -> Accepted:
    """Of events that were all refused too. Raises ApiError."""
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY and "rejected" in answer.json():
        return msgspec.json.decode(answer.content, type=Accepted)
    return decoded(answer, Accepted)


def checked(answer: httpx.Response) -> httpx.Response:
    """Raises ApiError unless the API has done what it was asked for."""
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
        detail, errors = problem["detail"], problem.get("errors", [])
    except (ValueError, KeyError, TypeError):  # of something that stands before the API
        detail, errors = answer.text[:200] or answer.reason_phrase, []
    wait = answer.headers.get("retry-after", "")
    raise ApiError(answer.status_code, detail, errors, float(wait) if wait.isdecimal() else None)
