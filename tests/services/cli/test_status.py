"""`clickloom status` tells how far every reader is, and what is wrong, with the remedy."""

import json
import subprocess
import sys

import pytest
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.layout import PERSISTER, lay_out
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from tests.processes import Start, until


def clickloom(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
async def laid_out(settings: Settings, keys: Keys) -> None:
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=settings.parsed_windows())


@pytest.mark.usefixtures("laid_out")
async def test_it_shows_every_stream_and_reader_with_length_and_lag(
    redis: Redis, keys: Keys, settings: Settings
) -> None:
    await redis.xadd(keys.clicks(3), {"b": "x"})
    status = await read_status(redis, settings)
    assert len(status.readers) == 4 * (3 + 2) + 1
    assert [(row.reader, row.length, row.lag) for row in status.readers if row.stream == keys.clicks(3)] == [
        ("minutes", 1, 1),
        (PERSISTER, 1, 1),
        ("visits", 1, 1),
    ]


async def test_what_nobody_serves_is_said_and_then_who_serves_it(
    redis: Redis, settings: Settings, start: Start, environment: dict[str, str]
) -> None:
    sessionizer = start("sessionizer")
    await sessionizer.logged("partitions.taken")

    async def committed() -> bool:
        rows = [row for row in (await read_status(redis, settings)).readers if row.reader == "visits"]
        return all(row.owner and row.last_commit for row in rows)

    await until(committed, what="every partition to be owned and committed")
    assert "not served" not in clickloom(environment, "status").stdout
    sessionizer.stop()
    shown = clickloom(environment, "status").stdout
    assert "not served" in shown
    assert "start a sessionizer" in shown


@pytest.mark.usefixtures("laid_out")
async def test_a_window_out_of_the_settings_is_said_to_be_gone_and_can_be_removed(environment: dict[str, str]) -> None:
    environment |= {"WINDOWS": "visits = session(gap=30m)"}
    assert "`clickloom readers remove minutes`" in clickloom(environment, "status").stdout
    assert clickloom(environment, "readers", "remove", "minutes").returncode == 0
    status = json.loads(clickloom(environment, "status", "--json").stdout)
    assert {row["reader"] for row in status["readers"]} == {"visits", PERSISTER}


@pytest.mark.usefixtures("laid_out")
async def test_a_reader_that_is_not_there_cannot_be_removed(environment: dict[str, str]) -> None:
    answer = clickloom(environment, "readers", "remove", "nobody")
    assert answer.returncode == 1
    assert "registered are minutes, persister, visits" in answer.stderr


@pytest.mark.usefixtures("laid_out")
async def test_postgres_says_whether_a_persister_runs(redis: Redis, settings: Settings, start: Start) -> None:
    assert (await read_status(redis, settings)).persister_runs is False
    persister = start("persister")

    async def runs() -> bool:
        return (await read_status(redis, settings)).persister_runs is True

    await until(runs, what="the persister to run")
    persister.stop()
    nowhere = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    assert (await read_status(redis, nowhere)).persister_runs is None
