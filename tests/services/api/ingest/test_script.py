"""`GET /t.js`: small, cached, and readable where it is made."""

import gzip
from email.utils import formatdate

import pytest
from httpx import AsyncClient

from services.api.ingest.script import SCRIPT

MOST_BYTES = 3_072


def test_it_is_small() -> None:
    assert len(gzip.compress(SCRIPT.plain, 9)) <= MOST_BYTES


def test_no_comment_is_left_and_nothing_else_is_gone() -> None:
    assert b"// " not in SCRIPT.plain
    assert b"'v1/page-events'" in SCRIPT.plain
    assert SCRIPT.plain.startswith(b"(() => {\n")
    assert SCRIPT.plain.endswith(b"})();\n")


async def test_it_comes_packed_with_what_caches_and_browsers_need_and_without_a_key(api: AsyncClient) -> None:
    answer = await api.get("/t.js", headers={"accept-encoding": "br;q=1.0, gzip;q=0.8"})
    assert (answer.status_code, answer.content) == (200, SCRIPT.plain)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) <= MOST_BYTES
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("public, max-age=")


@pytest.mark.parametrize("encoding", ["identity", "", "br", "gzip;q=0", "gzip; q=0.000"])
async def test_who_does_not_take_gzip_gets_it_plain(api: AsyncClient, encoding: str) -> None:
    answer = await api.get("/t.js", headers={"accept-encoding": encoding})
    assert "content-encoding" not in answer.headers
    assert answer.content == SCRIPT.plain


async def test_who_has_it_is_not_sent_it_again(api: AsyncClient) -> None:
    etag = (await api.get("/t.js")).headers["etag"]
    for tags in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        answer = await api.get("/t.js", headers={"if-none-match": tags})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await api.get("/t.js", headers={"if-none-match": '"other"'})).status_code == 200
    assert (await api.get("/t.js", headers={"if-modified-since": formatdate(usegmt=True)})).status_code == 200


async def test_a_cache_may_ask_for_its_head(api: AsyncClient) -> None:
    answer = await api.head("/t.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == SCRIPT.etag
