"""`GET /v1/status`: how the system fares, what came late, and what was refused."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from clickloom.access import AccessKey
from clickloom.errors import InvalidSetting
from clickloom.status.reading import gather_status
from clickloom.status.status import Status
from services.api.problems import Problem, documented, documented_parameter
from services.api.query.session_filters import Name
from services.api.readers import UNREADABLE, Credentials, Readable, allowed_sites
from services.api.resources import Resources, resources_of
from services.api.turned_away import Late, RejectedEvents, read_late, read_rejected

router = APIRouter(tags=["operations"])

_AWAY = "Redis does not answer; ask again"
_MOMENT = "2021-02-26T16:52:00Z"
_EXAMPLE: dict[str, Any] = {
    "as_of": _MOMENT,
    "system": {
        "partitions": 1,
        "windows": [
            {
                "window": "visits",
                "definition": "session(gap=30m, max_duration=1d)",
                "watermark": "2021-02-26T16:51:49.500000Z",
                "watermark_lag_sec": 10.5,
                "lag": 0,
                "served": 1,
            }
        ],
        "memory_bytes": 215_063_142,
        "memory_limit_bytes": 268_435_456,
        "memory_level": 1.001,
        "ingest_closed": "Redis holds 205.1 MB, and takes no more above REDIS_HIGH_WATER (80% = 204.8 MB)",
        "sessionizers": ["host-a-1285-37bfb0"],
        "persister_runs": True,
        "triggers_run": True,
        "dead_webhooks": 0,
        "archive": {
            "runs": True,
            "tables": [
                {
                    "table": "clicks",
                    "place": "s3://lake/clickloom",
                    "rows_written": 120_948,
                    "last_written": _MOMENT,
                    "first_to_write": False,
                    "trouble": "the bucket lake does not answer",
                }
            ],
        },
        "readers": [
            {
                "stream": "clicks:{0}",
                "length": 39,
                "reader": "visits",
                "lag": 0,
                "owner": "host-a-1285-37bfb0",
                "watermark": "2021-02-26T16:51:49.500000Z",
                "last_commit": "2021-02-26T16:51:59.800000Z",
            }
        ],
        "troubles": [
            "the archive waits: the bucket lake does not answer; what it has not written is kept in Postgres, and"
            " written when that is mended"
        ],
    },
    "late": {
        "by_reason": [
            {"window": "visits", "reason": "its session could no longer change", "last_hour": 3, "last_day": 40}
        ],
        "latest": [
            {
                "arrived_at": _MOMENT,
                "window": "visits",
                "site_id": "default",
                "client_event": "beer_cart",
                "client_timestamp": "2021-02-26T15:40:00Z",
                "late_by_sec": 2109.5,
                "reason": "its session could no longer change: the watermark was 2109.50 s past its time",
            }
        ],
    },
    "rejected": {
        "by_reason": [{"code": "invalid_field", "last_hour": 1, "last_day": 12}],
        "latest": [
            {
                "rejected_at": _MOMENT,
                "site_id": "default",
                "source": "http",
                "code": "invalid_field",
                "message": "Object missing required field `user_id`",
            }
        ],
    },
}


class ReaderAnswer(BaseModel):
    """One reader of one stream."""

    stream: str
    length: int = Field(description="entries that the stream holds")
    reader: str = Field(description="a window, or the name of a service")
    lag: int | None = Field(description="entries that it has not committed; null: unknown")
    owner: str | None = Field(description="of a window: the sessionizer that serves it; null: nobody")
    watermark: datetime | None = Field(description="event time up to which it is complete")
    last_commit: datetime | None


class WindowAnswer(BaseModel):
    window: str
    definition: str
    watermark: datetime | None = Field(description="the least of all partitions; null before the first click")
    watermark_lag_sec: float | None = Field(description="how far that is behind `as_of`")
    lag: int | None = Field(description="entries of all partitions that are not committed; null: unknown of one")
    served: int = Field(description="partitions that have an owner")


class ArchiveTable(BaseModel):
    table: str
    place: str
    rows_written: int
    last_written: datetime
    first_to_write: bool = Field(description="whether what is from before the archive is still being written")
    trouble: str | None


class Archive(BaseModel):
    runs: bool
    tables: list[ArchiveTable]


class System(BaseModel):
    """What belongs to no site."""

    partitions: int
    windows: list[WindowAnswer]
    memory_bytes: int = Field(description="of Redis; of a cluster the sum")
    memory_limit_bytes: int | None = Field(description="null: it has none")
    memory_level: float = Field(description="memory over the mark at which ingest closes; of a cluster the fullest's")
    ingest_closed: str | None = Field(description="why, for want of memory; null: it is open")
    sessionizers: list[str]
    persister_runs: bool | None = Field(description="null: PostgreSQL does not answer")
    triggers_run: bool | None = Field(description="null: never started, or PostgreSQL does not answer")
    dead_webhooks: int
    archive: Archive | None = Field(description="null: there is none, or PostgreSQL does not answer")
    readers: list[ReaderAnswer]
    troubles: list[str] = Field(description="what is wrong, with the remedy; empty when all is well")


class StatusAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    as_of: datetime
    system: System | None = Field(description="null: the key is of some sites only, and not of the scope admin")
    late: Late | None = Field(description="null: PostgreSQL does not answer, or not soon enough")
    rejected: RejectedEvents | None = Field(description="null: PostgreSQL does not answer, or not soon enough")


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    site_id: Name | None = Field(None, description="of `late` and `rejected`, only this one's")


_PROBLEMS = {
    **UNREADABLE,
    **documented_parameter("colour", "there is none of that name; there are site_id"),
    **documented(503, _AWAY),
}


@router.get("/v1/status", summary="Readers, lags, memory; late and rejected, with the reasons", responses=_PROBLEMS)
async def get_status(
    request: Request, sites: Readable, key: Credentials, filters: Annotated[Filters, Query()]
) -> StatusAnswer:
    """`system` is for who operates it: a key of all sites, or of the scope admin."""
    resources = resources_of(request)
    now = datetime.now(UTC)
    late, rejected = await _turned_away(resources, allowed_sites(sites, filters.site_id), now)
    system = _system(await _gathered(resources), now) if _operates(key) else None
    return StatusAnswer(as_of=now, system=system, late=late, rejected=rejected)


def _operates(key: AccessKey | None) -> bool:
    """None: AUTH is off."""
    return key is None or not key.sites or "admin" in key.scopes


async def _turned_away(
    resources: Resources, sites: tuple[str, ...], now: datetime
) -> tuple[Late | None, RejectedEvents | None]:
    """The rest of the status is of most use just when Postgres does not answer."""
    try:
        async with resources.engine.connect() as connection:
            return await read_late(connection, sites, now), await read_rejected(connection, sites, now)
    except (SQLAlchemyError, OSError):
        return None, None


async def _gathered(resources: Resources) -> Status:
    try:
        return await gather_status(
            resources.redis,
            resources.engine,
            keys=resources.keys,
            high_water=resources.redis_high_water,
            configured=resources.windows,
        )
    except RedisError as error:
        raise Problem(503, _AWAY, headers={"Retry-After": "1"}) from error
    except InvalidSetting as error:
        raise Problem(503, str(error), headers={"Retry-After": "1"}) from error


def _system(status: Status, now: datetime) -> System:
    same = ("partitions", "memory_bytes", "memory_limit_bytes", "memory_level", "sessionizers", "persister_runs")
    also = ("triggers_run", "dead_webhooks", "troubles", "archive", "readers")
    return System.model_validate(
        {name: getattr(status, name) for name in (*same, *also)}
        | {"windows": [_window(status, name, now) for name in status.windows]}
        | {"ingest_closed": status.ingest_closed or None},
        from_attributes=True,
    )


def _window(status: Status, window: str, now: datetime) -> WindowAnswer:
    rows = [row for row in status.readers if row.reader == window]
    lags = [row.lag for row in rows if row.lag is not None]
    marks = [datetime.fromisoformat(row.watermark) for row in rows if row.watermark is not None]
    watermark = min(marks, default=None)
    return WindowAnswer(
        window=window,
        definition=status.windows[window],
        watermark=watermark,
        watermark_lag_sec=None if watermark is None else (now - watermark).total_seconds(),
        lag=sum(lags) if len(lags) == len(rows) else None,
        served=sum(row.owner is not None for row in rows),
    )
