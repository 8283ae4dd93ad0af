"""A real web log through real processes into real tables, held against plain SQL and against counts made elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.streams import START, read_stream
from clickloom.wire import FIELD, decode_metrics
from tests.conftest import Select
from tests.end_to_end.api import asking
from tests.processes import Process, Start, until

LINES, CLICKS, SESSIONS, ALONE = 10_000, 9_999, 3_223, 1_774
CHUNKS = 20

# Sessions of the clicks by plain SQL: a new one begins where the visitor was away for more than the gap.
GAPS_AND_ISLANDS = """
WITH events AS (SELECT DISTINCT ON (event_id) * FROM clicks),
marked AS (
    SELECT user_id, device_id, client_timestamp AS t,
           client_timestamp - lag(client_timestamp) OVER visitor > interval '30 minutes' AS away
    FROM events WINDOW visitor AS (PARTITION BY site_id, user_id, device_id ORDER BY client_timestamp)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE away) OVER (PARTITION BY user_id, device_id ORDER BY t) AS island FROM marked
)
SELECT user_id, device_id, min(t), max(t), count(*) FROM numbered GROUP BY user_id, device_id, island ORDER BY 1, 2, 3
"""
KEPT = """
SELECT user_id, device_id, begin_session, end_session, events FROM sessions WHERE "window" = 'visits' ORDER BY 1, 2, 3
"""

Session = tuple[Any, ...]


def assert_right(select: Select) -> None:
    """The tables hold exactly the log and its sessions."""
    assert select("SELECT count(*), count(DISTINCT event_id) FROM clicks") == [(CLICKS, CLICKS)]
    sessions = select(KEPT)
    assert len(sessions) == SESSIONS
    assert sum(session[-1] == 1 for session in sessions) == ALONE
    assert sessions == select(GAPS_AND_ISLANDS)
    [(source, message, payload)] = select("SELECT source, message, payload FROM rejected_events")
    assert source.endswith("line 8899")
    assert message == "not a line of the combined format; is it cut short?"
    assert payload.startswith(b"46.118.127.106 ")


async def until_written(select: Select, settings: Settings, *, after: str = "2015-05-20 21:30:00+00") -> None:
    """Wait until every partition's sessions up to a gap past the log's end are in the tables."""
    prefix = Keys(settings.namespace).sessions("visits", 0).removesuffix("{0}")

    async def written() -> bool:
        [(partitions,)] = select(
            "SELECT count(*) FROM stream_cursors WHERE starts_with(stream, %s) AND watermark > %s", prefix, after
        )
        return bool(partitions == settings.partitions and select("SELECT count(*) >= %s FROM clicks", CLICKS)[0][0])

    await until(written, what="the whole log in the tables")


async def sessions_over_http(client: AsyncClient) -> list[Session]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await client.get("/v1/sessions", params={"limit": 1000, **cursor})).json()
        found += answer["sessions"]
        if answer["next_cursor"] is None:
            assert datetime.fromisoformat(answer["as_of"]) > datetime.fromisoformat("2015-05-20T21:30:00Z")
            break
        cursor = {"cursor": answer["next_cursor"]}
    names = ("user_id", "device_id", "begin_session", "end_session", "events")
    rows = [tuple(row[name] for name in names) for row in found]
    return sorted((*row[:2], *map(datetime.fromisoformat, row[2:4]), row[4]) for row in rows)


# What POST /v1/query tells, straight from the sessions of the clicks.
DAYS = f"""
SELECT to_char(begun AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*), sum(events)::int, count(DISTINCT user_id),
    sum(trunc(extract(epoch FROM ended - begun)))::int
FROM ({GAPS_AND_ISLANDS}) AS visits (user_id, device_id, begun, ended, events) GROUP BY 1 ORDER BY 1
"""


async def days_over_http(client: AsyncClient) -> list[Session]:
    question = {
        "metrics": ["sessions", "clicks", "visitors", "duration_total"],
        "dimensions": ["time:day"],
        "date_range": ["2015-05-01", "2015-05-31"],
    }
    answer = (await client.post("/v1/query", json=question)).json()
    return [(*row["dimensions"], *row["metrics"]) for row in answer["results"]]


async def test_the_log_becomes_exactly_its_sessions_and_again_changes_none(
    start: Start, select: Select, settings: Settings, access_log: Path
) -> None:
    start("sessionizer")
    start("persister")
    async with asking(start("api", PORT="0")) as client, watching(client) as ticks:
        replay = start("cli", "replay", str(access_log), "--format", "combined")
        assert await replay.ended() == 0
        assert "accepted 9,999, rejected 1" in replay.output
        await until_written(select, settings)
        assert_right(select)
        assert await sessions_over_http(client) == sorted(select(GAPS_AND_ISLANDS))
        assert await days_over_http(client) == select(DAYS)

        async def all_ticked() -> bool:
            return total(ticks, "clicks") >= CLICKS

        await until(all_ticked)
        assert total(ticks, "clicks") == CLICKS
        assert total(ticks, "closed_sessions") >= SESSIONS, "one that a revision joined to another was closed before"

        before = select(KEPT)
        again = start("cli", "replay", str(access_log), "--format", "combined")
        assert await again.ended() == 0

        async def twice() -> bool:
            return select("SELECT count(*) FROM clicks") == [(2 * CLICKS,)]

        await until(twice)

        async def ticked_twice() -> bool:
            return total(ticks, "clicks") >= 2 * CLICKS

        await until(ticked_twice)
        assert total(ticks, "duplicates") + total(ticks, "late") == CLICKS
        assert select(KEPT) == before == select(GAPS_AND_ISLANDS)


def total(ticks: list[dict[str, Any]], name: str) -> int:
    return sum(tick[name] for tick in ticks)


@asynccontextmanager
async def watching(client: AsyncClient) -> AsyncIterator[list[dict[str, Any]]]:
    """The ticks of `visits`, as they come; it has begun when the block does."""
    ticks: list[dict[str, Any]] = []

    async def watch() -> None:
        async with client.stream("GET", "/v1/live/metrics?whole=true") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    ticks.append(json.loads(line.removeprefix("data: ")))

    task = asyncio.create_task(watch())

    async def begun() -> bool:
        return bool(ticks)

    try:
        await until(begun)
        yield ticks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def chunks(access_log: Path) -> Iterable[bytes]:
    lines = access_log.read_bytes().splitlines(keepends=True)
    size = LINES // CHUNKS
    return [b"".join(lines[first : first + size]) for first in range(0, LINES, size)]


async def sessionized(redis: Redis, settings: Settings) -> int:
    """Clicks that the `visits` window has committed."""
    keys = Keys(settings.namespace)
    found = [
        await read_stream(redis, keys.metrics(number), START, count=10_000, block_ms=None)
        for number in range(settings.partitions)
    ]
    commits = [decode_metrics(fields[FIELD]) for entries in found for _, fields in entries]
    return sum(commit.clicks for commit in commits if commit.window == "visits")


async def feed_until(replay: Process, parts: list[bytes], redis: Redis, settings: Settings, *, clicks: int) -> None:
    """Feed these parts, and wait until more than so many clicks have been sessionized."""

    left = list(parts)

    async def far_enough() -> bool:
        if left:
            replay.feed(left.pop(0))
        await asyncio.sleep(0.2)  # as a log is written, not all at once: replay gathers for half a second
        return not left and await sessionized(redis, settings) > clicks

    await until(far_enough)


async def test_the_log_becomes_the_same_sessions_though_sessionizers_are_killed_on_the_way(
    start: Start, select: Select, redis: Redis, settings: Settings, access_log: Path
) -> None:
    start("persister")
    replay = start("cli", "replay", "-", "--format", "combined")
    parts = list(chunks(access_log))
    done = 0
    for _ in range(3):
        sessionizer = start("sessionizer", LEASE="1s")
        few, parts = parts[:4], parts[4:]
        await feed_until(replay, few, redis, settings, clicks=done)
        sessionizer.kill()
        before, done = done, await sessionized(redis, settings)
        assert before < done < CLICKS, "the kill must fall in the middle"
    start("sessionizer", LEASE="1s")
    for part in parts:
        replay.feed(part)
    replay.end_of_input()
    assert await replay.ended() == 0
    await until_written(select, settings)
    assert_right(select)


async def test_the_log_becomes_the_same_sessions_though_everything_is_stopped_and_started_again(
    start: Start, select: Select, redis: Redis, settings: Settings, access_log: Path
) -> None:
    services = [start("sessionizer"), start("persister")]
    replay = start("cli", "replay", "-", "--format", "combined")
    parts = list(chunks(access_log))
    await feed_until(replay, parts[:4], redis, settings, clicks=0)
    for service in services:
        assert service.stop() == 0
        assert "service.stopped" in service.output
    assert await sessionized(redis, settings) < CLICKS
    for part in parts[4:]:
        replay.feed(part)
    replay.end_of_input()
    assert await replay.ended() == 0
    start("sessionizer")
    start("persister")
    await until_written(select, settings)
    assert_right(select)
