"""Segment's HTTP API, as somebody without a client of it would use it."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from services.api.ingest.segment.message import KINDS, MAX_MESSAGE_BYTES
from services.api.ingest.segment.routes import MAX_BATCH_BYTES, PATHS
from tests.services.api.conftest import serving
from tests.services.api.ingest.streamed import streamed
from tests.services.api.ingest.test_native import NO_JSON, problem, rejected

TRACK = {"anonymousId": "anon", "event": "Product Added", "messageId": "m-1", "properties": {"price": 5}}


async def test_a_message_is_a_click_when_the_answer_comes(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings
) -> None:
    answer = await shop_api.post("/v1/track", json=TRACK, auth=(write_key, ""))
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    [click] = await streamed(redis, settings)
    assert (click.site_id, click.user_id, click.client_event, click.event_id) == (
        "shop",
        "anon",
        "Product Added",
        "m-1",
    )
    assert click.details.properties == {"price": 5}


@pytest.mark.parametrize("path", sorted(PATHS))
async def test_every_way_in_takes_the_write_key_from_the_body(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings, path: str
) -> None:
    message = {**TRACK, "userId": "u", "groupId": "g", "previousId": "p"}
    is_batch = path in ("/v1/batch", "/v1/import", "/v1/b")
    body = {"batch": [{"type": kind, **message, "messageId": kind} for kind in KINDS]} if is_batch else message
    sent: dict[str, Any] = {
        "content": json.dumps({**body, "writeKey": write_key}),
        "headers": {"content-type": "text/plain"},
    }
    assert (await shop_api.post(path, **sent)).json() == {"success": True}
    assert len(await streamed(redis, settings)) == (len(KINDS) if is_batch else 1)
    no_key = await shop_api.post(path, json=body)
    problem(no_key, 401)
    problem(await shop_api.post(path, json={**body, "writeKey": write_key[:-1] + "x"}), 401)
    problem(await shop_api.post(path, json=body, auth=("clw_nonsense", "")), 401)


async def test_a_bad_message_of_a_batch_is_kept_with_the_reason_and_its_neighbours_are_in(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings, keys: Keys
) -> None:
    good, large = {"type": "track", **TRACK}, {"a": "x" * MAX_MESSAGE_BYTES}
    batch = [good, {"type": "track"}, {**good, "properties": large}, 5, {**good, "messageId": "m-2"}]
    answer = await shop_api.post("/v1/batch", json={"batch": batch}, auth=(write_key, ""))
    assert answer.status_code == 200
    assert answer.json()["success"]
    refused = answer.json()["rejected"]
    assert [one["index"] for one in refused] == [1, 2, 3]
    assert refused[0]["message"] == "userId: missing; send userId or anonymousId"
    assert {click.event_id for click in await streamed(redis, settings)} == {"m-1", "m-2"}
    kept = await rejected(redis, keys)
    assert [(one.source, one.site_id, one.code) for one in kept] == [
        ("segment", "shop", "invalid_field"),
        ("segment", "shop", "message_too_large"),
        ("segment", "shop", "invalid_field"),
    ]


async def test_gzip_is_read(shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings) -> None:
    body = gzip.compress(json.dumps({"batch": [{"type": "track", **TRACK}], "writeKey": write_key}).encode())
    answer = await shop_api.post("/v1/batch", content=body, headers={"content-encoding": "gzip"})
    assert answer.json() == {"success": True}
    assert len(await streamed(redis, settings)) == 1


async def test_what_is_larger_than_segment_takes_is_a_bad_request(shop_api: AsyncClient, write_key: str) -> None:
    """400, as Segment says, so that no client sends it again."""
    for path, size in (("/v1/track", MAX_MESSAGE_BYTES), ("/v1/batch", MAX_BATCH_BYTES)):
        answer = await shop_api.post(path, content=b" " * (size + 1), auth=(write_key, ""))
        assert problem(answer, 400)["code"] == "body_too_large"
        packed = gzip.compress(b" " * (size + 1))
        answer = await shop_api.post(path, content=packed, headers={"content-encoding": "gzip"}, auth=(write_key, ""))
        problem(answer, 400)
    too_many: dict[str, Any] = {"batch": [{}] * 2_501}
    assert problem(await shop_api.post("/v1/batch", json=too_many, auth=(write_key, "")), 400)


@pytest.mark.parametrize("body", [*NO_JSON.values(), b"5", b"null", b'{"batch": 5}', b'{"writeKey": 5}'][:8])
async def test_a_body_that_is_none_is_a_bad_request_and_kept(
    shop_api: AsyncClient, write_key: str, redis: Redis, keys: Keys, body: bytes
) -> None:
    answer = problem(await shop_api.post("/v1/batch", content=body[: MAX_BATCH_BYTES - 1], auth=(write_key, "")), 400)
    [kept] = await rejected(redis, keys)
    assert (kept.code, kept.source) == (answer["code"], "segment")


async def test_a_page_of_the_keys_origin_may_send(settings: Settings) -> None:
    async with serving(settings) as api:
        asks = {"origin": "https://shop.example", "access-control-request-method": "POST"}
        for path in ("/v1/t", "/v1/batch"):
            answer = await api.options(path, headers=asks)
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"


async def test_who_sends_too_much_waits(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"rate_limit_address": "3/1h"})) as api:
        batch: dict[str, Any] = {"batch": [{"type": "track", **TRACK}] * 2}
        assert (await api.post("/v1/batch", json=batch)).headers["ratelimit-remaining"] == "1"
        refused = await api.post("/v1/batch", json=batch)
        problem(refused, 429)
        assert int(refused.headers["retry-after"]) > 0


async def test_requests_at_once_are_told_apart(
    shop_api: AsyncClient, write_key: str, redis: Redis, settings: Settings
) -> None:
    messages = [{**TRACK, "messageId": f"m-{number}", "anonymousId": f"a-{number}"} for number in range(100)]
    await asyncio.gather(*(shop_api.post("/v1/track", json=message, auth=(write_key, "")) for message in messages))
    assert len(await streamed(redis, settings)) == 100
