"""`GET /v1/sessions` and one session."""

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from sqlalchemy import RowMapping, Select, select, tuple_

from clickloom.tables import sessions
from services.api.problems import Problem, documented, documented_parameter, wrong_parameter
from services.api.query.windows import check_window, read_as_of
from services.api.readers import UNREADABLE, Readable, one_site
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

_EXAMPLE: dict[str, JsonValue] = {
    "session_uid": "53b41eea-6b8a-d662-2faf-95a40b777597",
    "session_id": "64_COM1614358320",
    "window": "visits",
    "site_id": "default",
    "user_id": "64",
    "device_id": "computer",
    "device_type": "computer",
    "timeagg": "2021-02-26T16:52:00Z",
    "events": 2,
    "begin_navigation": "beer_vitrine_nav",
    "end_navigation": "beer_checkout",
    "begin_session": "2021-02-26T16:52:05.250000Z",
    "end_session": "2021-02-26T16:54:05.250000Z",
    "duration_sec": 120,
    "path": [
        {"event": "beer_vitrine_nav", "offset_ms": 0},
        {"event": "beer_checkout", "offset_ms": 120000},
    ],
    "path_truncated": False,
    "entry_url": "/vitrine",
    "referrer": "https://search.example/",
    "utm_source": "newsletter",
    "utm_medium": "email",
    "utm_campaign": "spring",
    "experiments": {"button": "red"},
    "converted": True,
    "orders": 1,
    "revenue": "19.99",
    "currency": "EUR",
    "bounced": False,
    "closed_by": "gap",
    "version": 1,
}
_AWAY = documented(503, "PostgreSQL does not answer; ask again")

Filter = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]


class PathStep(BaseModel):
    event: str
    offset_ms: int = Field(description="since the session's begin")


class SessionAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    session_uid: UUID
    session_id: str
    window: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    timeagg: datetime = Field(description="begin, floored to the minute")
    events: int
    begin_navigation: str
    end_navigation: str
    begin_session: datetime
    end_session: datetime
    duration_sec: int = Field(description="whole seconds, truncated")
    path: list[PathStep] = Field(description="the events in event-time order, the first 100 at most")
    path_truncated: bool = Field(description="whether there were more")
    entry_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    experiments: dict[str, str] | None
    converted: bool
    orders: int
    revenue: str = Field(description="a decimal")
    currency: str | None
    bounced: bool = Field(description="short, and no conversion")
    closed_by: Literal["gap", "range", "cap"]
    version: int = Field(description="1, and one more at each revision")


class SessionList(BaseModel):
    sessions: list[SessionAnswer]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")
    as_of: datetime | None = Field(description="the watermark: complete up to here")


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Filter = "visits"
    site_id: Filter | None = None
    user_id: Filter | None = None
    device_id: Filter | None = None
    from_: Annotated[datetime | None, Field(alias="from", description="begin of session, inclusive")] = None
    to: Annotated[datetime | None, Field(description="begin of session, exclusive")] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before", max_length=256)] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


_REFUSED = documented_parameter("limit", "Input should be greater than or equal to 1")


@router.get("/v1/sessions", summary="Closed sessions, newest first", responses={**_REFUSED, **UNREADABLE, **_AWAY})
async def list_sessions(request: Request, sites: Readable, filters: Annotated[Filters, Query()]) -> SessionList:
    resources = resources_of(request)
    filters.site_id = one_site(sites, filters.site_id)
    check_window(resources, filters.window)
    async with resources.engine.connect() as connection:
        as_of = await read_as_of(connection, resources, filters.window)
        found = (await connection.execute(_page(filters))).mappings().all()
    page, more = found[: filters.limit], len(found) > filters.limit
    return SessionList(
        sessions=[_answer(row) for row in page], next_cursor=_cursor(page[-1]) if more else None, as_of=as_of
    )


_UNKNOWN = documented(404, "no session 53b41eea-6b8a-d662-2faf-95a40b777597: it never was, or a revision took it back")
_NO_UUID = documented_parameter("session_uid", "Input should be a valid UUID")
_PROBLEMS = {**_UNKNOWN, **_NO_UUID, **UNREADABLE, **_AWAY}


@router.get("/v1/sessions/{session_uid}", summary="One session", responses=_PROBLEMS)
async def get_session(request: Request, sites: Readable, session_uid: UUID) -> SessionAnswer:
    statement = select(sessions).where(sessions.c.session_uid == session_uid)
    async with resources_of(request).engine.connect() as connection:
        row = (await connection.execute(statement)).mappings().first()
    if row is None or (sites and row["site_id"] not in sites):
        raise Problem(404, f"no session {session_uid}: it never was, or a revision took it back")
    return _answer(row)


def _page(filters: Filters) -> Select[Any]:
    """One row more than the limit tells whether there is a next page."""
    at = sessions.c
    position = (at.begin_session, at.session_uid)
    statement = select(sessions).where(at.window == filters.window)
    for name in ("site_id", "user_id", "device_id"):
        if (value := getattr(filters, name)) is not None:
            statement = statement.where(at[name] == value)
    if filters.from_ is not None:
        statement = statement.where(at.begin_session >= _utc(filters.from_))
    if filters.to is not None:
        statement = statement.where(at.begin_session < _utc(filters.to))
    if filters.cursor is not None:
        statement = statement.where(tuple_(*position) < tuple_(*_position(filters.cursor)))
    return statement.order_by(*(column.desc() for column in position)).limit(filters.limit + 1)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cursor(row: RowMapping) -> str:
    position = msgspec.json.encode((row["begin_session"], row["session_uid"]))
    return base64.urlsafe_b64encode(position).decode()


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        begin, uid = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[datetime, UUID])
        return _utc(begin), uid
    except (ValueError, msgspec.MsgspecError) as error:
        told = "not one of ours; give `next_cursor` of the page before, as it is"
        raise wrong_parameter("cursor", told) from error


def _answer(row: RowMapping) -> SessionAnswer:
    steps = zip(row["path"], row["path_offsets_us"], strict=True)
    path = [PathStep(event=event, offset_ms=offset_us // 1_000) for event, offset_us in steps]
    return SessionAnswer(**{**row, "path": path, "revenue": format(row["revenue"].normalize(), "f")})
