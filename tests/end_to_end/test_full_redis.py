"""More comes than is read: Redis fills, whoever brings clicks waits, and all goes on when the readers come back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis
from typer.testing import CliRunner

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.memory import parse_amount
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us
from services.cli.__main__ import app
from services.cli.embedded import embedded_valkey
from services.generator.truth import read_truth
from tests.conftest import Select
from tests.processes import PATIENCE_S, Start, until
from tests.services.api.conftest import serving

BEGIN_MS = 1_614_346_260_000
REQUEST = 100  # events


def events(number: int) -> list[dict[str, Any]]:
    """Of the request of that number; a second apart, by five users."""
    return [
        {
            "event_id": f"e{n}",
            "user_id": n % 5,
            "device_id": "computer",
            "client_event": "beer_products",
            "client_timestamp": BEGIN_MS + 1_000 * n,
            "properties": {"filling": f"{n:04000}"},
        }
        for n in range(REQUEST * number, REQUEST * (number + 1))
    ]


@pytest.fixture
async def small(settings: Settings, store_folder: Path) -> AsyncIterator[Settings]:
    """On a Redis of 24 MB."""
    with embedded_valkey(store_folder, {"save": "", "maxmemory": "24mb"}) as url:
        yield settings.model_copy(update={"redis_url": url})


@pytest.fixture
async def redis(small: Settings) -> AsyncIterator[Redis]:
    async with open_redis(small.redis_url) as client:
        yield client


async def fill(api: AsyncClient) -> int:
    """Send until there is no more room; the number of the first request that was refused."""
    number = 0
    while (answer := await api.post("/v1/events", json=events(number))).status_code == 202:
        number += 1
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "send them again" in answer.json()["detail"]
    return number


async def entries(redis: Redis, settings: Settings) -> int:
    keys = Keys(settings.namespace)
    return sum([int(await redis.xlen(keys.clicks(number))) for number in range(settings.partitions)])


@pytest.mark.parametrize("high_water", ["80%", "1000GB"])
async def test_what_was_accepted_is_kept_until_it_is_read_and_then_ingest_opens_by_itself(
    small: Settings, redis: Redis, start: Start, select: Select, high_water: str
) -> None:
    """At 80 % ingest is closed; at more than there is it is Redis itself that refuses."""
    environment = {"REDIS_URL": small.redis_url}
    sessionizer = start("sessionizer", **environment)
    await sessionizer.logged("partitions.taken")
    sessionizer.stop()
    async with serving(small.model_copy(update={"redis_high_water": parse_amount(high_water)})) as api:
        refused = await fill(api)
        held = await entries(redis, small)
        level = (await redis.info("memory"))["used_memory"] / 2**20 / 24
        assert 0.78 < level < 0.9 if high_water == "80%" else level > 0.98
        assert (await api.post("/v1/events", json=events(refused))).status_code == 503
        ready = await api.get("/readyz")
        assert ready.status_code == 200
        assert ("takes no more" in ready.json()["ingest"]) == (high_water == "80%")
        assert await entries(redis, small) >= held

        sessionizer = start("sessionizer", **environment)
        start("persister", **environment)

        async def taken_again() -> bool:
            return (await api.post("/v1/events", json=events(refused))).status_code == 202

        await until(taken_again, what="ingest to open")
        assert (await api.get("/readyz")).json()["ingest"] == "open"
    publisher = Publisher(redis, keys=Keys(small.namespace), partitions=small.partitions)
    await publisher.end_input(watermark_us=now_us(), arrival_us=now_us())
    count = REQUEST * (refused + 1)

    async def all_in_sessions() -> bool:
        return select("SELECT sum(events) FROM sessions WHERE \"window\" = 'visits'") == [(count,)]

    async def all_in_clicks() -> bool:
        return select("SELECT count(DISTINCT event_id) FROM clicks") == [(count,)]

    await until(all_in_sessions, what="all to be in sessions")
    await until(all_in_clicks, what="all to be in clicks, whose streams are others")
    if high_water == "80%":
        assert select("SELECT count(*) FROM clicks") == [(count,)]
    assert sessionizer.alive


async def test_a_generator_that_has_to_wait_keeps_its_truth(
    small: Settings, start: Start, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"REDIS_URL": small.redis_url, "REDIS_HIGH_WATER": "6MB", "WINDOWS": "visits = session(gap=30m)"}
    file = tmp_path / "truth.jsonl"
    generator = start(
        "generator", "--rate", "10", "--count", "60", "--history", "24h", "--truth", str(file),
        "--disorder", "0.2", "--disorder-within", "60s", "--late", "0.01", "--duplicates", "0.03", **environment,
    )  # fmt: skip
    await generator.logged("redis.full")
    start("sessionizer", **environment)
    start("persister", **environment)
    await generator.logged("redis.takes_again")
    assert await generator.ended() == 0, generator.output
    assert len(read_truth(file.read_bytes().splitlines()).sessions) > 3_000
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    scored = CliRunner().invoke(app, ["score", str(file), "--wait", str(PATIENCE_S)], env={"COLUMNS": "200"})
    assert scored.exit_code == 0, scored.output
