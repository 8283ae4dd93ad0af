"""`POST /v1/funnels`: how many go through steps one after the other, and where they stop."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import RowMapping, Select, func, select

from clickloom.breakdowns import EXPERIMENT
from clickloom.tables import sessions
from clickloom.times import DAY_US, parse_duration
from services.api.analysis.chains import reached, summed
from services.api.analysis.events import Clicks
from services.api.analysis.examples import FUNNEL, FUNNEL_ANSWER
from services.api.analysis.scope import PROBLEMS, Scope, ScopeRequest, Text, resolved, scope_of
from services.api.analysis.sequences import Sequences, of_clicks, of_paths, of_users
from services.api.analysis.steps import MOST_STEPS, Step, StepRequest, steps_of
from services.api.problems import wrong_parameter
from services.api.query import fields
from services.api.query.snapshot import prepare
from services.api.query.windows import read_as_of
from services.api.readers import Readable
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

LONGEST_US = 366 * DAY_US


class FunnelRequest(ScopeRequest):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": FUNNEL})

    steps: list[StepRequest] = Field(min_length=2, max_length=MOST_STEPS)
    order: Literal["loose", "strict"] = Field("loose", description="loose: anything may lie between; strict: nothing")
    within: Text | None = Field(
        None,
        description="as 30m, 24h, 7d: counts users who come from the first step to the others within that time, in"
        " whichever sessions; if none: counts sessions that hold all steps",
    )
    breakdown: Text | None = Field(None, description="a field of sessions: the same for its most frequent values")
    limit: int = Field(10, ge=1, le=100, description="values of the breakdown; all others are one more")


class StepAnswer(BaseModel):
    event: list[str]
    count: int = Field(description="sessions, or users, that came to this step")
    dropped: int = Field(description="of those at the step before, how many did not")
    of_first: float | None = Field(None, description="share of the first step's, from 0 to 1; null of none")
    of_previous: float | None = None
    median_s: float | None = Field(None, description="median of the seconds since the step before; null of the first")


class Funnel(BaseModel):
    steps: list[StepAnswer]
    conversion: float | None = Field(None, description="share of the first step's that came to the last")


class Group(Funnel):
    value: str | None = Field(None, description="of the breakdown; null: those without one")
    other: bool = Field(description="all values that have no row of their own")


class FunnelAnswer(Funnel):
    model_config = ConfigDict(json_schema_extra={"example": FUNNEL_ANSWER})

    counted: Literal["sessions", "users"]
    breakdown: list[Group] | None
    truncated_sessions: int = Field(
        description="sessions with more than 100 events: of these only the first 100 were looked at; 0 if clicks were"
    )
    as_of: datetime | None = Field(description="the watermark: complete up to here")
    query: dict[str, JsonValue] = Field(description="the question with all that was left out")


@router.post("/v1/funnels", summary="How many go through steps, and where they stop", responses=PROBLEMS)
async def ask_funnel(request: Request, sites: Readable, funnel: FunnelRequest) -> FunnelAnswer:
    """Steps in order, within a session or of a user within a time; counts, drop-off and median time between steps.

    A step with filters on its click is looked for in `clicks`, which takes longer than in the sessions' paths.
    """
    resources = resources_of(request)
    scope = scope_of(funnel, resources, sites, datetime.now(UTC))
    steps = steps_of(funnel.steps)
    told = Clicks(resources.future_bound_us, resources.sessions_of_bots)
    statement = funnel_statement(funnel, scope, steps, told)
    async with resources.engine.connect() as connection:
        await prepare(connection)
        as_of = await read_as_of(connection, resources, funnel.window)
        truncated = 0 if _reads_clicks(steps) else await connection.scalar(truncated_statement(scope))
        rows = (await connection.execute(statement)).mappings().all()
    return FunnelAnswer(
        **_funnel(rows[-1], steps),
        counted="users" if funnel.within else "sessions",
        breakdown=_groups(rows[:-1], steps, funnel.limit) if funnel.breakdown else None,
        truncated_sessions=truncated or 0,
        as_of=as_of,
        query=resolved(funnel, scope),
    )


def funnel_statement(funnel: FunnelRequest, scope: Scope, steps: Sequence[Step], told: Clicks) -> Select[Any]:
    """Raises Problem."""
    strict, within_us = funnel.order == "strict", _within_us(funnel.within)
    value = _breakdown(funnel.breakdown)
    sequences: Sequences
    if within_us is not None:
        sequences = of_users(scope, steps, value, told, strict=strict, within_us=within_us)
    elif _reads_clicks(steps):
        sequences = of_clicks(scope, steps, value, told, strict=strict)
    else:
        sequences = of_paths(scope, steps, value)
    found = reached(sequences, len(steps), strict=strict, within_us=within_us, value_of_event=within_us is not None)
    return summed(found, len(steps), most_values=funnel.limit if value is not None else None)


def truncated_statement(scope: Scope) -> Select[Any]:
    return select(func.count()).select_from(sessions).where(scope.holds(), sessions.c.path_truncated)


def _reads_clicks(steps: Sequence[Step]) -> bool:
    return any(step.filter is not None for step in steps)


def _within_us(within: str | None) -> int | None:
    if within is None:
        return None
    try:
        found = parse_duration(within)
    except ValueError as error:
        raise wrong_parameter("within", str(error)) from error
    if not 0 < found <= LONGEST_US:
        raise wrong_parameter("within", "must be more than 0 and at most 366d")
    return found


def _breakdown(name: str | None) -> fields.Field | None:
    found = None if name is None else fields.find_field(name)
    if name is not None and (found is None or found.kind not in ("text", "truth")):
        possible = [field.name for field in fields.FIELDS.values() if field.kind in ("text", "truth")]
        raise wrong_parameter("breakdown", f"{name!r} is none; one of {', '.join([*possible, f'{EXPERIMENT}<name>'])}")
    return found


def _groups(rows: Sequence[RowMapping], steps: Sequence[Step], limit: int) -> list[Group]:
    return [Group(**_funnel(row, steps), value=row["value"], other=row["place"] > limit) for row in rows]


def _funnel(row: RowMapping, steps: Sequence[Step]) -> dict[str, Any]:
    counts = [row[f"reached_{number}"] for number in range(1, len(steps) + 1)]
    answers = [
        StepAnswer(
            event=list(step.events),
            count=counts[at],
            dropped=counts[at - 1] - counts[at] if at else 0,
            of_first=share(counts[at], counts[0]),
            of_previous=share(counts[at], counts[max(at - 1, 0)]),
            median_s=_seconds(row[f"median_{at + 1}"]) if at else None,
        )
        for at, step in enumerate(steps)
    ]
    return {"steps": answers, "conversion": share(counts[-1], counts[0])}


def _seconds(median: float | None) -> float | None:
    return None if median is None else round(median, 6)


def share(part: int, whole: int) -> float | None:
    """From 0 to 1, to six places; None of none."""
    return round(part / whole, 6) if whole else None
