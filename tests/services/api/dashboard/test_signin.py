"""Signing in with a read key, what the cookie opens, and how that ends."""

import re
from datetime import UTC, datetime

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import id_of
from clickloom.access_table import revoke_key
from clickloom.settings import Settings
from services.api.limits import SIGN_IN_ATTEMPTS
from services.api.readers import _ENDED
from tests.processes import until
from tests.services.api.conftest import Make, serving
from tests.services.api.dashboard.conftest import SAME, SignIn
from tests.services.api.dashboard.secure import secure
from tests.services.api.ingest.test_native import problem


async def test_who_is_not_signed_in_is_sent_to_the_form_and_comes_back_to_the_view_that_was_asked_for(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str
) -> None:
    sent = await browser_api.get("/health?site=a%26b&zone=UTC")
    assert (sent.status_code, sent.headers["location"]) == (303, "/signin?next=%2Fhealth%3Fsite%3Da%2526b%26zone%3DUTC")
    form = await browser_api.get(sent.headers["location"])
    [then] = re.findall(r'name="next" value="([^"]*)"', form.text)
    back = await sign_in(read_key, next=then.replace("&amp;", "&"))
    assert (back.status_code, back.headers["location"]) == (303, "/health?site=a%26b&zone=UTC")
    assert (await browser_api.get(back.headers["location"])).status_code == 200


async def test_the_cookie_asks_questions_as_the_key_does(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str
) -> None:
    assert (await browser_api.get("/v1/sessions")).status_code == 401
    await sign_in(read_key)
    assert (await browser_api.get("/v1/sessions")).json()["sessions"] == []
    async with browser_api.stream("GET", "/v1/live/metrics") as live:
        assert live.status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_holds_nothing_of_the_key(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str, redis: Redis, settings: Settings
) -> None:
    cookie = (await sign_in(read_key)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    text = browser_api.cookies["clickloom"]
    assert read_key not in text
    [name] = [name async for name in redis.scan_iter(f"{settings.namespace}:sign-in:*")]
    assert text.encode() not in name
    assert await redis.get(name) == id_of(read_key).encode()
    assert 43_100 < await redis.ttl(name) <= 43_200


async def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(locked: Settings, read_key: str) -> None:

    async with serving(locked, secure) as api:
        answer = await api.post("/signin", data={"key": read_key}, headers=SAME)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_a_key_that_is_revoked_ends_its_sign_ins(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str, engine: AsyncEngine
) -> None:
    await sign_in(read_key)
    await revoke_key(engine, id_of(read_key), datetime.now(UTC))

    async def ended() -> bool:
        return (await browser_api.get("/v1/sessions")).status_code == 401

    await until(ended)
    assert problem(await browser_api.get("/v1/sessions"), 401)["detail"] == _ENDED
    assert (await browser_api.get("/")).headers["location"].startswith("/signin")


async def test_signing_out_ends_it_also_for_who_has_kept_the_cookie(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str
) -> None:
    await sign_in(read_key)
    text = browser_api.cookies["clickloom"]
    out = await browser_api.post("/signout", headers=SAME)
    assert (out.status_code, out.headers["location"]) == (303, "/signin")
    assert "clickloom" not in browser_api.cookies
    answer = await browser_api.get("/v1/sessions", headers={"cookie": f"clickloom={text}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("key", ["", "clr_0000000000000000", "nonsense", "clr_\x00ü"])
async def test_a_key_that_is_none_is_told_so_on_the_form_and_nothing_of_it_is_shown(
    browser_api: AsyncClient, sign_in: SignIn, key: str
) -> None:
    answer = await sign_in(key, next="/health")
    assert answer.status_code == 401
    assert "This key is not known, or was revoked." in answer.text
    assert 'name="next" value="/health"' in answer.text
    assert not key or key not in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_write_key_does_not_sign_in(make: Make, locked: Settings) -> None:
    key = await make("write", "shop")
    async with serving(locked) as api:
        answer = await api.post("/signin", data={"key": key}, headers=SAME)
    assert answer.status_code == 401
    assert "This is a write key" in answer.text


async def test_a_cookie_opens_the_sites_of_its_key_alone(make: Make, locked: Settings) -> None:
    key = await make("read", "shop")
    async with serving(locked) as api:
        await api.post("/signin", data={"key": key}, headers=SAME)
        assert (await api.get("/v1/sessions?site_id=shop")).status_code == 200
        assert (await api.get("/v1/sessions?site_id=blog")).status_code == 403
        assert (await api.delete("/v1/users/x", headers=SAME)).status_code == 403


async def test_who_tries_too_many_keys_waits(sign_in: SignIn) -> None:
    tries = 1
    while (answer := await sign_in("clr_wrong")).status_code == 401:  # on a slow machine some come back meanwhile
        tries += 1
        assert tries < 10 * SIGN_IN_ATTEMPTS.events
    assert tries > SIGN_IN_ATTEMPTS.events
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert "Too many tries" in answer.text


ELSEWHERE = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_nobody_is_sent_to_another_host(sign_in: SignIn, read_key: str, elsewhere: str) -> None:
    assert (await sign_in(read_key, next=elsewhere)).headers["location"] == "/"


async def test_what_stands_in_the_address_is_no_markup_on_the_form(browser_api: AsyncClient) -> None:
    form = await browser_api.get("/signin", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in form.text


FOREIGN = [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}, {}]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_elsewhere_can_do_nothing_by_the_cookie(
    browser_api: AsyncClient, sign_in: SignIn, read_key: str, headers: dict[str, str]
) -> None:
    await sign_in(read_key)
    for method, path in (("DELETE", "/v1/users/x"), ("POST", "/signout"), ("POST", "/signin")):
        answer = await browser_api.request(method, path, headers=headers)
        assert "only from a page of this address" in problem(answer, 403)["detail"]


async def test_an_old_browser_that_says_only_the_origin_is_let_in(browser_api: AsyncClient, read_key: str) -> None:
    answer = await browser_api.post("/signin", data={"key": read_key}, headers={"origin": str(browser_api.base_url)})
    assert answer.status_code == 303


async def test_a_key_in_the_header_needs_no_origin(make: Make, locked: Settings) -> None:
    key = await make("read", scopes=["read"])
    async with serving(locked) as api:
        answer = await api.delete("/v1/users/x", headers={"authorization": f"Bearer {key}"})
    assert "has no scope admin" in problem(answer, 403)["detail"]


async def test_without_keys_nobody_is_asked_for_one(api: AsyncClient) -> None:
    assert (await api.get("/")).status_code == 200
    answer = await api.get("/signin?next=/health")
    assert (answer.status_code, answer.headers["location"]) == (303, "/health")
