"""What is not kept of a person."""

from ipaddress import ip_address, ip_network

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from redis.asyncio import Redis

from clickloom.settings import Settings
from services.api.ingest.privacy import SCRUBBED, Privacy, cut_address, scrub
from tests.services.api.conftest import serving
from tests.services.api.ingest.test_native import EVENT, batches

KEPT = [
    "https://shop.example/beer",
    "/cart?item=3&utm_campaign=spring-sale-2024-newsletter-de",
    "https://shop.example/?id=53b41eea-6b8a-d662-2faf-95a40b777597#reviews",
    "/search?q=a+very+long+question+of+somebody+who+likes+to+write&page=2",
    "/?code=SPRING24&session=2&emails=3",
    "",
    "?",
    "#",
]
SCRUBBED_URLS = {
    "/?email=anna%40shop.example&a=1": f"/?email={SCRUBBED}&a=1",
    "/?contact=anna@shop.example": f"/?contact={SCRUBBED}",
    "/?q=write+to+anna%40shop.example+soon": f"/?q={SCRUBBED}",
    "/users/anna@shop.example/orders?a=1": f"/users/{SCRUBBED}/orders?a=1",
    "/?anna%40shop.example": f"/?{SCRUBBED}",
    "/?access_token=abc&b=2": f"/?access_token={SCRUBBED}&b=2",
    "/?api_key=1;password=x": f"/?api_key={SCRUBBED};password={SCRUBBED}",
    "/#id_token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln&x=1": f"/#id_token={SCRUBBED}&x=1",
    "/?s=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.": f"/?s={SCRUBBED}",
    "/?reset=9f86d081884c7d659a2feaa0c55ad015": f"/?reset={SCRUBBED}",
    "/a?b=1#/c?e_mail=x": f"/a?b=1#/c?e_mail={SCRUBBED}",
}


@pytest.mark.parametrize("url", KEPT)
def test_what_tells_nothing_of_a_person_is_kept_as_it_is(url: str) -> None:
    assert scrub(url) == url


@pytest.mark.parametrize(("url", "scrubbed"), SCRUBBED_URLS.items())
def test_addresses_and_secrets_are_taken_out(url: str, scrubbed: str) -> None:
    assert scrub(url) == scrubbed


@given(st.text(alphabet="ab1@.?#&=;%40-/ é", max_size=60))
def test_scrubbing_twice_is_scrubbing_once_and_leaves_no_address(url: str) -> None:
    once = scrub(url)
    assert scrub(once) == once
    for part in once.replace(SCRUBBED, "").split("&"):
        assert "ab@ab.ab" not in part


ADDRESSES = {
    "203.0.113.77": "203.0.113.0/24",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1::/48",
    "::ffff:203.0.113.77": "203.0.113.0/24",
    "fe80::1%eth0": "fe80::/48",
    "203.0.113.0/24": "203.0.113.0/24",
    "10.0.0.0/8": "10.0.0.0/8",
    "": None,
    "unix:/x": None,
}


@pytest.mark.parametrize(("address", "network"), ADDRESSES.items())
def test_an_address_is_cut_to_its_network(address: str, network: str | None) -> None:
    assert cut_address(address) == network


@given(st.ip_addresses())
def test_no_address_can_be_told_from_its_neighbours(address: object) -> None:
    network = ip_network(cut_address(str(address)) or "")
    assert ip_address(str(address)) in network or network.version == 4
    assert network.num_addresses >= 256


def test_a_hashed_user_is_the_same_person_and_only_with_the_same_secret() -> None:
    one, other = Privacy(user_id_salt="a secret"), Privacy(user_id_salt="another")
    assert one.hashed("64") == one.hashed("64") != other.hashed("64")
    assert "64" != one.hashed("64") != one.hashed("65")
    assert Privacy().hashed("64") == "64"


async def test_as_events_come_in(settings: Settings, redis: Redis) -> None:
    told = {"user_id": 64, "page_url": "/?email=a@b.example", "referrer": "/?token=x", "client_address": "203.0.113.77"}
    secret = settings.model_copy(update={"user_id_salt": SecretStr("a secret"), "keep_client_address": True})
    async with serving(secret) as api:
        assert (await api.post("/v1/events", json=[EVENT | told, EVENT])).status_code == 202
    [batch] = await batches(redis, secret)
    hashed = Privacy("a secret").hashed("64")
    assert batch.keys == [f"default\x1f{hashed}\x1fcomputer"] * 2
    details = dict(batch.details)
    assert (details[0].page_url, details[0].referrer) == (f"/?email={SCRUBBED}", f"/?token={SCRUBBED}")
    assert [details[row].client_address for row in range(2)] == ["203.0.113.0/24", "127.0.0.0/24"]


async def test_no_address_is_kept_unless_a_setting_says_so(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    assert (await api.post("/v1/events", json=EVENT | {"client_address": "203.0.113.77"})).status_code == 202
    [batch] = await batches(redis, settings)
    assert batch.details == []
