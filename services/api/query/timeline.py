"""`GET /v1/users/{user_id}/timeline`: what somebody did, clicks and sessions by time, the newest first."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import ColumnElement, RowMapping, Select, and_, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from clickloom.erasure import person_of
from clickloom.errors import InvalidInput
from clickloom.tables import clicks, sessions
from services.api.problems import documented, documented_parameter, wrong_parameter
from services.api.query.formats import json_response, plain_decimal
from services.api.query.keyset import LONGEST_CURSOR, digest_of, next_link, read_cursor, write_cursor
from services.api.query.session_answers import NAMES, SessionAnswer, columns_of, session_object
from services.api.query.session_filters import Moment, Name
from services.api.query.windows import check_window, read_as_of
from services.api.readers import UNREADABLE, Readable, one_site
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["query"])

_CLICK: dict[str, JsonValue] = {
    "event_id": "0199f0c2-7f5e-7c4e-8a51-6a1d1c0a7b11",
    "site_id": "default",
    "user_id": "64",
    "device_id": "computer",
    "device_type": "computer",
    "client_event": "beer_checkout",
    "client_timestamp": "2021-02-26T16:54:05.250000Z",
    "arrived_at": "2021-02-26T16:54:05.412000Z",
    "is_bot": False,
    "page_url": "/checkout",
    "referrer": "/cart",
    "utm_source": "newsletter",
    "utm_medium": "email",
    "utm_campaign": "spring",
    "experiments": {"button": "red"},
    "order_id": "o-1",
    "revenue": "19.99",
    "currency": "EUR",
    "properties": {"colour": "amber"},
}


class ClickAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _CLICK})

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
    revenue: str | None = Field(description="a decimal")
    currency: str | None
    properties: dict[str, JsonValue] | None


class Moments(BaseModel):
    """A click, or a session of the window at its begin."""

    at: datetime
    kind: Literal["click", "session"]
    click: ClickAnswer | None = None
    session: SessionAnswer | None = None


class Timeline(BaseModel):
    timeline: list[Moments]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")
    as_of: datetime | None = Field(description="the watermark: sessions are complete up to here")


class TimelineFilters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Name = "visits"
    site_id: Name | None = None
    from_: Annotated[Moment | None, Field(alias="from", description="inclusive")] = None
    to: Annotated[Moment | None, Field(description="exclusive")] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before", max_length=LONGEST_CURSOR)] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100


Large = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Small = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class Position(msgspec.Struct, array_like=True, frozen=True):
    """Of a click or a session in the timeline; of one time clicks come first, so a session is beneath its own."""

    at: datetime
    uid: UUID | None = None  # of a session
    entry: tuple[Large, Small, Small, Small] | None = None  # of a click, in the stream


_ENTRY = tuple(clicks.c[name] for name in ("entry_ms", "entry_seq", "partition", "entry_row"))
_LATEST_BEFORE = timedelta(days=1)  # a click may arrive before its time, if its client's clock was fast

_PROBLEMS = {
    **documented_parameter("limit", "Input should be greater than or equal to 1"),
    **UNREADABLE,
    **documented(503, "PostgreSQL does not answer; ask again"),
}


@router.get(
    "/v1/users/{user_id:path}/timeline",
    summary="What somebody did, the newest first",
    response_model=Timeline,
    response_model_exclude_unset=True,
    responses=_PROBLEMS,
)
async def get_timeline(
    request: Request, sites: Readable, user_id: str, asked: Annotated[TimelineFilters, Query()]
) -> Response:
    """Clicks and closed sessions of one user, on all devices. Clicks have no order in the tables: all of the user's
    are read, which takes some milliseconds for each million clicks of everybody since `from`."""
    resources = resources_of(request)
    asked = asked.model_copy(update={"site_id": one_site(sites, asked.site_id)})
    check_window(resources, asked.window)
    users = _forms(resources, user_id)
    question = digest_of({"user_id": user_id, **asked.model_dump(exclude={"cursor", "limit"})})
    before = read_cursor(asked.cursor, question, Position) if asked.cursor is not None else None
    async with resources.engine.connect() as connection:
        as_of = await read_as_of(connection, resources, asked.window)
        found = await _read(connection, users, asked, before)
    page, more = found[: asked.limit], len(found) > asked.limit
    cursor = write_cursor(question, page[-1][0]) if more else None
    answer = {"timeline": [shown for _, shown in page], "next_cursor": cursor, "as_of": as_of}
    return json_response(answer, next_link(request, cursor))


def _forms(resources: Resources, user_id: str) -> list[str]:
    """The id as it is given, and as ingest keeps it, if it hashes. Raises Problem."""
    try:
        return list({person_of(form, None).user_id: None for form in (user_id, resources.privacy.hashed(user_id))})
    except InvalidInput as error:
        raise wrong_parameter("user_id", str(error).partition(": ")[2]) from error


Shown = tuple[Position, dict[str, Any]]


async def _read(
    connection: AsyncConnection, users: Sequence[str], asked: TimelineFilters, before: Position | None
) -> list[Shown]:
    """A page and one more, if there are."""
    rows = (await connection.execute(_sessions(users, asked, before))).mappings()
    found = [_session(row) for row in rows]
    # The planner thinks nothing of the bloom filter by which a visitor's clicks are found
    # (docs/decisions/0008-what-a-row-in-postgres-costs.md).
    await connection.execute(text("SET LOCAL enable_seqscan = off"))
    found += [_click(row) for row in (await connection.execute(_clicks(users, asked, before))).mappings()]
    return sorted(found, key=lambda one: _place(one[0]), reverse=True)[: asked.limit + 1]


def _place(position: Position) -> tuple[Any, ...]:
    return position.at, position.uid is None, position.entry or (), position.uid or UUID(int=0)


def _sessions(users: Sequence[str], asked: TimelineFilters, before: Position | None) -> Select[Any]:
    at = sessions.c
    parts: list[ColumnElement[bool]] = [at.user_id.in_(users), at.window == asked.window]
    if before is not None:
        key = tuple_(at.begin_session, at.session_uid)
        parts.append(key < tuple_(before.at, before.uid) if before.uid else at.begin_session <= before.at)
    newest = (at.begin_session.desc(), at.session_uid.desc())
    condition = and_(*parts, *_common(at.begin_session, at.site_id, asked))
    return select(*columns_of(NAMES)).where(condition).order_by(*newest).limit(asked.limit + 1)


def _clicks(users: Sequence[str], asked: TimelineFilters, before: Position | None) -> Select[Any]:
    at = clicks.c
    parts: list[ColumnElement[bool]] = [or_(*(at.user_id == user for user in users))]
    if before is not None:
        key = tuple_(at.client_timestamp, *_ENTRY)
        parts.append(key < tuple_(before.at, *before.entry) if before.entry else at.client_timestamp < before.at)
    if asked.from_ is not None:
        parts.append(at.arrived_at >= asked.from_ - _LATEST_BEFORE)
    newest = (column.desc() for column in (at.client_timestamp, *_ENTRY))
    condition = and_(*parts, *_common(at.client_timestamp, at.site_id, asked))
    columns = (*(at[name] for name in ClickAnswer.model_fields), *_ENTRY)
    return select(*columns).where(condition).order_by(*newest).limit(asked.limit + 1)


def _common(moment: Any, site_id: Any, asked: TimelineFilters) -> list[ColumnElement[bool]]:
    found = [] if asked.site_id is None else [site_id == asked.site_id]
    found += [] if asked.from_ is None else [moment >= asked.from_]
    return found + ([] if asked.to is None else [moment < asked.to])


def _session(row: RowMapping) -> Shown:
    position = Position(row["begin_session"].astimezone(UTC), row["session_uid"])
    return position, {"at": position.at, "kind": "session", "session": session_object(row)}


def _click(row: RowMapping) -> Shown:
    shown = {name: row[name] for name in ClickAnswer.model_fields}
    for name in ("client_timestamp", "arrived_at"):
        shown[name] = shown[name].astimezone(UTC)
    if shown["revenue"] is not None:
        shown["revenue"] = plain_decimal(shown["revenue"])
    position = Position(shown["client_timestamp"], None, tuple(row[column.name] for column in _ENTRY))
    return position, {"at": position.at, "kind": "click", "click": shown}
