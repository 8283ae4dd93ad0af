"""The dashboard's pages and files, and what browsers are told to hold to."""

import re

import pytest
from httpx import AsyncClient

from services.api.dashboard.files import app_files
from services.api.dashboard.routes import CHARTS, VIEWS
from services.api.query.fields import find_field
from services.api.query.filters import OPERATORS

COME_WITH_PAGES = re.compile(r'(?:src|href|data-charts)="(/[^"]+)"')


@pytest.mark.parametrize("path", ["/", *(f"/{view}" for view in VIEWS)])
async def test_every_view_is_the_one_page_under_a_strict_policy(api: AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


async def test_all_that_the_page_names_is_there_and_nothing_is_elsewhere(api: AsyncClient) -> None:
    page = (await api.get("/")).text
    assert "//" not in page.replace("<!--", "")
    assert "{{" not in page
    for path in COME_WITH_PAGES.findall(page):
        if path != "/docs":
            assert (await api.get(path)).status_code == 200, path


def test_every_module_that_is_imported_is_there() -> None:
    files = app_files()
    for path, file in files.items():
        folder = path.rpartition("/")[0]
        for name in re.findall(r"(?:from|import)\(? ?'(\.{1,2}/[^']+)'", file.plain.decode()):
            there = f"{folder}/{name.removeprefix('./')}" if not name.startswith("../") else name.removeprefix("../")
            assert there.removeprefix("/") in files, (path, name)


async def test_files_are_asked_for_anew_and_sent_once(api: AsyncClient) -> None:
    first = await api.get("/app/main.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    again = await api.get("/app/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_charts_come_out_of_the_wheel_packed_and_are_kept_for_ever(api: AsyncClient) -> None:
    answer = await api.get(CHARTS)
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 2_000_000 < len(answer.content)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert b"plotly.js" in answer.content[:200]


@pytest.mark.parametrize("path", ["/app/nothing.js", "/app/../routes.py", "/app/index.html", "/app/charts/plotly.js"])
async def test_nothing_else_is_served(api: AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 404


def test_filters_that_are_offered_are_those_of_the_api() -> None:
    written = app_files()["fields.js"].plain.decode()
    offered = re.findall(r"^  '?([\w:]+)'?: \{ title: '[^']+', kind: '(\w+)' \}", written, re.MULTILINE)
    assert len(offered) > 10
    for name, kind in offered:
        field = find_field(name)
        assert field is not None, name
        assert field.kind == kind, name
    for kind, operators in re.findall(r"^  (\w+): \[([^\]]+)\]", written, re.MULTILINE):
        assert tuple(re.findall(r"'(\w+)'", operators)) == OPERATORS[kind]
