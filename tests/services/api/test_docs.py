"""The API's documentation page needs no other host."""

import re

from httpx import AsyncClient


async def test_the_page_names_no_other_host(api: AsyncClient) -> None:
    page = (await api.get("/docs")).text
    assert "SwaggerUIBundle" in page
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", page) == []


async def test_every_file_of_the_page_is_served(api: AsyncClient) -> None:
    page = (await api.get("/docs")).text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {file.rsplit(".", 1)[-1] for file in files} == {"js", "css", "png"}
    for file in files:
        answer = await api.get(file)
        assert answer.status_code == 200
        assert len(answer.content) > 1_000


async def test_the_page_loads_the_schema_that_the_app_serves(api: AsyncClient) -> None:
    [address] = re.findall(r"url: '([^']+)'", (await api.get("/docs")).text)
    schema = (await api.get(address)).json()
    assert "/v1/events" in schema["paths"]


async def test_there_is_no_other_documentation_page_that_would_need_one(api: AsyncClient) -> None:
    assert (await api.get("/redoc")).status_code == 404
