"""A session as answers show it: its fields, and what of the table each is read from."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Column, RowMapping

from clickloom.lake.columns import SESSIONS
from clickloom.lake.files import arrow_type
from clickloom.tables import sessions
from services.api.query.formats import JSON_TEXT, plain_decimal

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLE: dict[str, JsonValue] = {
    "session_uid": "53b41eea-6b8a-d662-2faf-95a40b777597",
    "session_id": "64_COM1614358320",
    "window": "visits",
    "site_id": "default",
    "user_id": "64",
    "device_id": "computer",
    "device_type": "computer",
    "timeagg": "2021-02-26T16:52:00Z",
    "events": 2,
    "begin_navigation": "beer_vitrine_nav",
    "end_navigation": "beer_checkout",
    "begin_session": "2021-02-26T16:52:05.250000Z",
    "end_session": "2021-02-26T16:54:05.250000Z",
    "duration_sec": 120,
    "path": [
        {"event": "beer_vitrine_nav", "offset_ms": 0},
        {"event": "beer_checkout", "offset_ms": 120000},
    ],
    "path_truncated": False,
    "entry_url": "/vitrine",
    "referrer": "https://search.example/",
    "utm_source": "newsletter",
    "utm_medium": "email",
    "utm_campaign": "spring",
    "experiments": {"button": "red"},
    "converted": True,
    "orders": 1,
    "revenue": "19.99",
    "currency": "EUR",
    "bounced": False,
    "closed_by": "gap",
    "version": 2,
    "revised_because": "extended",
}


class PathStep(BaseModel):
    event: str
    offset_ms: int = Field(description="since the session's begin")


class SessionAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    session_uid: UUID
    session_id: str
    window: str
    site_id: str
    user_id: str
    device_id: str
    device_type: str
    timeagg: datetime = Field(description="begin, floored to the minute")
    events: int
    begin_navigation: str
    end_navigation: str
    begin_session: datetime
    end_session: datetime
    duration_sec: int = Field(description="whole seconds, truncated")
    path: list[PathStep] = Field(description="the events in event-time order, the first 100 at most")
    path_truncated: bool = Field(description="whether there were more")
    entry_url: str | None
    referrer: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    experiments: dict[str, str] | None
    converted: bool
    orders: int
    revenue: str = Field(description="a decimal")
    currency: str | None
    bounced: bool = Field(description="short, and no conversion")
    closed_by: Literal["gap", "range", "cap"]
    version: int = Field(description="1, and one more at each revision")
    revised_because: Literal["extended", "merged", "recut", "imported"] | None = Field(
        description="of the last revision: late clicks made it longer, made one of several, or moved where the longest"
        " duration cuts it; or history was imported. null of the first version"
    )


class SessionList(BaseModel):
    sessions: list[SessionAnswer] = Field(description="with `fields`, these alone of each")
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")
    as_of: datetime | None = Field(description="the watermark: complete up to here")


NAMES = tuple(SessionAnswer.model_fields)


def columns_of(fields: Sequence[str]) -> list[Column[Any]]:
    """What of `sessions` has to be read to show these fields."""
    also = ["path_offsets_us"] if "path" in fields else []
    return [sessions.c[name] for name in (*fields, *also)]


def session_object(row: RowMapping, fields: Sequence[str] = NAMES) -> dict[str, Any]:
    """A session as JSON has it."""
    found: dict[str, Any] = {name: row[name] for name in fields}
    for name, shown in _SHOWN.items():
        if name in found:
            found[name] = shown(row)
    return found


def _moment(name: str) -> Callable[[RowMapping], datetime]:
    return lambda row: row[name].astimezone(UTC)


def _path(row: RowMapping) -> list[dict[str, Any]]:
    steps = zip(row["path"], row["path_offsets_us"], strict=True)
    return [{"event": event, "offset_ms": offset_us // 1_000} for event, offset_us in steps]


_SHOWN: dict[str, Callable[[RowMapping], Any]] = {
    **{name: _moment(name) for name in ("timeagg", "begin_session", "end_session")},
    "path": _path,
    "revenue": lambda row: plain_decimal(row["revenue"]),
}


def session_table(rows: Sequence[RowMapping], fields: Sequence[str]) -> "pa.Table":
    """Sessions as a table; types are those of the lake, but for the path, which is as in JSON."""
    import pyarrow as pa

    schema = pa.schema([_arrow_field(name) for name in fields])
    columns = [pa.array([_arrow_value(row, field.name) for row in rows], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _arrow_field(name: str) -> "pa.Field":
    import pyarrow as pa

    if name == "path":
        return pa.field(name, pa.list_(pa.struct({"event": pa.string(), "offset_ms": pa.int64()})))
    [column] = (column for column in SESSIONS.columns if column.name == name)
    return pa.field(name, arrow_type(column), metadata=JSON_TEXT if name == "experiments" else None)


def _arrow_value(row: RowMapping, name: str) -> Any:
    if name == "path":
        return _path(row)
    if name == "session_uid":
        return str(row[name])
    if name == "experiments":
        return None if row[name] is None else msgspec.json.encode(row[name]).decode()
    return row[name]
