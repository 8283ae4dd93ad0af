"""The ledger of processes that are killed while traffic whose truth is known goes through them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from clickloom.settings import Settings
from services.generator.truth import read_truth
from tests.processes import PATIENCE_S, Process, Start
from tests.services.api.conftest import serving

DISTURBED = ("--disorder", "0.2", "--disorder-within", "60s", "--late", "0.01", "--duplicates", "0.03")
BUSY = {"LEASE": "1s", "COMMIT_INTERVAL": "20ms", "BUFFER_ROWS": "100", "BUFFER_SECONDS": "0.05"}

Command = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


@pytest.fixture
def ledger(environment: dict[str, str]) -> Command:
    """Runs `clickloom ledger`."""

    async def ledger(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "services.cli", "ledger", *arguments]
        shown = {**environment, "COLUMNS": "200"}
        return await asyncio.to_thread(subprocess.run, command, env=shown, capture_output=True, text=True)

    return ledger


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings) as client:
        yield client


async def killed_again_and_again(start: Start, generator: Process) -> None:
    """Sessionizer and persister in turn, as long as the generator runs; each once more at the least."""
    running = {service: start(service, **BUSY) for service in ("sessionizer", "persister")}
    kills = 0
    while generator.alive or kills < 4:
        service = ("sessionizer", "persister")[kills % 2]
        await running[service].logged("service.started")
        await asyncio.sleep(0.7)  # anywhere in what it does
        running[service].kill()
        running[service] = start(service, **BUSY)
        kills += 1


async def test_after_kills_the_ledger_balances_with_the_numbers_of_the_truth(
    start: Start, ledger: Command, api: httpx.AsyncClient, database: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    file = tmp_path / "truth.jsonl"
    generator = start(
        "generator", "--rate", "200", "--count", "800", "--history", "15m", "--truth", str(file), *DISTURBED,
        "--malformed", "0.02", "--bots", "0.02", "--site", "beershop",
    )  # fmt: skip
    await killed_again_and_again(start, generator)
    assert await generator.ended() == 0, generator.output
    end = read_truth(file.read_bytes().splitlines()).end

    shown = await ledger("--wait", str(PATIENCE_S), "--json")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    found = json.loads(shown.stdout)
    assert (found["settled"], found["balanced"], found["differences"]) == (True, True, [])
    assert (found["received"], found["rejected"]) == (end.lines, end.malformed)
    visits = next(window for window in found["windows"] if window["window"] == "visits")
    counted = (visits["duplicates"], visits["late"], visits["bots"])
    assert counted == (end.duplicates, end.late, end.bots)
    assert visits["in_sessions"] == visits["ever_in_sessions"] == end.clicks
    assert visits["closed_events"] + visits["open_events"] == end.clicks
    assert sum(minute["received"] for minute in found["minutes"] if minute["site_id"] == "beershop") == end.lines

    answer = await api.get("/v1/ledger", params={"window": "visits", "site_id": "beershop"})
    assert answer.status_code == 200
    assert (answer.json()["settled"], answer.json()["balanced"]) == (True, True)
    assert answer.json()["received"] == end.lines
    assert [window["window"] for window in answer.json()["windows"]] == ["visits"]

    database.execute("UPDATE sessions SET events = events - 1 WHERE version = 1 AND \"window\" = 'visits'")
    deleted = database.execute("DELETE FROM clicks WHERE entry_row = 0 AND partition = 1").rowcount
    tampered = await ledger()
    assert tampered.returncode == 1
    assert "does not balance" in tampered.stdout
    assert "sessions: clicks in sessions from the beginning" in tampered.stdout
    assert (await ledger("--site", "another")).returncode == 0
    answer = await api.get("/v1/ledger", params={"limit": 1})
    assert not answer.json()["balanced"]
    assert -sum(one["found"] - one["told"] for one in answer.json()["differences"] if one["sum"] == "clicks") == deleted
    assert len(answer.json()["minutes"]) == 1


async def test_where_nothing_ever_came_in_everything_is_settled_and_balances(ledger: Command) -> None:
    shown = await ledger()
    assert shown.returncode == 0, shown.stderr
    assert "received 0 = rejected 0 + clicks 0" in shown.stdout
    assert "balanced; everything is read and written" in shown.stdout


async def test_a_database_without_the_schema_is_said_with_the_remedy(
    ledger: Command, database: "psycopg.Connection[Any]"
) -> None:
    database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    shown = await ledger()
    assert shown.returncode == 1
    assert shown.stderr.endswith("run `clickloom migrate`\n")
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--window", "weeks"), "'weeks' is not in WINDOWS"), (("--from", "2021-02-26", "--to", "2021-02-28"), "a day")],
)
async def test_a_command_that_makes_no_sense_is_said_in_one_line(
    ledger: Command, arguments: tuple[str, ...], said: str
) -> None:
    shown = await ledger(*arguments)
    assert shown.returncode == 1
    assert said in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
