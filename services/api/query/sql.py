"""`POST /v1/sql`: one SELECT over the views of the key's sites."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, NoReturn

import psycopg
from fastapi import APIRouter, Depends, Request, Response
from psycopg.errors import InsufficientResources, QueryCanceled
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from services.api.problems import TOO_SLOW, Problem, documented
from services.api.query.formats import OTHER_FORMATS, Asked, Format, json_response, table_response
from services.api.query.session_filters import without_nul
from services.api.query.sql_answers import SqlAnswer, read_answer
from services.api.query.windows import read_as_of
from services.api.readers import UNREADABLE, Credentials, sites_for
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["query"])

VIEWS = (
    *("sessions", "clicks", "late_clicks", "rejected_events", "session_rollups"),
    *("rawdata", "aggregated", "clicks_today", "clicks_month"),
)
TRUNCATED = "Clickloom-Truncated"

_QUESTION: dict[str, JsonValue] = {
    "sql": "SELECT duration_sec, count(*) AS sessions FROM clicks_today GROUP BY 1 ORDER BY 2 DESC",
    "limit": 100,
}
_ANSWER: dict[str, JsonValue] = {
    "columns": [{"name": "duration_sec", "type": "int4"}, {"name": "sessions", "type": "int8"}],
    "rows": [[2, 31], [0, 12]],
    "truncated": False,
    "as_of": "2021-02-26T17:00:00.250000Z",
}
_WRONG = 'relation "colours" does not exist'
_PROBLEMS = {
    **OTHER_FORMATS,
    **UNREADABLE,
    **documented(422, f"sql: {_WRONG}", errors=[{"field": "sql", "message": _WRONG}], position=15),
    **documented(501, "SQL is asked as a role of its own, which the role of DATABASE_URL may not make"),
    **documented(503, TOO_SLOW),
}


class SqlQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _QUESTION})

    sql: Annotated[str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(without_nul)] = Field(
        description=f"one SELECT; there are the views {', '.join(VIEWS)}"
    )
    limit: Annotated[int, Field(ge=1, le=100_000, description="rows")] = 10_000


class SqlColumn(BaseModel):
    name: str
    type: str = Field(description="as PostgreSQL names it")


class SqlTable(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _ANSWER})

    columns: list[SqlColumn]
    rows: list[list[JsonValue]] = Field(description="numerics as text, and whatever JSON has no type for")
    truncated: bool = Field(description="whether there were more rows than `limit`, or than 32 MiB hold")
    as_of: datetime | None = Field(description="the watermark: sessions of all windows are complete up to here")


def asked_sites(request: Request, credentials: Credentials) -> tuple[str, ...]:
    """The sites that the request's key may ask about in SQL; none means all. Raises Problem."""
    return sites_for(request, credentials, "admin")


@router.post("/v1/sql", summary="Ask in SQL", response_model=SqlTable, responses=_PROBLEMS)
async def ask_sql(
    request: Request, sites: Annotated[tuple[str, ...], Depends(asked_sites)], asked: SqlQuestion, form: Asked
) -> Response:
    """One SELECT of PostgreSQL, over views that show the rows of the key's sites. It needs a read key with the scope
    `admin`. As CSV, JSON lines, Parquet or Arrow if Accept says so."""
    resources = resources_of(request)
    as_of = await _as_of(resources)
    answer = await _answer(resources, sites, asked)
    if form is Format.json:
        columns = [{"name": column.name, "type": column.type} for column in answer.columns]
        shown = {"columns": columns, "rows": answer.rows_as_json(), "truncated": answer.truncated, "as_of": as_of}
        return json_response(shown)
    _refuse_twins(answer)
    return await table_response(await asyncio.to_thread(answer.table), form, {TRUNCATED: str(answer.truncated).lower()})


async def _as_of(resources: Resources) -> datetime | None:
    async with resources.engine.connect() as connection:
        found = [await read_as_of(connection, resources, window) for window in resources.windows]
    return None if None in found else min(moment for moment in found if moment)


async def _answer(resources: Resources, sites: tuple[str, ...], asked: SqlQuestion) -> SqlAnswer:
    """Raises Problem.

    The time is watched here too: the question could take the server's limit off for the portions that follow.
    """
    reader = resources.sql
    try:
        async with asyncio.timeout(reader.timeout_s), reader.opened(resources.engine, sites) as connection:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute("SELECT ask.open(%s)", [asked.sql.strip().removesuffix(";")])
            return await read_answer(connection, asked.limit)
    except (TimeoutError, QueryCanceled) as error:
        raise Problem(503, TOO_SLOW) from error
    except psycopg.Error as error:
        _tell(error)


def _tell(error: psycopg.Error) -> NoReturn:
    """What Postgres says of the question. Raises Problem."""
    told = error.diag.message_primary
    if isinstance(error, InsufficientResources):
        raise Problem(503, f"PostgreSQL has not enough left for this: {told}", headers={"Retry-After": "1"}) from error
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        raise Problem(503, "PostgreSQL does not answer; ask again", headers={"Retry-After": "1"}) from error
    message = told or f"a value that has no place in the answer; cast it to text: {error}"
    more: dict[str, Any] = {"position": int(error.diag.internal_position)} if error.diag.internal_position else {}
    if error.diag.message_hint:
        more["hint"] = error.diag.message_hint
    errors = [{"field": "sql", "message": message}]
    raise Problem(422, f"sql: {message}", errors=errors, **more) from error


def _refuse_twins(answer: SqlAnswer) -> None:
    names = [column.name for column in answer.columns]
    twins = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twins:
        message = f"two columns are named {twins[0]}; tell them apart with AS"
        raise Problem(422, f"sql: {message}", errors=[{"field": "sql", "message": message}])
