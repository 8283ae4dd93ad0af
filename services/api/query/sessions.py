"""`GET /v1/sessions` and one session."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping, Select, select, tuple_

from clickloom.tables import sessions
from services.api.problems import Problem, documented, documented_parameter, wrong_parameter
from services.api.query.formats import OTHER_FORMATS, Asked, Format, json_response, table_response
from services.api.query.keyset import digest_of, next_link, read_cursor, write_cursor
from services.api.query.session_answers import (
    NAMES,
    SessionAnswer,
    SessionList,
    columns_of,
    session_object,
    session_table,
)
from services.api.query.session_filters import SessionFilters, condition_of, in_utc
from services.api.query.windows import check_window, read_as_of
from services.api.readers import UNREADABLE, Readable, one_site
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

MOST_AS_JSON = 1_000
AS_OF = "Clickloom-As-Of"  # the watermark, where an answer has no place for it

_AWAY = documented(503, "PostgreSQL does not answer; ask again")
_REFUSED = documented_parameter("limit", "Input should be greater than or equal to 1")
_LIST_ANSWERS = {**OTHER_FORMATS, **_REFUSED, **UNREADABLE, **_AWAY}


@router.get("/v1/sessions", summary="Closed sessions", response_model=SessionList, responses=_LIST_ANSWERS)
async def list_sessions(
    request: Request, sites: Readable, asked: Annotated[SessionFilters, Query()], form: Asked
) -> Response:
    """The newest first, page by page. Other orders read all sessions that the filters let through: name a stretch of
    time by `from` and `to`. As CSV, JSON lines, Parquet or Arrow if Accept says so."""
    resources = resources_of(request)
    asked = asked.on_site(one_site(sites, asked.site_id))
    check_window(resources, asked.window)
    if form is Format.json and asked.limit > MOST_AS_JSON:
        raise wrong_parameter("limit", f"at most {MOST_AS_JSON:,} as JSON, 10,000 in the other formats")
    fields, question = _fields(asked.fields), digest_of(asked.question())
    statement = _page(asked, fields, question)
    async with resources.engine.connect() as connection:
        as_of = await read_as_of(connection, resources, asked.window)
        found = (await connection.execute(statement)).mappings().all()
    page, more = found[: asked.limit], len(found) > asked.limit
    cursor = write_cursor(question, _position(page[-1], asked.order)) if more else None
    return await _answer(page, fields, form, cursor, as_of, next_link(request, cursor))


async def _answer(
    page: Sequence[RowMapping],
    fields: Sequence[str],
    form: Format,
    cursor: str | None,
    as_of: datetime | None,
    headers: dict[str, str],
) -> Response:
    if form is Format.json:
        shown = [session_object(row, fields) for row in page]
        return json_response({"sessions": shown, "next_cursor": cursor, "as_of": as_of}, headers)
    if as_of is not None:
        headers[AS_OF] = as_of.isoformat()
    return await table_response(await asyncio.to_thread(session_table, page, fields), form, headers)


_UNKNOWN = documented(404, "no session 53b41eea-6b8a-d662-2faf-95a40b777597: it never was, or a revision took it back")
_NO_UUID = documented_parameter("session_uid", "Input should be a valid UUID")
_PROBLEMS = {**_UNKNOWN, **_NO_UUID, **UNREADABLE, **_AWAY}


@router.get("/v1/sessions/{session_uid}", summary="One session", response_model=SessionAnswer, responses=_PROBLEMS)
async def get_session(request: Request, sites: Readable, session_uid: UUID) -> Response:
    statement = select(*columns_of(NAMES)).where(sessions.c.session_uid == session_uid)
    async with resources_of(request).engine.connect() as connection:
        row = (await connection.execute(statement)).mappings().first()
    if row is None or (sites and row["site_id"] not in sites):
        raise Problem(404, f"no session {session_uid}: it never was, or a revision took it back")
    return json_response(session_object(row))


def _fields(written: str | None) -> tuple[str, ...]:
    """In the order asked for, each once. Raises Problem."""
    if written is None:
        return NAMES
    names = tuple(dict.fromkeys(name.strip() for name in written.split(",")))
    for name in names:
        if name not in NAMES:
            raise wrong_parameter("fields", f"{name!r} is no field; any of {', '.join(NAMES)}")
    return names


def _page(asked: SessionFilters, fields: Sequence[str], question: str) -> Select[Any]:
    """One row more than the limit tells whether there is a next page."""
    ordered = _ordered(asked.order)
    down = asked.order.startswith("-")
    columns = dict.fromkeys((*columns_of(fields), *ordered))
    statement = select(*columns).where(condition_of(asked))
    if asked.cursor is not None:
        position = tuple_(*_read_position(asked.cursor, question, asked.order))
        statement = statement.where(tuple_(*ordered) < position if down else tuple_(*ordered) > position)
    return statement.order_by(*(column.desc() if down else column for column in ordered)).limit(asked.limit + 1)


def _ordered(order: str) -> list[Any]:
    """The columns that put sessions in order, no two of them at one place."""
    names = dict.fromkeys([order.removeprefix("-"), "begin_session", "session_uid"])
    return [sessions.c[name] for name in names]


def _position(row: RowMapping, order: str) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in _ordered(order))


def _read_position(cursor: str, question: str, order: str) -> tuple[Any, ...]:
    """Raises Problem."""
    if order.endswith("begin_session"):
        begin, uid = read_cursor(cursor, question, tuple[datetime, UUID])
        return in_utc(begin), uid
    value, begin, uid = read_cursor(cursor, question, tuple[Decimal, datetime, UUID])
    return value, in_utc(begin), uid
