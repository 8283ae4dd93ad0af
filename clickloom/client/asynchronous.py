"""The client for asyncio; each method is as that of clickloom/client/synchronous.py."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx
import msgspec
from httpx_sse import aconnect_sse

from clickloom.client import live
from clickloom.client.answers import (
    Accepted,
    ApiError,
    Moment,
    Refused,
    Session,
    SessionPage,
    TimelinePage,
    accepted,
    checked,
    decoded,
)
from clickloom.client.live import Hearing, LiveClicks, LiveSessions, LiveTick, Told
from clickloom.client.numbers import Funnel, Numbers, Paths, Retention
from clickloom.client.questions import (
    ARROW,
    ARROW_PAGE,
    JSON,
    JSON_PAGE,
    TRIES,
    FunnelOptions,
    LiveClickFilters,
    LiveSessionFilters,
    PathsOptions,
    QueryOptions,
    RetentionOptions,
    SessionFilters,
    authorization,
    members,
    next_cursor,
    parameters,
    portions,
    steps_of,
    timeline_path,
    wait_s,
)
from clickloom.client.tables import SqlTable, joined, table_of, to_pandas, to_polars

if TYPE_CHECKING:
    import polars
    import pyarrow as pa

T = TypeVar("T")
L = TypeVar("L", bound=Told)


class AsyncClient:
    """Asks with a read key, sends with a write key; without any, an API that asks for none.

    Everything raises ApiError if the API refuses, httpx.TransportError if it does not answer.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout_s: float = 30.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=authorization(key), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    def sessions(self, **filters: Unpack[SessionFilters]) -> "AsyncSessions":
        """Closed sessions, the newest first; asked for page by page, as they are needed."""
        return AsyncSessions(self._http, filters)

    async def session(self, session_uid: str) -> Session:
        return decoded(await self._http.get(f"/v1/sessions/{session_uid}"), Session)

    async def timeline(
        self,
        user_id: str,
        *,
        window: str | None = None,
        site_id: str | None = None,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
    ) -> AsyncIterator[Moment]:
        """A user's clicks and sessions, the newest first, page by page."""
        asked = parameters(window=window, site_id=site_id, from_=from_, to=to, limit=JSON_PAGE)
        cursor: str | None = ""
        while cursor is not None:
            answer = await self._http.get(timeline_path(user_id), params={**asked, **parameters(cursor=cursor or None)})
            page = decoded(answer, TimelinePage)
            for moment in page.timeline:
                yield moment
            cursor = page.next_cursor

    async def query(
        self, metrics: Sequence[str], *, date_range: str | Sequence[str], **options: Unpack[QueryOptions]
    ) -> Numbers:
        """Numbers about sessions, by time or by what they have in common: `POST /v1/query`."""
        return await self._counted("/v1/query", Numbers, metrics=metrics, date_range=date_range, **options)

    async def funnel(
        self, steps: Sequence[str | Sequence[str] | Mapping[str, Any]], **options: Unpack[FunnelOptions]
    ) -> Funnel:
        """How many go through the steps, each an event, several of which any is meant, or the API's object."""
        return await self._counted("/v1/funnels", Funnel, steps=steps_of(steps), **options)

    async def paths(self, **options: Unpack[PathsOptions]) -> Paths:
        """What comes after an event, or before it."""
        return await self._counted("/v1/paths", Paths, **options)

    async def retention(self, **options: Unpack[RetentionOptions]) -> Retention:
        """How many users come back."""
        return await self._counted("/v1/retention", Retention, **options)

    async def _counted(self, path: str, kind: type[T], **asked: Any) -> T:
        body = msgspec.json.encode(members(asked))
        return decoded(await self._http.post(path, content=body, headers=JSON), kind)

    async def sql(self, sql: str, *, limit: int = 10_000) -> SqlTable:
        """One SELECT over the views of the key's sites; the key needs the scope `admin`."""
        return SqlTable(await self._http.post("/v1/sql", json={"sql": sql, "limit": limit}, headers=ARROW))

    async def send(self, events: Iterable[Mapping[str, Any]]) -> Accepted:
        """All events, in portions; those that are none are named by their index.

        A portion that the API has no place for now (429, 503), or whose answer is lost, is sent again for a while: it
        counts once, by the ids that events without any are given here. What is sent before an error stays sent.
        """
        count, sent, rejected = 0, 0, list[Refused]()
        for some in portions(events):
            answer = await self._sent(some)
            count += answer.accepted
            rejected += [msgspec.structs.replace(one, index=sent + one.index) for one in answer.rejected]
            sent += len(some)
        return Accepted(count, rejected)

    async def _sent(self, some: Sequence[Mapping[str, Any]]) -> Accepted:
        for tries in range(1, TRIES + 1):
            said_s = None
            try:
                return accepted(await self._http.post("/v1/events", content=msgspec.json.encode(some)))
            except ApiError as error:
                if error.status not in (429, 503) or tries == TRIES:
                    raise
                said_s = error.retry_after_s
            except httpx.TransportError:
                if tries == TRIES:
                    raise
            await asyncio.sleep(wait_s(tries, said_s))
        raise AssertionError

    def live_metrics(
        self, *, window: str | None = None, site_id: str | None = None, whole: bool | None = None
    ) -> AsyncGenerator[LiveTick, None]:
        """Ticks as they come, without an end; `whole`: only those of complete seconds.

        A connection that breaks is made again, from the last tick on.
        """
        asked = parameters(window=window, site_id=site_id, whole=whole)
        return self._events("/v1/live/metrics", asked, live.ticks)

    def live_sessions(self, **filters: Unpack[LiveSessionFilters]) -> AsyncGenerator[LiveSessions, None]:
        """Sessions as they close, in the same way."""
        return self._events("/v1/live/sessions", parameters(**filters), live.sessions)

    def live_clicks(self, **filters: Unpack[LiveClickFilters]) -> AsyncGenerator[LiveClicks, None]:
        """Events as they are accepted, in the same way."""
        return self._events("/v1/live/clicks", parameters(**filters), live.clicks)

    async def _events(
        self, path: str, asked: Mapping[str, str | list[str]], parse: Callable[[str], L]
    ) -> AsyncGenerator[L, None]:
        hearing, last_id, tries = Hearing(parse), "", 0
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                async with aconnect_sse(self._http, "GET", path, params=asked, headers=headers) as source:
                    if not source.response.is_success:
                        await source.response.aread()
                        checked(source.response)
                    async for event in source.aiter_sse():
                        last_id, tries = event.id or last_id, 0
                        if (told := hearing.heard(event)) is not None:
                            yield told
            except ApiError as error:
                if error.status != httpx.codes.SERVICE_UNAVAILABLE:
                    raise
            except httpx.TransportError:
                pass  # made again below
            tries += 1
            await asyncio.sleep(wait_s(tries))


class AsyncSessions:
    """Sessions that filters let through. Iterating asks anew, and so does each table."""

    def __init__(self, http: httpx.AsyncClient, filters: SessionFilters) -> None:
        self._http = http
        self._asked = parameters(**filters)

    async def __aiter__(self) -> AsyncIterator[Session]:
        cursor: str | None = ""
        while cursor is not None:
            params = {**self._asked, **parameters(limit=JSON_PAGE, cursor=cursor or None)}
            page = decoded(await self._http.get("/v1/sessions", params=params), SessionPage)
            for session in page.sessions:
                yield session
            cursor = page.next_cursor

    async def to_arrow(self, fields: Sequence[str] | None = None) -> "pa.Table":
        """All of them, or only these fields."""
        shown = None if fields is None else ",".join(fields)
        pages, cursor = [], ""
        while True:
            params = {**self._asked, **parameters(limit=ARROW_PAGE, fields=shown, cursor=cursor or None)}
            answer = await self._http.get("/v1/sessions", params=params, headers=ARROW)
            pages.append(table_of(answer))
            cursor = next_cursor(answer) or ""
            if not cursor:
                return joined(pages)

    async def to_polars(self, fields: Sequence[str] | None = None) -> "polars.DataFrame":
        """Raises MissingLibrary."""
        return to_polars(await self.to_arrow(fields))

    async def to_pandas(self, fields: Sequence[str] | None = None) -> Any:
        """A pandas.DataFrame. Raises MissingLibrary."""
        return to_pandas(await self.to_arrow(fields))
