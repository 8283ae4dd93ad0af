"""`GET /v1/ledger`: whether every click that came in is where it should be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from psycopg.errors import QueryCanceled
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.keys import Keys
from clickloom.streams import last_id, split_id
from services.api.balance import SumName, by_window, differences, total
from services.api.problems import Problem, documented
from services.api.query.session_filters import Name
from services.api.query.windows import check_window
from services.api.readers import UNREADABLE, Readable, one_site
from services.api.recount import LONGEST_S, Recount, Span, recount
from services.api.resources import resources_of

router = APIRouter(tags=["operations"])

SHOWN = 100  # differences in an answer
LONGEST = timedelta(days=1)
USUAL = timedelta(hours=1)

_MINUTE = "2021-02-26T16:52:00Z"
_EXAMPLE: dict[str, Any] = {
    "from": "2021-02-26T16:00:00Z",
    "to": "2021-02-26T17:00:00Z",
    "as_of": "2021-02-26T17:00:00.250000Z",
    "settled": True,
    "balanced": False,
    "received": 1200,
    "rejected": 12,
    "clicks": 1187,
    "windows": [
        {
            "window": "visits",
            "clicks": 1188,
            "in_sessions": 1160,
            "duplicates": 20,
            "late": 8,
            "bots": 0,
            "ever_in_sessions": 52300,
            "closed_events": 52100,
            "open_events": 200,
        }
    ],
    "differences": [
        {"sum": "clicks", "site_id": "default", "minute": _MINUTE, "window": None, "told": 30, "found": 29},
        {"sum": "window", "site_id": "default", "minute": _MINUTE, "window": "visits", "told": 30, "found": 29},
    ],
    "more_differences": 0,
    "minutes": [
        {
            "minute": _MINUTE,
            "site_id": "default",
            "received": 31,
            "rejected": 1,
            "clicks": 29,
            "windows": {"visits": {"clicks": 30, "in_sessions": 29, "duplicates": 1, "late": 0, "bots": 0}},
        }
    ],
}


class Parts(BaseModel):
    """What became of clicks under one window."""

    clicks: int = Field(description="read by the window: the sum of the others")
    in_sessions: int
    duplicates: int
    late: int
    bots: int


class WindowSums(Parts):
    """Of one window; the last three are from the beginning, not of the minutes asked for."""

    window: str
    ever_in_sessions: int = Field(description="closed_events + open_events, if it balances")
    closed_events: int = Field(description="in `sessions`")
    open_events: int = Field(description="in sessions that are not closed yet")


class DifferenceAnswer(BaseModel):
    """Two numbers that should be one."""

    sum: SumName
    site_id: str
    minute: datetime | None = Field(None, description="null: of all time")
    window: str | None = None
    told: int = Field(description="by the ledger")
    found: int = Field(description="in the tables")


class MinuteAnswer(BaseModel):
    minute: datetime
    site_id: str
    received: int
    rejected: int
    clicks: int = Field(description="rows in `clicks`")
    windows: dict[str, Parts]


class LedgerAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE}, populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    as_of: datetime
    settled: bool = Field(description="every click in the streams is read by all, and what became of it is in Postgres")
    balanced: bool = Field(description="no differences; what is still on its way is none")
    received: int = Field(description="clicks and rejected events that came in")
    rejected: int
    clicks: int = Field(description="rows in `clicks`, and those that were erased")
    windows: list[WindowSums]
    differences: list[DifferenceAnswer] = Field(description=f"the first {SHOWN}")
    more_differences: int = Field(description="than are listed")
    minutes: list[MinuteAnswer] = Field(description="newest first")


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    from_: Annotated[datetime | None, Field(alias="from", description="an hour before `to` if not given")] = None
    to: Annotated[datetime | None, Field(description="exclusive; now if not given; at most a day after `from`")] = None
    site_id: Name | None = None
    window: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1_500, description="of `minutes`; the sums are of all")] = 60


_TOO_LONG = "must be at most a day before `to`; ask for one day after the other"
_TOO_SLOW = f"counting took longer than {LONGEST_S} s: ask for a shorter time"
_PROBLEMS = {
    **UNREADABLE,
    **documented(422, f"from: {_TOO_LONG}", errors=[{"field": "from", "message": _TOO_LONG}]),
    **documented(503, _TOO_SLOW),
}


@router.get("/v1/ledger", summary="Whether every click that came in is where it should be", responses=_PROBLEMS)
async def get_ledger(request: Request, sites: Readable, filters: Annotated[Filters, Query()]) -> LedgerAnswer:
    """Times are those at which clicks entered the streams, in whole minutes.

    A system in motion is not unbalanced: what some reader has yet to read is left out of both sides.
    """
    resources = resources_of(request)
    if filters.window is not None:
        check_window(resources, filters.window)
    windows = resources.windows if filters.window is None else [filters.window]
    span = span_of(filters.from_, filters.to, windows, one_site(sites, filters.site_id), now=datetime.now(UTC))
    return await read_ledger(resources.engine, resources.redis, resources.keys, span, limit=filters.limit)


def span_of(
    begin: datetime | None, end: datetime | None, windows: Sequence[str], site_id: str | None, *, now: datetime
) -> Span:
    """Whole minutes. Raises Problem if the span is empty or too long."""
    end = _minute(end or now + timedelta(minutes=2))
    begin = _minute(begin or end - USUAL)
    if not begin < end:
        raise Problem(422, "from: must be before `to`", errors=[{"field": "from", "message": "must be before `to`"}])
    if end - begin > LONGEST:
        raise Problem(422, f"from: {_TOO_LONG}", errors=[{"field": "from", "message": _TOO_LONG}])
    return Span(begin, end, windows, site_id)


def _minute(moment: datetime) -> datetime:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


async def read_ledger(engine: AsyncEngine, redis: Redis, keys: Keys, span: Span, *, limit: int) -> LedgerAnswer:
    """Raises Problem if counting takes too long."""
    try:
        found = await recount(engine, span)
    except DBAPIError as error:
        if isinstance(error.orig, QueryCanceled):
            raise Problem(503, _TOO_SLOW) from error
        raise
    return _answer(span, found, limit, settled=await _is_settled(redis, keys, found, span.windows))


async def _is_settled(redis: Redis, keys: Keys, found: Recount, windows: Sequence[str]) -> bool:
    """Whether the streams, asked after the snapshot was taken, held nothing that it does not know."""
    try:
        streams = [keys.rejected(), *await _clicks_streams(redis, keys)]
        last = {stream: split_id(await last_id(redis, stream)) for stream in streams}
    except RedisError:
        return False
    readers = {stream: [stream] for stream in streams}
    for number, stream in enumerate(streams[1:]):
        readers[stream] += [keys.sessions(window, number) for window in windows]
    read = all(found.counted.get(reader, (0, 0)) >= last[stream] for stream in streams for reader in readers[stream])
    return read and all(found.in_step.values())


async def _clicks_streams(redis: Redis, keys: Keys) -> list[str]:
    partitions = int(await redis.hget(keys.layout(), "partitions") or 0)
    return [keys.clicks(number) for number in range(partitions)]


def _answer(span: Span, found: Recount, limit: int, *, settled: bool) -> LedgerAnswer:
    unequal = differences(found)
    listed = [DifferenceAnswer.model_validate(one, from_attributes=True) for one in islice(unequal, SHOWN)]
    sums = total(found.minutes, "received", "rejected", "click_rows")
    return LedgerAnswer(
        from_=span.begin,
        to=span.end,
        as_of=found.as_of,
        settled=settled,
        balanced=not listed,
        received=sums["received"],
        rejected=sums["rejected"],
        clicks=sums["click_rows"],
        windows=_windows(span, found),
        differences=listed,
        more_differences=sum(1 for _ in unequal),
        minutes=_minutes(found, limit),
    )


def _windows(span: Span, found: Recount) -> list[WindowSums]:
    rows, standing = by_window(found.windows), by_window(found.standing)
    answers = []
    for window in span.windows:
        ever = total(standing.get(window, []), "in_sessions", "closed_events", "open_events")
        parts = _parts(total(rows.get(window, []), "clicks", "duplicates", "late", "bots"))
        more = {"ever_in_sessions": ever.pop("in_sessions"), **ever}
        answers.append(WindowSums(window=window, **parts, **more))
    return answers


def _minutes(found: Recount, limit: int) -> list[MinuteAnswer]:
    shown = {(row["minute"], row["site_id"]): _minute_answer(row) for row in found.minutes[:limit]}
    for row in found.windows:
        if answer := shown.get((row["minute"], row["site_id"])):
            answer.windows[row["window"]] = Parts(**_parts(row))
    return list(shown.values())


def _minute_answer(row: Any) -> MinuteAnswer:
    return MinuteAnswer(
        minute=row["minute"],
        site_id=row["site_id"],
        received=row["received"],
        rejected=row["rejected"],
        clicks=row["click_rows"],
        windows={},
    )


def _parts(row: Any) -> dict[str, int]:
    counts = {name: row[name] for name in ("clicks", "duplicates", "late", "bots")}
    return {**counts, "in_sessions": 2 * counts["clicks"] - sum(counts.values())}
