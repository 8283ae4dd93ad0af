"""The dashboard in Chromium: how soon a view is there, and what Live takes at ten thousand clicks a second."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from statistics import quantiles

from playwright.async_api import Browser, CDPSession, Page, ViewportSize, async_playwright

from bench.live import Seen, live_services, publish_clicks
from bench.measure import Figure
from bench.queries import api_on
from bench.stored import SITE, WEEKS, end_of
from bench.workload import Workload

PAGE: ViewportSize = {"width": 1280, "height": 900}
FRAMES_S = 20
MINUTES, HOUR = 5, 60
WARM_S = 10.0
POLL_S = 0.01
GIVE_UP_S = 60.0
BUSY = "main[aria-busy], main [aria-busy], .plot:not(.drawn)"
FRAMES = """seconds => new Promise(resolve => {
    const times = []
    const note = now => {
        times.push(now)
        if (now - times[0] < seconds * 1000) requestAnimationFrame(note)
        else resolve(times)
    }
    requestAnimationFrame(note)
})"""


def measure(_: Workload, *, runs: int, minutes: int = MINUTES) -> list[Figure]:
    """Views over a million sessions, each in a browser that has nothing of it; then Live, and its memory over time."""
    with api_on(WEEKS) as port:
        figures = asyncio.run(_views(port, runs))
    with live_services() as (redis_url, port, _services):
        return [*figures, *asyncio.run(_live(redis_url, port, runs, minutes))]


async def _views(port: int, runs: int) -> list[Figure]:
    days = ",".join((end_of(WEEKS) - timedelta(days=back)).date().isoformat() for back in (30, 1))
    views = {"first view": "/", "Overview of 30 days": f"/overview?site={SITE}&range={days}&zone=UTC"}
    unit = f"ms until all is drawn, of {WEEKS * 189_000:,} sessions"
    async with _chromium() as browser:
        await _opened(browser, port, "/")  # what a server does once
        return [
            Figure(name, unit, [await _opened(browser, port, path) for _ in range(runs)])
            for name, path in views.items()
        ]


async def _opened(browser: Browser, port: int, path: str) -> float:
    """How long it took, ms."""
    context = await browser.new_context(viewport=PAGE)
    page = await context.new_page()
    began = time.monotonic()
    await page.goto(f"http://127.0.0.1:{port}{path}")
    await _drawn(page)
    took_ms = (time.monotonic() - began) * 1e3
    await context.close()
    return took_ms


async def _drawn(page: Page) -> None:
    await page.wait_for_selector("main:not([aria-busy]) h1")
    async with asyncio.timeout(GIVE_UP_S):
        while await page.locator(BUSY).count():  # noqa: ASYNC110  # a browser is what draws
            await asyncio.sleep(POLL_S)


async def _live(redis_url: str, port: int, runs: int, minutes: int) -> list[Figure]:
    publishing = asyncio.create_task(publish_clicks(redis_url, Seen()))
    async with _chromium() as browser:
        page = await browser.new_page(viewport=PAGE)
        await page.goto(f"http://127.0.0.1:{port}/live")
        await _drawn(page)
        await asyncio.sleep(WARM_S)
        frames: list[list[float]] = [await page.evaluate(FRAMES, FRAMES_S) for _ in range(runs)]
        session = await page.context.new_cdp_session(page)
        before = await _memory(session)
        await asyncio.sleep(60 * minutes)
        after = await _memory(session)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    apart = [[later - at for at, later in pairwise(run)] for run in frames]
    return [
        Figure("Live: frames", "a second", [1e3 * (len(run) - 1) / (run[-1] - run[0]) for run in frames]),
        Figure("… 99 % of frames within", "ms", [quantiles(run, n=100)[-1] for run in apart]),
        Figure("… memory of scripts at first", "MB", [before["JSHeapUsedSize"] / 1e6]),
        Figure(f"… after {minutes} minutes", "MB", [after["JSHeapUsedSize"] / 1e6]),
        Figure("… nodes of the document at first", "", [before["Nodes"]]),
        Figure(f"… nodes after {minutes} minutes", "", [after["Nodes"]]),
    ]


async def _memory(session: CDPSession) -> Mapping[str, float]:
    """Of what is still used."""
    await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    found = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in found["metrics"]}


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        sys.exit("chromium is not there: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            args=["--disable-gpu", "--disable-dev-shm-usage"],
            chromium_sandbox=False,  # which root cannot have
        )
        yield browser
        await browser.close()
