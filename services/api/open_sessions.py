"""`GET /v1/sessions/open`: sessions that go on, out of the live state."""

import asyncio
import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from redis.exceptions import RedisError

from clickloom.open_sessions import OpenSession, Place, Wanted
from clickloom.shown import NOT_YET, shown_open
from clickloom.times import SECOND_US, to_datetime
from services.api.problems import Problem, documented, documented_parameter, wrong_parameter
from services.api.query.session_answers import EXAMPLE, PathStep
from services.api.query.session_filters import Name
from services.api.query.windows import check_window
from services.api.readers import UNREADABLE, Readable, one_site
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

_EXAMPLE: dict[str, JsonValue] = {
    **{name: value for name, value in EXAMPLE.items() if name not in NOT_YET},
    "version": 0,
    "watermark": "2021-02-26T16:56:40Z",
}
_TOO_SLOW = "reading the open sessions took longer than QUERY_TIMEOUT; ask again, or raise it"
_AWAY = "Redis does not answer; ask again"


class OpenSessionAnswer(BaseModel):
    """As a closed session, as far as it is; it can still change in all but who it is of."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    session_uid: UUID = Field(description="that it will have when it closes, unless a late event moves its begin")
    session_id: str
    window: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    timeagg: datetime = Field(description="begin, floored to the minute")
    events: int = Field(description="so far")
    begin_navigation: str
    end_navigation: str = Field(description="the last event so far")
    begin_session: datetime
    end_session: datetime = Field(description="of the last event so far")
    duration_sec: int = Field(description="from the first event to the last so far; whole seconds, truncated")
    path: list[PathStep] = Field(description="the events in event-time order, the first 100 at most")
    path_truncated: bool = Field(description="whether there were more")
    entry_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    experiments: dict[str, str] | None
    converted: bool = Field(description="so far")
    orders: int
    revenue: str = Field(description="a decimal")
    currency: str | None
    version: int = Field(description="0; more if it was closed before, and a late event opened it again")
    watermark: datetime = Field(description="event time up to which its partition has been read; runs on in silence")


class OpenSessionList(BaseModel):
    sessions: list[OpenSessionAnswer]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")
    as_of: datetime | None = Field(description="the least watermark of all partitions; null before the first event")


class Names(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Name = "visits"
    site_id: Name | None = None
    user_id: Name | None = None
    device_id: Name | None = None
    event: Annotated[Name | None, Field(description="has happened in it")] = None
    min_duration_sec: Annotated[int | None, Field(ge=0, le=10**9, description="lasts at least so long so far")] = None
    max_duration_sec: Annotated[int | None, Field(ge=0, le=10**9, description="lasts at most so long so far")] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before", max_length=256)] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


_PROBLEMS = {
    **documented_parameter("limit", "Input should be greater than or equal to 1"),
    **UNREADABLE,
    **documented(503, _AWAY),
}


@router.get("/v1/sessions/open", summary="Open sessions, newest first", responses=_PROBLEMS)
async def list_open_sessions(request: Request, sites: Readable, filters: Annotated[Names, Query()]) -> OpenSessionList:
    """As the sessionizers' last commits have them: at most a quarter of a second old. Pages of a list that changes
    meanwhile show each session that stays open once."""
    resources = resources_of(request)
    filters.site_id = one_site(sites, filters.site_id)
    check_window(resources, filters.window)
    try:
        async with asyncio.timeout(resources.query_timeout_s):
            found, as_of_us = await resources.open_sessions.page(
                filters.window, _wanted(filters), at_most=filters.limit + 1
            )
    except TimeoutError as error:
        raise Problem(503, _TOO_SLOW, headers={"Retry-After": "1"}) from error
    except RedisError as error:
        raise Problem(503, _AWAY, headers={"Retry-After": "1"}) from error
    page, more = found[: filters.limit], len(found) > filters.limit
    return OpenSessionList(
        sessions=[_answer(filters.window, one) for one in page],
        next_cursor=_cursor(page[-1].place) if more else None,
        as_of=None if as_of_us is None else to_datetime(as_of_us),
    )


def _wanted(filters: Names) -> Wanted:
    least, most = filters.min_duration_sec, filters.max_duration_sec
    return Wanted(
        site_id=filters.site_id,
        user_id=filters.user_id,
        device_id=filters.device_id,
        event=filters.event,
        min_duration_us=None if least is None else least * SECOND_US,
        max_duration_us=None if most is None else (most + 1) * SECOND_US - 1,  # duration_sec is truncated
        before=None if filters.cursor is None else _place(filters.cursor),
    )


def _answer(window: str, one: OpenSession) -> OpenSessionAnswer:
    return OpenSessionAnswer(**shown_open(window, one.session, one.watermark_us))


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str) -> Place:
    try:
        place: Place = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=Place)
        return place
    except (ValueError, msgspec.MsgspecError) as error:
        told = "not one of ours; give `next_cursor` of the page before, as it is"
        raise wrong_parameter("cursor", told) from error
