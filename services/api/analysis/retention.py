"""`POST /v1/retention`: how many users come back, by the period of their first session."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.api.analysis.cohorts import Period, Returns, returns_statement
from services.api.analysis.examples import RETENTION, RETENTION_ANSWER
from services.api.analysis.scope import PROBLEMS, ScopeRequest, Text, resolved, scope_of
from services.api.query.snapshot import prepare
from services.api.query.windows import read_as_of
from services.api.readers import Readable
from services.api.resources import resources_of

router = APIRouter(tags=["query"])


class RetentionRequest(ScopeRequest):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": RETENTION})

    period: Period = "week"
    periods: int = Field(12, ge=1, le=366, description="after the first, at the most")
    returning_event: Text | None = Field(None, description="only sessions with this event count as coming back")
    first: Literal["ever", "range"] = Field(
        "ever",
        description="ever: who had a session before the range is in no cohort; range: the first of the range counts,"
        " which reads less",
    )


class CohortAnswer(BaseModel):
    cohort: date = Field(description="the period's first day, in the time zone")
    size: int = Field(description="users whose first session began in it")
    returned: list[int] = Field(
        description="of these, users with a session in the same period, in the next one, …, up to the range's end"
    )


class RetentionAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": RETENTION_ANSWER})

    cohorts: list[CohortAnswer] = Field(description="by time; periods without a first session have none")
    as_of: datetime | None = Field(description="the watermark: complete up to here")
    query: dict[str, JsonValue] = Field(description="the question with all that was left out")


@router.post("/v1/retention", summary="How many users come back", responses=PROBLEMS)
async def ask_retention(request: Request, sites: Readable, retention: RetentionRequest) -> RetentionAnswer:
    """Users by the period of their first session, and in how many later periods of the range they had another.

    The first and the last period of a range may be in it only in part: days and months are as the calendar has them.
    """
    resources = resources_of(request)
    scope = scope_of(retention, resources, sites, datetime.now(UTC))
    statement = returns_statement(
        scope, retention.period, event=retention.returning_event, looks_back=retention.first == "ever"
    )
    async with resources.engine.connect() as connection:
        await prepare(connection)
        as_of = await read_as_of(connection, resources, retention.window)
        rows = (await connection.execute(statement)).all()
    last = (scope.stretch.end - timedelta(microseconds=1)).date()
    cohorts = cohorts_of((Returns(*row) for row in rows), retention.period, last, retention.periods)
    return RetentionAnswer(cohorts=cohorts, as_of=as_of, query=resolved(retention, scope))


def cohorts_of(rows: Iterable[Returns], period: Period, last: date, periods: int) -> list[CohortAnswer]:
    """last: the range's last day; what comes after it is not told, not even as 0."""
    found: dict[date, CohortAnswer] = {}
    for row in rows:
        if row.later == 0:
            length = min(periods, _periods_between(row.cohort, last, period)) + 1
            found[row.cohort] = CohortAnswer(cohort=row.cohort, size=row.users, returned=[0] * length)
        if row.later <= periods:
            found[row.cohort].returned[row.later] = row.returned
    return list(found.values())


def _periods_between(first: date, last: date, period: Period) -> int:
    if period == "month":
        return (last.year - first.year) * 12 + last.month - first.month
    return (last - first).days // (1 if period == "day" else 7)
