"""`clickloom tail`: streams as JSON lines."""

import json
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.numbers import MinuteChange, SiteNumbers
from clickloom.streams import as_bytes
from clickloom.wire import FIELD, CommitMetrics, encode
from tests.clicks import batch, click
from tests.processes import Process, Start
from tests.sessions import changelog, session


async def lines(tail: Process) -> list[dict[str, Any]]:
    assert await tail.ended() == 0, tail.output
    return [json.loads(line) for line in tail.output.splitlines()]


async def test_clicks_are_shown_one_a_line_and_rubbish_as_such(start: Start, redis: Redis, keys: Keys) -> None:
    made = batch(click(1e9, event_id="a", page_url="/x"), click(1e9 + 0.5, event_id="b"))
    entry = await redis.xadd(keys.clicks(2), {FIELD: encode(made)})
    await redis.xadd(keys.clicks(2), {FIELD: b"rubbish"})
    first, second, rubbish = await lines(start("cli", "tail", "clicks", "--from-start", "--count", "3"))
    assert first == {
        "stream": keys.clicks(2),
        "id": as_bytes(entry).decode(),
        "site_id": "default",
        "user_id": "64",
        "device_id": "computer",
        "client_event": "beer_products",
        "client_timestamp": "2001-09-09T01:46:40Z",
        "event_id": "a",
        "page_url": "/x",
    }
    assert second["client_timestamp"] == "2001-09-09T01:46:40.500000Z"
    assert "no msgpack array" in rubbish["undecodable"]


async def test_sessions_and_metrics_are_shown_an_entry_a_line(start: Start, redis: Redis, keys: Keys) -> None:
    old, new = session(1e9), session(1e9, version=2, events=3)
    await redis.xadd(keys.sessions("visits", 1), {FIELD: encode(changelog(new, minus=(old,)))})
    [shown] = await lines(start("cli", "tail", "sessions", "--from-start", "--count", "1"))
    begin_us, site_id = old.begin_us, "default"
    assert shown["minus"] == [
        {"session_uid": str(old.session_uid), "version": 1, "begin_us": begin_us, "site_id": site_id}
    ]
    assert [(row["session_uid"], row["events"]) for row in shown["plus"]] == [(str(new.session_uid), 3)]

    change = MinuteChange(sessions=1, revenue=Decimal("19.99"))
    site = SiteNumbers(clicks=3, events={"a": 3}, durations={60: 2}, changes={27_000_000: change})
    commit = CommitMetrics(window="visits", committed_us=1, watermark_us=2, sites={"shop": site})
    await redis.xadd(keys.metrics(0), {FIELD: encode(commit)})
    [shown] = await lines(start("cli", "tail", "metrics", "--from-start", "--count", "1"))
    assert shown["window"] == "visits"
    numbers = shown["sites"]["shop"]
    assert (numbers["clicks"], numbers["events"], numbers["durations"]) == (3, {"a": 3}, {"60": 2})
    assert numbers["changes"]["27000000"]["revenue"] == "19.99"


@pytest.mark.parametrize(
    ("arguments", "other", "reason"),
    [
        (["--window", "hours"], {}, "--window hours: not defined; one of visits, minutes"),
        ([], {"REDIS_URL": "unix:///nowhere/redis.sock"}, "the Redis of REDIS_URL does not answer"),
    ],
)
async def test_what_cannot_be_shown_is_said_in_one_line(
    start: Start, arguments: list[str], other: dict[str, str], reason: str
) -> None:
    tail = start("cli", "tail", "sessions", *arguments, **other)
    assert await tail.ended() == 1
    [told] = tail.output.splitlines()
    assert reason in told
