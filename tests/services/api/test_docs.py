"""The API's documentation page needs no other host."""

import re
from collections.abc import AsyncIterator

import pytest
from httpx import ASGITransport, AsyncClient

from clickloom.settings import Settings
from services.api.app import create_app


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(create_app(settings))
    async with AsyncClient(transport=transport, base_url="http://clickloom") as client:
        yield client


async def test_the_page_names_no_other_host(client: AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert "SwaggerUIBundle" in page
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", page) == []


async def test_every_file_of_the_page_is_served(client: AsyncClient) -> None:
    page = (await client.get("/docs")).text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {file.rsplit(".", 1)[-1] for file in files} == {"js", "css", "png"}
    for file in files:
        answer = await client.get(file)
        assert answer.status_code == 200
        assert len(answer.content) > 1_000


async def test_the_page_loads_the_schema_that_the_app_serves(client: AsyncClient) -> None:
    [address] = re.findall(r"url: '([^']+)'", (await client.get("/docs")).text)
    schema = (await client.get(address)).json()
    assert "/v1/events" in schema["paths"]


async def test_there_is_no_other_documentation_page_that_would_need_one(client: AsyncClient) -> None:
    assert (await client.get("/redoc")).status_code == 404
