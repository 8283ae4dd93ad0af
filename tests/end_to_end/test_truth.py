"""Generated traffic through the services as they run, held against its truth."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from clickloom.settings import Settings
from services.cli.__main__ import app
from services.generator.truth import read_truth
from tests.end_to_end.api import asking
from tests.processes import PATIENCE_S, Process, Start, until

DISTURBED = ("--disorder", "0.2", "--disorder-within", "60s", "--late", "0.01", "--duplicates", "0.03")

# What POST /v1/query tells by device and source, straight from the table of sessions.
NUMBERS = """
SELECT device_type, utm_source, count(*), sum(events)::int, count(DISTINCT (site_id, user_id)), sum(orders)::int,
    sum(revenue), count(*) FILTER (WHERE converted)
FROM sessions WHERE "window" = 'visits' GROUP BY 1, 2
"""
METRICS = ["sessions", "clicks", "visitors", "orders", "revenue", "conversions"]


async def numbers_over_http(api: Process) -> list[tuple[Any, ...]]:
    now = datetime.now(UTC)
    question = {
        "metrics": METRICS,
        "dimensions": ["device_type", "utm_source"],
        "date_range": [(now - timedelta(days=1)).isoformat(), (now + timedelta(days=1)).isoformat()],
    }
    async with asking(api) as client:
        results = (await client.post("/v1/query", json=question)).json()["results"]
    money = len(question["dimensions"]) + METRICS.index("revenue")
    rows = [[*row["dimensions"], *row["metrics"]] for row in results]
    return [tuple(Decimal(value) if at == money else value for at, value in enumerate(row)) for row in rows]


async def test_the_pipeline_makes_exactly_the_true_sessions_and_refuses_exactly_the_late_clicks(
    start: Start, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "truth.jsonl"
    start("sessionizer")
    start("persister")
    generator = start(
        "generator", "--seed", "5", "--rate", "200", "--count", "400", "--history", "15m", "--truth", str(file),
        *DISTURBED, "--malformed", "0.01", "--bots", "0.02", "--conversion", "0.2",
    )  # fmt: skip
    assert await generator.ended() == 0, generator.output
    truth = read_truth(file.read_bytes().splitlines())
    assert len(truth.sessions) > 500
    assert len(truth.late) > 20
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    scored = CliRunner().invoke(app, ["score", str(file), "--wait", str(PATIENCE_S)], env={"COLUMNS": "200"})
    assert scored.exit_code == 0, scored.output
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        numbers = connection.execute(NUMBERS).fetchall()
        assert len(numbers) > 3
        assert sorted(await numbers_over_http(start("api", PORT="0")), key=repr) == sorted(numbers, key=repr)

        async def all_rejected() -> bool:
            return connection.execute("SELECT count(*) FROM rejected_events").fetchone() == (truth.end.malformed,)

        await until(all_rejected, what="the malformed events in rejected_events")
        connection.execute("UPDATE sessions SET revenue = revenue + 1 WHERE orders > 0 AND \"window\" = 'visits'")
    tampered = CliRunner().invoke(app, ["score", str(file)], env={"COLUMNS": "200"})
    assert tampered.exit_code == 1
    assert "revenue" in tampered.output
