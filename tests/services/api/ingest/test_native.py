"""`POST /v1/events`: what is taken, what is refused and why, and what is in the streams by then."""

import asyncio
import gzip
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient, Response
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.memory import parse_amount
from clickloom.settings import Settings
from clickloom.streams import START, read_stream
from clickloom.times import parse_time
from clickloom.wire import FIELD, RecordBatch, RejectedEvent, decode_batch, decode_rejected
from services.api.ingest.body import ARRIVES_WITHIN_S, MAX_BYTES
from services.api.ingest.events import MAX_EVENTS
from services.cli.embedded import embedded_valkey
from services.persister.packing import PG_EPOCH_US, unpacked
from services.persister.rows import Rows, add_clicks
from tests.services.api.conftest import serving

EVENT = {
    "user_id": 64,
    "device_id": "computer",
    "client_event": "beer_vitrine_nav",
    "client_timestamp": "2021-02-26T13:31:00",
}


async def batches(redis: Redis, settings: Settings) -> list[RecordBatch]:
    keys = Keys(settings.namespace)
    found = [await read_stream(redis, keys.clicks(n), START, count=1_000, block_ms=None) for n in range(4)]
    return [decode_batch(fields[FIELD]) for entries in found for _, fields in entries]


async def clicks(redis: Redis, settings: Settings) -> list[str]:
    """Event ids in the streams."""
    return sorted(event_id for batch in await batches(redis, settings) for event_id in batch.event_ids)


async def rejected(redis: Redis, keys: Keys) -> list[RejectedEvent]:
    entries = await read_stream(redis, keys.rejected(), START, count=5_000, block_ms=None)
    return [decode_rejected(fields[FIELD]) for _, fields in entries]


def problem(answer: Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["type"] == "about:blank"
    assert found["title"]
    return found


async def test_an_event_of_four_fields_is_in_the_stream_when_the_answer_comes(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    answer = await api.post("/v1/events", json=EVENT)
    [batch] = await batches(redis, settings)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    rows = Rows("")
    add_clicks(0, rows, (1, 0), (await entries(redis, settings))[0])
    values = unpacked(rows.clicks[0])
    assert values[8:13] == [b"default", b"64", b"computer", b"computer", b"beer_vitrine_nav"]
    assert int.from_bytes(values[5] or b"", "big") + PG_EPOCH_US == parse_time("2021-02-26T13:31:00")
    assert batch.event_ids[0][14] == "7", "an id of version 7 is made if there is none"


async def entries(redis: Redis, settings: Settings) -> list[bytes]:
    keys = Keys(settings.namespace)
    found = [await read_stream(redis, keys.clicks(n), START, count=1_000, block_ms=None) for n in range(4)]
    return [fields[FIELD] for entries in found for _, fields in entries]


async def test_an_array_is_taken_whole(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    events = [{**EVENT, "user_id": f"u{number}", "event_id": f"e{number:03}"} for number in range(MAX_EVENTS)]
    answer = await api.post("/v1/events", json=events)
    assert answer.json() == {"accepted": MAX_EVENTS, "rejected": []}
    assert await clicks(redis, settings) == sorted(f"e{number:03}" for number in range(MAX_EVENTS))


async def test_an_empty_array_is_no_fault(api: AsyncClient) -> None:
    assert (await api.post("/v1/events", json=[])).json() == {"accepted": 0, "rejected": []}


NO_JSON = {
    "empty": b"",
    "blank": b"  ",
    "nonsense": b"nonsense",
    "cut short": b'{"user_id": 1',
    "an array cut short": b"[{}, ",
    "two": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep": b"[" * 500_000,
    "a deep object": b'{"a":' * 90_000,
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_a_body_that_is_no_json_is_a_bad_request_and_kept(
    api: AsyncClient, redis: Redis, keys: Keys, settings: Settings, body: bytes
) -> None:
    assert problem(await api.post("/v1/events", content=body), 400)["code"] == "malformed_json"
    assert await clicks(redis, settings) == []
    [kept] = await rejected(redis, keys)
    assert (kept.code, kept.payload) == ("malformed_json", body[:4096])


async def test_each_line_is_an_event_of_its_own(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    lines = [json.dumps({**EVENT, "event_id": "first"}), "", "no json", json.dumps({**EVENT, "event_id": "last"})]
    headers = {"content-type": "application/x-ndjson; charset=utf-8"}
    answer = await api.post("/v1/events", content="\r\n".join(lines), headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    [refused] = answer.json()["rejected"]
    assert (refused["index"], refused["code"]) == (1, "malformed_json")
    assert await clicks(redis, settings) == ["first", "last"]


async def test_a_body_may_be_packed_by_gzip_in_several_parts(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    text = json.dumps({**EVENT, "event_id": "packed"}).encode()
    packed = gzip.compress(text[:40]) + gzip.compress(text[40:])
    answer = await api.post("/v1/events", content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == 202, answer.text
    assert await clicks(redis, settings) == ["packed"]


BAD_GZIP = {
    "no gzip": (b"{}", 400),
    "cut short": (gzip.compress(b"{}" * 1_000)[:-9], 400),
    "garbage behind it": (gzip.compress(b"{}") + b"garbage", 400),
    "a bomb": (gzip.compress(b" " * 200 * MAX_BYTES), 413),
    "many bombs": (gzip.compress(b" " * MAX_BYTES) * 50, 413),
}


@pytest.mark.parametrize(("body", "status"), BAD_GZIP.values(), ids=BAD_GZIP)
async def test_gzip_that_is_none_or_too_much_is_refused(api: AsyncClient, body: bytes, status: int) -> None:
    problem(await api.post("/v1/events", content=body, headers={"content-encoding": "gzip"}), status)


async def test_another_packing_is_refused_with_the_remedy(api: AsyncClient) -> None:
    answer = await api.post("/v1/events", content=b"{}", headers={"content-encoding": "br"})
    assert "send gzip, or none" in problem(answer, 415)["detail"]


async def test_a_beacons_plain_text_is_taken(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    headers = {"content-type": "text/plain;charset=UTF-8"}
    answer = await api.post("/v1/events", content=json.dumps([{**EVENT, "event_id": "beacon"}]), headers=headers)
    assert answer.status_code == 202
    assert await clicks(redis, settings) == ["beacon"]


async def test_a_body_that_does_not_come_is_not_waited_for(api: AsyncClient) -> None:
    """Others are served meanwhile."""
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    assert (await api.post("/v1/events", json=EVENT)).status_code == 202
    answer = await asyncio.wait_for(reader.read(), timeout=ARRIVES_WITHIN_S + 30)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"the body did not arrive within 10 s" in answer
    writer.close()


async def test_a_client_that_hangs_up_in_the_middle_harms_nobody(api: AsyncClient, caplog: Any) -> None:
    host, port = api.base_url.host, api.base_url.port
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()
    assert (await api.post("/v1/events", json=EVENT)).status_code == 202
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_or_a_batch_that_is_too_large_is_refused_whole(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    answer = await api.post("/v1/events", json=[EVENT] * (MAX_EVENTS + 1))
    assert "1001 events in one request; send at most 1000" in problem(answer, 413)["detail"]
    answer = await api.post("/v1/events", content=b" " * (MAX_BYTES + 1))
    assert "larger than 1048576 bytes" in problem(answer, 413)["detail"]
    assert await clicks(redis, settings) == []


REFUSED: list[tuple[str, dict[str, Any] | int | str, str, str]] = [
    ("no user", {key: EVENT[key] for key in EVENT if key != "user_id"}, "invalid_field", "required field `user_id`"),
    ("no time", {key: EVENT[key] for key in EVENT if key != "client_timestamp"}, "invalid_field", "client_timestamp"),
    ("no object", 5, "invalid_field", "Expected `object`"),
    ("a wrong type", {**EVENT, "client_event": 5}, "invalid_field", "`client_event`"),
    ("an unknown field", {**EVENT, "colour": "red"}, "invalid_field", "unknown field `colour`"),
    ("an unknown field with NUL", {**EVENT, "a\0b": 1}, "invalid_field", "unknown field"),
    ("a text that is too long", {**EVENT, "client_event": "x" * 65}, "invalid_field", "length <= 64"),
    ("a user of 200 digits", {**EVENT, "user_id": 10**200}, "invalid_field", "user_id: more than 128"),
    ("a fraction for a user", {**EVENT, "user_id": 1.5}, "invalid_field", "user_id"),
    ("no time at all", {**EVENT, "client_timestamp": "yesterday"}, "invalid_time", "'yesterday' is no time"),
    ("an endless time", {**EVENT, "client_timestamp": "9" * 100_000}, "invalid_field", "client_timestamp"),
    ("a time before 1970", {**EVENT, "client_timestamp": "0001-01-01T00:00:00"}, "time_before_1970", "before 1970"),
    ("a time after us all", {**EVENT, "client_timestamp": 10**30}, "time_in_future", "ahead of the server's clock"),
    ("a clock gone wild", {**EVENT, "sent_at": 0}, "time_in_future", "client_timestamp"),
    ("NUL in the user", {**EVENT, "user_id": "a\0b"}, "control_character", "user_id: "),
    ("NUL in the device", {**EVENT, "device_id": "a\0b"}, "control_character", "device_id: "),
    ("NUL in the event", {**EVENT, "client_event": "a\0b"}, "control_character", "client_event: "),
    ("NUL in the id", {**EVENT, "event_id": "a\0b"}, "control_character", "event_id: "),
    ("NUL in the site", {**EVENT, "site_id": "a\0b"}, "control_character", "site_id: "),
    ("a separator in the user", {**EVENT, "user_id": "a\x1fb"}, "control_character", "user_id: "),
    *(
        (f"NUL in {name}", {**EVENT, name: "a\0b"}, "control_character", f"{name}: ")
        for name in ("page_url", "referrer", "utm_source", "utm_medium", "utm_campaign", "order_id", "currency")
    ),
    ("NUL in a variant", {**EVENT, "experiments": {"a": "\0"}}, "control_character", "experiments: "),
    ("NUL in an experiment", {**EVENT, "experiments": {"\0": "a"}}, "control_character", "experiments: "),
    ("NUL deep in", {**EVENT, "properties": {"a": [{"b": ["\0"]}]}}, "control_character", "properties: "),
    ("NUL in a name", {**EVENT, "properties": {"a": {"\0": 1}}}, "control_character", "properties: "),
    ("an integer beyond all", {**EVENT, "properties": {"a": [2**64]}}, "invalid_field", "beyond 64 bits"),
    ("deep properties", {**EVENT, "properties": {"a": json.loads("[" * 40 + "]" * 40)}}, "invalid_field", "deeper"),
    (
        "properties of 10,000 keys",
        {**EVENT, "properties": {f"k{n}": n for n in range(10_000)}},
        "properties_too_large",
        "8 KiB",
    ),
    ("large properties", {**EVENT, "properties": {"a": "x" * 9_000}}, "properties_too_large", "8 KiB"),
    ("a revenue out of range", {**EVENT, "revenue": "1e12"}, "invalid_revenue", "revenue: "),
    ("a revenue out of all range", {**EVENT, "revenue": "1e1000000"}, "invalid_revenue", "revenue: "),
    ("a revenue that is none", {**EVENT, "revenue": "NaN"}, "invalid_revenue", "revenue: "),
    ("a revenue too fine", {**EVENT, "revenue": "0.0000001"}, "invalid_revenue", "revenue: "),
]


@pytest.mark.parametrize(("event", "code", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_a_refused_event_is_named_with_the_reason_and_kept_and_its_neighbours_are_in(
    api: AsyncClient, redis: Redis, keys: Keys, settings: Settings, event: object, code: str, reason: str
) -> None:
    body = [{**EVENT, "event_id": "before"}, event, {**EVENT, "event_id": "after"}]
    answer = await api.post("/v1/events", json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    [refused] = answer.json()["rejected"]
    assert (refused["index"], refused["code"]) == (1, code)
    assert reason in refused["message"]
    assert len(refused["message"]) < 600
    assert await clicks(redis, settings) == ["after", "before"]
    [kept] = await rejected(redis, keys)
    assert (kept.source, kept.code, kept.message) == ("http", code, refused["message"])
    assert kept.payload == json.dumps(event, separators=(",", ":")).encode()[:4096]


async def test_a_request_without_a_good_event_is_a_problem(api: AsyncClient) -> None:
    answer = problem(await api.post("/v1/events", json=[{}, 5]), 422)
    assert answer["detail"] == "Object missing required field `user_id`, and 1 more"
    assert (answer["accepted"], [refused["index"] for refused in answer["rejected"]]) == (0, [0, 1])


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff\\ud800"', "1e400", "9" * 5_000])
async def test_what_json_cannot_mean_is_refused(api: AsyncClient, text: str) -> None:
    body = json.dumps(EVENT)[:-1] + f', "properties": {{"a": {text}}}}}'
    answer = await api.post("/v1/events", content=body)
    assert answer.status_code in (400, 422), answer.text


async def test_odd_but_valid_values_are_taken(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    odd = {
        "user_id": "\u200b\u2028 Zoë 🍺",
        "event_id": "odd",
        "revenue": "-0",
        "experiments": {},
        "properties": {"backslash": "\\u0000", "huge": 1.7e308, "u64": 2**64 - 1, "deep": [[[[[[{}]]]]]], "": None},
    }
    answer = await api.post("/v1/events", json={**EVENT, **odd})
    assert answer.status_code == 202, answer.text
    assert await clicks(redis, settings) == ["odd"]


async def test_the_event_time_is_corrected_by_the_clients_clock(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    """A client whose clock is ten years behind sent an event an hour after it happened."""
    late = {**EVENT, "client_timestamp": "2011-01-01T00:00:00", "sent_at": "2011-01-01T01:00:00"}
    assert (await api.post("/v1/events", json=late)).status_code == 202
    [batch] = await batches(redis, settings)
    assert batch.arrival_us - int(batch.time_column[0]) == pytest.approx(3600e6, abs=30e6)


CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


async def test_a_bot_is_known_by_the_visitors_user_agent_not_by_that_of_a_server(
    api: AsyncClient, redis: Redis, settings: Settings
) -> None:
    page, server = {"origin": "https://shop.example", "user-agent": CRAWLER}, {"user-agent": "python-requests/2.32.3"}
    for event_id, headers, told in (
        ("a page that a crawler reads", page, {}),
        ("told by a server", server, {"user_agent": CRAWLER}),
        ("a server's own", server, {}),
        ("a person's, told by a server", server, {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0"}),
        ("said so", server, {"is_bot": True}),
    ):
        answer = await api.post("/v1/events", json={**EVENT, "event_id": event_id, **told}, headers=headers)
        assert answer.status_code == 202, answer.text
    found = await batches(redis, settings)
    assert sorted(batch.event_ids[row] for batch in found for row in batch.bots) == [
        "a page that a crawler reads", "said so", "told by a server",
    ]  # fmt: skip


async def test_concurrent_requests_share_record_batches(api: AsyncClient, redis: Redis, settings: Settings) -> None:
    posts = [api.post("/v1/events", json={**EVENT, "event_id": f"e{number:03}"}) for number in range(300)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert await clicks(redis, settings) == [f"e{number:03}" for number in range(300)]
    assert len(await batches(redis, settings)) < 150


async def test_while_redis_is_away_or_refuses_the_answer_is_503_and_afterwards_it_takes_events_again(
    settings: Settings, store_folder: Path
) -> None:
    with embedded_valkey(store_folder, {"save": ""}) as url:
        moved = settings.model_copy(update={"redis_url": url, "redis_high_water": parse_amount("1000GB")})
        async with serving(moved) as api:
            async with open_redis(url) as redis:
                await redis.config_set("maxmemory", "1")
                await assert_unavailable(api)
                await redis.config_set("maxmemory", "0")
                assert (await api.post("/v1/events", json=EVENT)).status_code == 202
            server = int((store_folder / "valkey.pid").read_text())
            os.kill(server, signal.SIGSTOP)  # connections stay, answers do not come
            await assert_unavailable(api)
            os.kill(server, signal.SIGCONT)
            assert (await api.post("/v1/events", json=EVENT)).status_code == 202


async def assert_unavailable(api: AsyncClient) -> None:
    answer = await api.post("/v1/events", json=EVENT)
    assert "send them again" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
