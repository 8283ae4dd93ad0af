"""A dry run: how often conditions would have held for the sessions in Postgres."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, select
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.session import Session, Touch
from clickloom.tables import sessions
from clickloom.times import from_datetime
from clickloom.triggers.conditions import Conditions

EXAMPLES = 5
_AT_ONCE = 1_000  # rows judged before others get their turn


@dataclass(slots=True)
class DryRun:
    sessions: int = 0  # looked at: what the database could not rule out
    fired: int = 0
    days: Counter[date] = field(default_factory=Counter)  # UTC, of the begin
    examples: list[UUID] = field(default_factory=list)  # the newest


async def dry_run(
    engine: AsyncEngine, window: str, sites: tuple[str, ...], conditions: Conditions, begin: datetime, end: datetime
) -> DryRun:
    """Of sessions that begin from `begin` on and before `end`."""
    found = DryRun()
    async for row in _rows(engine, [*_of(window, sites, begin, end), *_plain(conditions)]):
        found.sessions += 1
        if conditions.hold(_session(row)):
            found.fired += 1
            found.days[row["begin_session"].astimezone(UTC).date()] += 1
            if len(found.examples) < EXAMPLES:
                found.examples.append(row["session_uid"])
    return found


def _of(window: str, sites: tuple[str, ...], begin: datetime, end: datetime) -> list[ColumnElement[bool]]:
    at = sessions.c
    within = [at.window == window, at.begin_session >= begin, at.begin_session < end]
    return [*within, at.site_id.in_(sites)] if sites else within


def _plain(conditions: Conditions) -> list[ColumnElement[bool]]:
    """What the database can rule out by itself, so that not every session is fetched; what is left is judged here."""
    at, same = sessions.c, ("bounced", "converted", "device_type", "utm_source", "utm_medium", "utm_campaign")
    pairs = [(at[name], getattr(conditions, name)) for name in same]
    pairs += [(at.begin_navigation, conditions.begin_event), (at.end_navigation, conditions.end_event)]
    found = [column == value for column, value in pairs if value is not None]
    for name in ("duration_sec", "events"):
        least, most = getattr(conditions, f"min_{name}"), getattr(conditions, f"max_{name}")
        found += [] if least is None else [at[name] >= least]
        found += [] if most is None else [at[name] <= most]
    return found if conditions.event is None else [*found, at.path.contains([conditions.event])]


async def _rows(engine: AsyncEngine, where: list[ColumnElement[bool]]) -> AsyncIterator[RowMapping]:
    statement = select(sessions).where(*where).order_by(sessions.c.begin_session.desc())
    async with engine.connect() as connection:
        found = await connection.stream(statement.execution_options(yield_per=_AT_ONCE))
        async for row in found.mappings():
            yield row


def _session(row: RowMapping) -> Session:
    names = ("site_id", "user_id", "device_id", "device_type", "events", "begin_navigation", "end_navigation", "path")
    more = ("path_offsets_us", "path_truncated", "converted", "orders", "revenue", "bounced", "closed_by", "version")
    told: dict[str, Any] = {name: row[name] for name in (*names, *more)}
    told |= {f"{name}_us": from_datetime(row[column]) for name, column in _TIMES.items()}
    touch = Touch(**{name: row[name] for name in Touch.__struct_fields__})
    return Session(uid=row["session_uid"].bytes, touch=touch, **told)


_TIMES = {"timeagg": "timeagg", "begin": "begin_session", "end": "end_session"}
