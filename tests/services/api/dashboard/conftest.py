"""Signing in as a browser does, without one."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from httpx import AsyncClient, Response

from clickloom.settings import Settings
from tests.services.api.conftest import Make, serving

SignIn = Callable[..., Awaitable[Response]]
SAME = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def read_key(make: Make) -> str:
    return await make("read")


@pytest.fixture
async def browser_api(locked: Settings, read_key: str) -> AsyncIterator[AsyncClient]:
    """The API with keys, and a client that keeps cookies; the read key is known to it."""
    async with serving(locked) as client:
        yield client


@pytest.fixture
def sign_in(browser_api: AsyncClient) -> SignIn:
    async def sign_in(key: str, *, next: str = "/", **headers: str) -> Response:
        return await browser_api.post("/signin", data={"key": key, "next": next}, headers={**SAME, **headers})

    return sign_in
