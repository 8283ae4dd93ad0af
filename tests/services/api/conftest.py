"""The API inside the test, served by a real uvicorn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import pytest
import uvicorn
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from clickloom.access import Kind, make_key
from clickloom.access_table import keep_key
from clickloom.lifecycle import listen
from clickloom.session import Session
from clickloom.settings import Settings
from clickloom.wire import FIELD, encode
from services.api.__main__ import Server
from services.api.app import create_app
from services.persister.rows import Rows, add_changelog, add_entries
from services.persister.writer import write
from tests.processes import until
from tests.sessions import changelog

Keep = Callable[..., Awaitable[None]]
Make = Callable[..., Awaitable[str]]

SHOP = "https://shop.example"


@asynccontextmanager
async def serving(settings: Settings, before: Callable[[ASGIApp], ASGIApp] | None = None) -> AsyncIterator[AsyncClient]:
    """A client of an API that serves as long as the block lasts; `before` puts something before the API."""
    listener = listen("127.0.0.1", 0)
    stop = asyncio.Event()
    app: ASGIApp = create_app(settings, stop=stop)
    server = Server(uvicorn.Config(before(app) if before else app, log_level="warning"))
    task = asyncio.create_task(server.serve([listener]))

    async def started() -> bool:
        assert not task.done(), task.exception()
        return server.started

    await until(started)
    async with AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
        yield client
    stop.set()
    server.should_exit = True
    await task


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[AsyncClient]:
    async with serving(settings) as client:
        yield client


@pytest.fixture
def keep(settings: Settings) -> Keep:
    """Puts closed sessions into the table, as the persister does."""

    async def keep(*sessions: Session, window: str = "visits") -> None:
        rows = Rows("some-stream")
        add_entries(rows, [(b"1-0", {FIELD: encode(changelog(*sessions))})], partial(add_changelog, window))
        async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
            await write(connection, rows)

    return keep


@pytest.fixture
def make(engine: AsyncEngine) -> Make:
    """A key's text; it is known to an API that starts afterwards."""

    async def make(kind: Kind, *sites: str, **more: Any) -> str:
        told = {"origins": [], "scopes": ["read"] if kind == "read" else [], "created_at": datetime.now(UTC), **more}
        text, key = make_key(kind, name="a test's", sites=sites, **told)
        await keep_key(engine, key)
        return text

    return make


@pytest.fixture
def locked(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "on"})
