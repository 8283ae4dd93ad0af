"""`clickloom rejected`: what was refused, shown, and sent again after a fix."""

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from tests.conftest import Select
from tests.end_to_end.api import asking
from tests.processes import Start, until
from tests.services.api.ingest.test_native import EVENT

ANOTHERS_CLOCK = {**EVENT, "event_id": "ahead", "client_timestamp": "2071-01-01", "page_url": "/?email=a@b.example"}
NO_ID = {**EVENT, "client_timestamp": "2071-01-01", "user_id": "no-id"}


@pytest.fixture
async def refused(start: Start, select: Select) -> None:
    """Four events are refused: two for their time, one for a field, one that is too long to be kept whole."""
    start("persister", BUFFER_SECONDS="0.05")
    async with asking(start("api", PORT="0")) as client:
        huge = {**EVENT, "page_url": "x" * 5_000}
        answer = await client.post("/v1/events", json=[ANOTHERS_CLOCK, NO_ID, {**EVENT, "colour": "red"}, huge])
        assert answer.status_code == 422, answer.text

    async def kept() -> bool:
        return select("SELECT count(*) FROM rejected_events") == [(4,)]

    await until(kept)


def rejected(environment: dict[str, str], *arguments: str, **settings: str) -> str:
    command = [sys.executable, "-m", "services.cli", "rejected", *arguments]
    given = {**environment, "COLUMNS": "400", **settings}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("refused")
async def test_what_is_no_fault_any_more_goes_in_once_and_the_rest_stays(
    environment: dict[str, str], select: Select, database: "psycopg.Connection[Any]"
) -> None:
    fixed = {"FUTURE_BOUND": "900000h"}
    assert "0 would be accepted, 4 are refused as before" in rejected(environment, "retry", "--dry-run")
    assert "2 would be accepted" in rejected(environment, "retry", "--dry-run", **fixed)
    assert "2 are in the stream, 0 are refused" in rejected(environment, "retry", "--code", "time_in_future", **fixed)
    again = rejected(environment, "retry", **fixed)
    assert "0 are in the stream, 2 are refused as before" in again
    assert "unknown field `colour`" in again

    async def written() -> bool:
        return select("SELECT count(*) FROM clicks") == [(2,)]

    await until(written)
    found: dict[str, str | None] = dict(select("SELECT user_id, page_url FROM clicks"))
    assert found == {"64": "/?email=[scrubbed]", "no-id": None}
    database.execute("DELETE FROM retried_events")  # as if it had been killed before it could note them
    rejected(environment, "retry", **fixed)

    async def written_again() -> bool:
        return select("SELECT count(*), count(DISTINCT event_id) FROM clicks") == [(4, 2)]

    await until(written_again)


@pytest.mark.usefixtures("refused")
async def test_they_are_shown_with_the_reason(environment: dict[str, str]) -> None:
    table = rejected(environment, "list")
    assert table.count("time_in_future") == 2
    assert "unknown field `colour`" in table
    lines = [json.loads(line) for line in rejected(environment, "list", "--json", "--limit", "3").splitlines()]
    assert len(lines) == 3
    [line] = [json.loads(line) for line in rejected(environment, "list", "--json").splitlines() if "colour" in line]
    assert json.loads(line["payload"])["colour"] == "red"
    assert rejected(environment, "list", "--json", "--source", "kinesis") == ""
    assert rejected(environment, "list", "--json", "--to", "2020-01-01") == ""
