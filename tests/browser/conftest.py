"""A site on one origin, the API on another, and a browser that visits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from httpx import AsyncClient
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from clickloom.access import make_key
from clickloom.access_table import keep_key
from clickloom.lifecycle import listen
from clickloom.settings import Settings
from services.api.__main__ import Server
from tests.browser.chromium import chromium
from tests.browser.gate import Gate
from tests.browser.stored import stored
from tests.browser.visits import visits
from tests.processes import until
from tests.services.api.conftest import Keep, keep, serving

__all__ = ["keep"]  # a fixture of the API's own tests

Arrived = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = chromium()
    if path is None:
        pytest.skip("LEFT OUT: NO TRACKER, DASHBOARD, SHOP. No Chromium, and apt cannot install it; install `chromium`")
    return path


@pytest.fixture(scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path,
            args=["--disable-gpu", "--disable-dev-shm-usage"],
            chromium_sandbox=False,  # which root cannot have
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


@dataclass
class Site:
    """Pages of the test's own by their path."""

    address: str = ""
    snippet: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, body: str = "", *, snippet: str | None = None) -> None:
        head = self.snippet if snippet is None else snippet
        self.pages[path] = f"<!doctype html><link rel=icon href=data:,><title>{path}</title>{head}<body>{body}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in self.files:
            answer = Response(self.files[path], media_type="text/javascript")
        else:
            answer = HTMLResponse(self.pages.get(path, "nothing"), 200 if path in self.pages else 404, self.headers)
        await answer(scope, receive, send)


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    site = Site()
    listener = listen("127.0.0.1", 0)
    site.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(uvicorn.Config(site, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve([listener]))
    yield site
    server.should_exit = True
    await task


@pytest.fixture
async def bare_site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site


@pytest.fixture
async def write_key(engine: AsyncEngine, bare_site: Site) -> str:
    text, key = make_key(
        "write", name="a test's", sites=["shop"], origins=[bare_site.address], scopes=[], created_at=datetime.now(UTC)
    )
    await keep_key(engine, key)
    return text


@pytest.fixture
async def read_key(engine: AsyncEngine) -> str:
    text, key = make_key("read", name="a test's", sites=[], origins=[], scopes=["read"], created_at=datetime.now(UTC))
    await keep_key(engine, key)
    return text


@pytest.fixture
async def gate(settings: Settings, write_key: str, bare_site: Site) -> AsyncIterator[Gate]:
    """The API, with a gate before it, known to the site."""
    gate = Gate()
    async with serving(settings.model_copy(update={"auth": "on"}), gate.before) as client:
        bare_site.snippet = f'<script defer src="{client.base_url}/t.js" data-key="{write_key}"></script>'
        yield gate


@pytest.fixture
def site(bare_site: Site, gate: Gate) -> Site:
    bare_site.put("/")
    return bare_site


@dataclass
class Visit:
    """A browser of one person; what its console says must be looked at."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    async def page(self, address: str = "") -> Page:
        page = await self.context.new_page()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if address:
            await page.goto(address)
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("warning", "error"):
            self.complaints.append(text)


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Fails if the console complains of anything that the test does not take away."""
    context = await browser.new_context(viewport={"width": 800, "height": 600})
    context.set_default_timeout(30_000)
    visit = Visit(context)
    yield visit
    await context.close()
    assert visit.complaints == []


@pytest.fixture
def arrived(redis: Redis, settings: Settings) -> Arrived:
    """Waits for that many clicks in the streams; gives all of them by time, as JSON has them."""

    async def arrived(count: int, **like: Any) -> list[dict[str, Any]]:
        async def enough() -> list[dict[str, Any]] | None:
            found = await stored(redis, settings)
            chosen = [click for click in found if like.items() <= click.items()]
            return chosen if len(chosen) >= count else None

        return await until(enough, within_s=30, what=f"{count} clicks {like or ''}")

    return arrived


@pytest.fixture
async def filled(settings: Settings, keep: Keep) -> AsyncIterator[AsyncClient]:
    """An API with the visits stored."""
    await keep(*visits())
    async with serving(settings) as client:
        yield client
