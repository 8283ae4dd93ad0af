"""`POST /v1/event-names`: the events that occur, to choose from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Float, Integer, Select, Subquery, Text, column, func, select, true

from clickloom.tables import sessions
from services.api.analysis.examples import EVENT_NAMES, EVENT_NAMES_ANSWER
from services.api.analysis.scope import PROBLEMS, Scope, ScopeRequest, resolved, scope_of
from services.api.query.snapshot import prepare
from services.api.query.windows import read_as_of
from services.api.readers import Readable
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

LOOKED_AT = 20_000  # sessions: enough for every event that one would choose, and no more for a year than for a day


class EventNamesRequest(ScopeRequest):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EVENT_NAMES})

    limit: int = Field(100, ge=1, le=1000, description="events")


class EventNameAnswer(BaseModel):
    event: str
    sessions: int = Field(description="that hold it, of those that were looked at")
    place: float = Field(description="where in its sessions it comes for the first time, on average; 1 is the first")


class EventNamesAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": EVENT_NAMES_ANSWER})

    events: list[EventNameAnswer] = Field(description="most sessions first")
    truncated: bool = Field(description="whether there are more events than `limit`")
    sessions: int = Field(description=f"that were looked at: the newest, {LOOKED_AT:,} at the most")
    as_of: datetime | None = Field(description="the watermark: complete up to here")
    query: dict[str, JsonValue] = Field(description="the question with all that was left out")


@router.post("/v1/event-names", summary="The events that occur, to choose from", responses=PROBLEMS)
async def ask_event_names(request: Request, sites: Readable, names: EventNamesRequest) -> EventNamesAnswer:
    """Those of the newest sessions of the range, with how frequent they are and where in a session they come."""
    resources = resources_of(request)
    scope = scope_of(names, resources, sites, datetime.now(UTC))
    async with resources.engine.connect() as connection:
        await prepare(connection)
        as_of = await read_as_of(connection, resources, names.window)
        rows = (await connection.execute(names_statement(scope, names.limit + 1))).all()
    return EventNamesAnswer(
        events=_events(rows[: names.limit]),
        truncated=len(rows) > names.limit,
        sessions=rows[0].looked_at if rows else 0,
        as_of=as_of,
        query=resolved(names, scope),
    )


def names_statement(scope: Scope, limit: int) -> Select[Any]:
    """Rows of event, sessions, place, looked_at. Sessions of the same path are counted together first."""
    ways = _ways(scope)
    event = func.unnest(ways.c.path).table_valued(column("name", Text), with_ordinality="at", name="event")
    event = event.render_derived()
    name = event.c.name.collate("C")
    firsts = (
        select(name.label("event"), func.min(event.c.at).label("place"), ways.c.path, ways.c.sessions)
        .select_from(ways.join(event, true()))
        .group_by(name, ways.c.path, ways.c.sessions)
        .subquery("firsts")
    )
    its = func.sum(firsts.c.sessions)
    all_ = select(func.sum(ways.c.sessions).cast(Integer)).scalar_subquery()
    return (
        select(firsts.c.event, its.cast(Integer).label("sessions"))
        .add_columns((func.sum(firsts.c.place * firsts.c.sessions) / its).cast(Float).label("place"))
        .add_columns(all_.label("looked_at"))
        .group_by(firsts.c.event)
        .order_by(its.desc(), firsts.c.event)
        .limit(limit)
    )


def _ways(scope: Scope) -> Any:
    """The different paths of the newest sessions, and how many have each."""
    newest: Subquery = (
        select(sessions.c.path)
        .where(scope.holds())
        .order_by(sessions.c.begin_session.desc())
        .limit(LOOKED_AT)
        .subquery("newest")
    )
    return select(newest.c.path, func.count().label("sessions")).group_by(newest.c.path).cte("ways")


def _events(rows: Sequence[Any]) -> list[EventNameAnswer]:
    return [EventNameAnswer(event=row.event, sessions=row.sessions, place=round(row.place, 2)) for row in rows]
