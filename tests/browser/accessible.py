"""What axe-core finds on a page that a person who cannot see or point could not use."""

from importlib.resources import files
from typing import Any

from playwright.async_api import Page

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .map(found => [found.impact, found.id, found.nodes.map(node => node.target.join(' '))])"""


async def faults(page: Page) -> list[Any]:
    """The serious ones. The page's policy lets no script in, and this is none of its own."""
    await page.evaluate(_AXE)
    found: list[Any] = await page.evaluate(_RUN)
    return [fault for fault in found if fault[0] in ("serious", "critical")]
