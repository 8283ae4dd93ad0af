"""`POST /v1/query`: numbers about sessions, by time and by what they have in common."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.problems import documented, documented_parameter, wrong_parameter
from services.api.query.answers import (
    Meta,
    Numbers,
    QueryAnswer,
    Row,
    buckets,
    comparison_of,
    label,
    metrics_of,
    nothing,
    resolved,
    warnings_of,
)
from services.api.query.date_ranges import Stretch, compared, so_far
from services.api.query.metrics import METRICS, Group
from services.api.query.numbers import ask
from services.api.query.question import MOST_ROWS, Include, QueryRequest, Question, question_of
from services.api.query.snapshot import prepare
from services.api.query.windows import check_window, read_as_of
from services.api.readers import UNREADABLE, Readable, allowed_sites
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

_REFUSED = documented_parameter("metrics[0]", f"'pageviews' is no metric; one of {', '.join(METRICS)}")
_CUT = documented(503, "PostgreSQL was stopped, for this took longer than QUERY_TIMEOUT: ask for less")


@router.post("/v1/query", summary="Numbers about sessions", responses={**_REFUSED, **UNREADABLE, **_CUT})
async def query(request: Request, sites: Readable, asked: QueryRequest) -> QueryAnswer:
    """The shape is that of Plausible's Stats API, version 2."""
    resources = resources_of(request)
    check_window(resources, asked.window)
    chosen = allowed_sites(sites, asked.site_id)
    now = datetime.now(UTC)
    question = question_of(asked, chosen, now)
    bucketed = _bucketed(asked, question)
    async with resources.engine.connect() as connection:
        await prepare(connection)
        as_of = await read_as_of(connection, resources, asked.window)
        earlier = _earlier(asked.include, question.stretch, min(now, as_of or now))
        found = await ask(connection, question)
        if bucketed is not None and len(question.dimensions) == 1 and asked.order_by is None:
            found.groups = _filled(question, found.groups, bucketed)
        results = await _compared(connection, question, found.groups, earlier)
        totals = await _totals(connection, question, earlier) if asked.include.totals else None
    meta = Meta(
        as_of=as_of,
        truncated=found.truncated,
        estimated=sorted(found.estimated),
        warnings=warnings_of(question, found.groups, found.estimated),
        time_labels=bucketed and [label(question, (moment,))[0] for moment in bucketed],
    )
    return QueryAnswer(results=results, totals=totals, meta=meta, query=resolved(asked, question, earlier))


def _earlier(include: Include, stretch: Stretch, until: datetime) -> Stretch | None:
    """What is compared with, if anything; `until` there are sessions."""
    if include.comparison is None:
        return None
    earlier = compared(stretch, include.comparison)
    return so_far(earlier, stretch, until) if include.so_far else earlier


def _bucketed(asked: QueryRequest, question: Question) -> list[datetime] | None:
    """The first moments of all buckets, if they are asked for. Raises Problem."""
    if not asked.include.time_labels:
        return None
    if not question.dimensions or not question.dimensions[0].unit:
        raise wrong_parameter("include.time_labels", "the first dimension must be a time, as time:day")
    found = list(islice(buckets(question.stretch, question.dimensions[0].unit), MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise wrong_parameter("include.time_labels", f"more than {MOST_ROWS:,} buckets: ask for longer ones")
    return found


def _filled(question: Question, groups: Sequence[Group], bucketed: Sequence[datetime]) -> list[Group]:
    """A group for each bucket."""
    there = {group.dimensions: group for group in groups}
    every = (there.get((moment,)) or nothing(question, (moment,)) for moment in bucketed)
    return list(islice(every, question.limit))


async def _compared(
    connection: AsyncConnection, question: Question, groups: Sequence[Group], earlier: Stretch | None
) -> list[Row]:
    """Each group beside the same one of the earlier time: of times, the one as far from its begin."""
    rows = [Row(metrics=metrics_of(question, one), dimensions=label(question, one.dimensions)) for one in groups]
    if earlier is None:
        return rows
    before = {group.dimensions: group for group in (await ask(connection, question.during(earlier))).groups}
    moved = _moved(question, earlier)
    for row, group in zip(rows, groups, strict=True):
        there = tuple(moved[at].get(value) if at in moved else value for at, value in enumerate(group.dimensions))
        row.comparison = comparison_of(question, group, before.get(there))
    return rows


def _moved(question: Question, earlier: Stretch) -> dict[int, dict[datetime, datetime]]:
    """Of each dimension of time, the bucket of the earlier time for each of the question's."""
    return {
        at: dict(zip(buckets(question.stretch, one.unit), buckets(earlier, one.unit), strict=False))
        for at, one in enumerate(question.dimensions)
        if one.unit
    }


async def _totals(connection: AsyncConnection, question: Question, earlier: Stretch | None) -> Numbers:
    together = question.together()
    group = (await ask(connection, together)).groups[0]
    found = Numbers(metrics=metrics_of(together, group))
    if earlier:
        before = (await ask(connection, together.during(earlier))).groups[0]
        found.comparison = comparison_of(together, group, before)
    return found
