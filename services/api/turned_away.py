"""Late clicks and rejected events: how many of the last hour and day, by the reason, and the latest."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clickloom.tables import late_clicks, rejected_events

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REASONS = 50
LATEST = 10


class LateReason(BaseModel):
    window: str
    reason: str = Field(description="without the numbers that a single click's has")
    last_hour: int
    last_day: int


class LateClick(BaseModel):
    arrived_at: datetime
    window: str
    site_id: str
    client_event: str
    client_timestamp: datetime
    late_by_sec: float = Field(description="behind the last moment at which it would have been taken")
    reason: str


class Late(BaseModel):
    by_reason: list[LateReason] = Field(description="the most frequent first, 50 at most")
    latest: list[LateClick] = Field(description="of the last day, 10 at most")


class RejectedReason(BaseModel):
    code: str
    last_hour: int
    last_day: int


class RejectedEvent(BaseModel):
    rejected_at: datetime
    site_id: str | None = Field(description="null: none of a site's, but of a service's own; only who sees all is told")
    source: str = Field(description="by which way it came")
    code: str
    message: str


class RejectedEvents(BaseModel):
    by_reason: list[RejectedReason] = Field(description="the most frequent first, 50 at most")
    latest: list[RejectedEvent] = Field(description="of the last day, 10 at most; `clickloom rejected` shows what came")


async def read_late(connection: AsyncConnection, sites: Sequence[str], now: datetime) -> Late:
    """Of these sites; none: all. Raises SQLAlchemyError."""
    table, at = late_clicks, late_clicks.c.arrived_at
    reason = func.split_part(table.c.reason, ":", 1).label("reason")
    reasons = await _rows(connection, _counted(table, at, [table.c.window, reason], sites, now))
    shown = ["arrived_at", "window", "site_id", "client_event", "client_timestamp", "late_by_us", "reason"]
    latest = await _rows(connection, _latest(table, at, shown, sites, now))
    return Late(
        by_reason=[LateReason(**row) for row in reasons],
        latest=[LateClick(**row, late_by_sec=row["late_by_us"] / 1e6) for row in latest],
    )


async def read_rejected(connection: AsyncConnection, sites: Sequence[str], now: datetime) -> RejectedEvents:
    """Of these sites; none: all. Raises SQLAlchemyError."""
    table, at = rejected_events, rejected_events.c.rejected_at
    reasons = await _rows(connection, _counted(table, at, [table.c.code], sites, now))
    latest = await _rows(
        connection, _latest(table, at, ["rejected_at", "site_id", "source", "code", "message"], sites, now)
    )
    return RejectedEvents(
        by_reason=[RejectedReason(**row) for row in reasons], latest=[RejectedEvent(**row) for row in latest]
    )


def _counted(table: Table, at: Any, keys: Sequence[Any], sites: Sequence[str], now: datetime) -> Select[Any]:
    lately = func.count().filter(at >= now - HOUR).label("last_hour")
    counted = select(*keys, lately, func.count().label("last_day")).group_by(*keys)
    return _of(counted, table, at, sites, now).order_by(func.count().desc(), *keys).limit(REASONS)


def _latest(table: Table, at: Any, shown: Sequence[str], sites: Sequence[str], now: datetime) -> Select[Any]:
    rows = select(*(table.c[name] for name in shown))
    return _of(rows, table, at, sites, now).order_by(at.desc()).limit(LATEST)


def _of(statement: Select[Any], table: Table, at: Any, sites: Sequence[str], now: datetime) -> Select[Any]:
    within = statement.where(at >= now - DAY)
    return within.where(table.c.site_id.in_(sites)) if sites else within


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> list[dict[str, Any]]:
    """Times in UTC, whatever the server's zone."""
    rows = (await connection.execute(statement)).mappings()
    return [{name: _utc(value) for name, value in row.items()} for row in rows]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
