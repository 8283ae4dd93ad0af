"""Keys, tried by somebody who wants to get in without one that fits."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import AccessKey, digest_of, make_key
from clickloom.access_table import read_keys, revoke_key
from clickloom.errors import InvalidSetting
from clickloom.settings import Settings, load_settings
from services.api.access import LOOK_S
from tests.conftest import Select
from tests.processes import until
from tests.services.api.conftest import SHOP, Keep, Make, serving
from tests.services.api.ingest.test_native import EVENT, batches, problem
from tests.sessions import session


@pytest.fixture
async def write_key(make: Make) -> str:
    return await make("write", "shop", origins=[SHOP])


@pytest.fixture
async def read_key(make: Make) -> str:
    return await make("read", "shop")


@pytest.fixture
async def api(locked: Settings, write_key: str, read_key: str) -> AsyncIterator[AsyncClient]:
    """An API that knows both keys."""
    async with serving(locked) as client:
        yield client


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def test_a_write_key_may_stand_in_any_of_three_places_and_names_the_site(
    api: AsyncClient, redis: Redis, locked: Settings, write_key: str
) -> None:
    for headers, query in ((bearer(write_key), ""), (basic(f"{write_key}:"), ""), ({}, f"?key={write_key}")):
        answer = await api.post(f"/v1/events{query}", json=EVENT, headers=headers)
        assert answer.status_code == 202, answer.text
    assert {site for batch in await batches(redis, locked) for site, _ in batch.sites} == {"shop"}


async def test_an_event_for_another_site_is_refused_and_kept_under_the_keys(
    api: AsyncClient, write_key: str, redis: Redis, locked: Settings
) -> None:
    answer = await api.post("/v1/events", json=[EVENT | {"site_id": "blog"}, EVENT], headers=bearer(write_key))
    [refused] = answer.json()["rejected"]
    assert refused["code"] == "wrong_site"
    assert "this key is of the site shop" in refused["message"]


ATTEMPTS = {
    "no key": {},
    "an empty key": {"authorization": "Bearer"},
    "no key at all": bearer("clw_"),
    "nonsense": bearer("' OR 1=1 --"),
    "another scheme": {"authorization": "Digest username=a"},
    "basic that is none": {"authorization": "Basic !!!"},
    "basic that is no text": {"authorization": "Basic /w=="},
    "letters beyond ASCII": {"authorization": "Bearer cl\xe4".encode("latin-1")},
}


@pytest.mark.parametrize("headers", ATTEMPTS.values(), ids=ATTEMPTS)
async def test_without_a_key_nothing_opens(api: AsyncClient, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", "/v1/events"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/53b41eea-6b8a-d662-2faf-95a40b777597"),
        ("GET", "/v1/ledger"),
        ("GET", "/v1/live/metrics"),
        ("GET", "/v1/live/sessions"),
        ("GET", "/v1/live/clicks"),
    ):
        answer = await api.request(method, path, headers=headers)
        assert "clickloom keys create" in problem(answer, 401)["detail"] or "not known" in answer.json()["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_that_is_one_letter_off_opens_nothing(api: AsyncClient, write_key: str, read_key: str) -> None:
    for text in (write_key[:-1], write_key[:-1] + "g", write_key + "0", write_key.upper(), write_key[:12]):
        problem(await api.post("/v1/events", json=EVENT, headers=bearer(text)), 401)
    for text in (read_key[:-1], read_key + "0", read_key[:12]):
        problem(await api.get("/v1/sessions", headers=bearer(text)), 401)


async def test_a_key_opens_only_what_its_kind_is_for(api: AsyncClient, write_key: str, read_key: str) -> None:
    assert (
        "read key cannot send"
        in problem(await api.post("/v1/events", json=EVENT, headers=bearer(read_key)), 403)["detail"]
    )
    assert "ask with a read key" in problem(await api.get("/v1/sessions", headers=bearer(write_key)), 403)["detail"]


async def test_a_read_key_shows_its_sites_and_no_other(api: AsyncClient, read_key: str, keep: Keep) -> None:
    ours, theirs = session(begin=0, site_id="shop"), session(begin=1, site_id="blog")
    await keep(ours, theirs)
    headers = bearer(read_key)
    listed = (await api.get("/v1/sessions", headers=headers)).json()["sessions"]
    assert [row["site_id"] for row in listed] == ["shop"]
    assert (await api.get(f"/v1/sessions/{ours.session_uid}", headers=headers)).status_code == 200
    problem(await api.get(f"/v1/sessions/{theirs.session_uid}", headers=headers), 404)
    for path in ("/v1/sessions", "/v1/ledger", "/v1/live/metrics", "/v1/live/sessions", "/v1/live/clicks"):
        problem(await api.get(path, params={"site_id": "blog"}, headers=headers), 403)


async def test_a_key_of_several_sites_must_name_one(locked: Settings, make: Make, keep: Keep) -> None:
    headers = bearer(await make("read", "shop", "blog"))
    async with serving(locked) as api:
        refused = problem(await api.get("/v1/ledger", headers=headers), 403)
        assert "name one by site_id, of shop, blog" in refused["detail"]
        assert (await api.get("/v1/ledger", params={"site_id": "blog"}, headers=headers)).status_code == 200


async def test_a_key_of_no_scope_that_fits_is_refused(locked: Settings, make: Make) -> None:
    headers = bearer(await make("read", scopes=[]))
    async with serving(locked) as api:
        assert "no scope read" in problem(await api.get("/v1/sessions", headers=headers), 403)["detail"]


async def test_a_key_is_good_soon_after_it_is_made_and_no_more_soon_after_it_is_revoked(
    api: AsyncClient, make: Make, engine: AsyncEngine
) -> None:
    text = await make("write", "shop")

    async def answers(status: int) -> bool:
        return (await api.post("/v1/events", json=EVENT, headers=bearer(text))).status_code == status

    await until(lambda: answers(202), within_s=LOOK_S + 20)
    assert await revoke_key(engine, text[:12], datetime.now(UTC))
    await until(lambda: answers(401), within_s=LOOK_S + 20)


async def test_a_live_stream_ends_soon_after_its_key_is_revoked(
    api: AsyncClient, make: Make, engine: AsyncEngine, read_key: str, write_key: str
) -> None:
    text = await make("read", "shop")

    async def known() -> bool:
        return (await api.get("/v1/sites", headers=bearer(text))).status_code == 200

    await until(known, within_s=LOOK_S + 20)
    async with (
        asyncio.timeout(LOOK_S + 20),
        api.stream("GET", "/v1/live/clicks", headers=bearer(read_key)) as other,
        api.stream("GET", "/v1/live/clicks", headers=bearer(text)) as stream,
    ):
        assert stream.status_code == 200
        assert await revoke_key(engine, text[:12], datetime.now(UTC))
        told = [line async for line in stream.aiter_lines()]
        await api.post("/v1/events", json=EVENT, headers=bearer(write_key))
        assert await anext(line async for line in other.aiter_lines() if line.startswith("event:")) == "event: clicks"
    assert "event: dropped" in told
    assert any("opens it no more" in line for line in told)
    assert (await api.get("/v1/live/clicks", headers=bearer(text))).status_code == 401


async def test_of_a_read_key_nothing_is_kept_that_opens(make: Make, engine: AsyncEngine, select: Select) -> None:
    text = await make("read")
    assert text not in repr(select("SELECT * FROM access_keys"))
    [key] = await read_keys(engine)
    assert key.opened_by(text)


async def test_only_pages_of_the_keys_origins_may_send(api: AsyncClient, write_key: str) -> None:
    asks = {"origin": SHOP, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = await api.options("/v1/events", headers=asks)
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == SHOP
    evil = {**asks, "origin": "https://evil.example"}
    assert "access-control-allow-origin" not in (await api.options("/v1/events", headers=evil)).headers
    sent: dict[str, Any] = {"json": EVENT, "params": {"key": write_key}}
    answer = await api.post("/v1/events", headers={"origin": SHOP}, **sent)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, SHOP)
    answer = await api.post("/v1/events", headers={"origin": "https://evil.example"}, **sent)
    assert "not for pages of https://evil.example" in problem(answer, 403)["detail"]
    assert "access-control-allow-origin" not in answer.headers


async def test_pages_may_not_ask_from_elsewhere(api: AsyncClient, read_key: str) -> None:
    answer = await api.get("/v1/sessions", headers=bearer(read_key) | {"origin": SHOP})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_can_read_why_it_was_refused(api: AsyncClient, write_key: str) -> None:
    answer = await api.post("/v1/events", content=b"{", params={"key": write_key}, headers={"origin": SHOP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, SHOP)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "shop.example", ""])
def test_without_keys_only_this_machine_may_be_served(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", "off")
    with pytest.raises(InvalidSetting, match="AUTH: off lets everybody in"):
        load_settings(host=host)
    for loopback in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert load_settings(host=loopback).auth == "off"


def test_keys_are_asked_for_unless_a_setting_says_otherwise() -> None:
    assert Settings(_env_file=None).auth == "on"


def test_a_key_is_told_from_another_by_all_of_it() -> None:
    text, key = make_key("read", name="", sites=[], origins=[], scopes=["read"], created_at=datetime.now(UTC))
    assert isinstance(key, AccessKey)
    assert (key.text, key.digest) == (None, digest_of(text))
    assert len(text) == 44
    assert not key.opened_by(text + " ")
