"""The same clicks under two definitions."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clickloom.errors import InvalidSetting
from services.cli.__main__ import app

Columns = list[dict[str, Any]]


def backtest(file: Path | str, *windows: str, options: tuple[str, ...] = ()) -> Columns:
    arguments = [part for window in windows for part in ("--window", window)]
    result = CliRunner().invoke(app, ["backtest", *arguments, "--json", *options, str(file)])
    assert result.exit_code == 0, (result.output, result.exception)
    columns: Columns = json.loads(result.stdout)
    return columns


def event(user: int, minute: float, name: str = "beer_products", **more: object) -> dict[str, object]:
    time = round(minute * 60_000)
    return {"user_id": user, "device_id": "mobile", "client_event": name, "client_timestamp": time, **more}


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """One visitor who pauses for 20 minutes and then buys, one who leaves at once."""
    order = {"order_id": "o1", "revenue": "12.50", "currency": "EUR"}
    events = [event(1, 0), event(2, 1), event(1, 5), event(1, 25, "beer_checkout", **order), event(1, 26)]
    file = tmp_path / "clicks.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in events))
    return file


def test_a_shorter_gap_splits_and_a_longer_one_joins(clicks: Path) -> None:
    long, short = backtest(clicks, "session(gap=30m)", "session(gap=10m)")
    assert (long["sessions"], long["clicks"], long["split"], long["joined"]) == (2, 5, None, None)
    assert (short["sessions"], short["clicks"], short["split"], short["joined"]) == (3, 5, 1, 0)
    _, longer = backtest(clicks, "session(gap=10m)", "session(gap=30m)")
    assert (longer["split"], longer["joined"]) == (0, 2)


def test_bounces_conversion_revenue_and_durations_are_counted(clicks: Path) -> None:
    long, short = backtest(clicks, "session(gap=30m)", "session(gap=10m)")
    assert (long["bounces"], long["bounce_rate"], long["conversions"], long["conversion_rate"]) == (1, 0.5, 1, 0.5)
    assert (short["bounces"], short["conversions"]) == (1, 1)
    assert short["conversion_rate"] == pytest.approx(1 / 3)
    assert long["revenue"] == short["revenue"] == "12.50"
    assert long["duration_sec"] == {"p50": 780, "p90": 1404, "p99": 1544.4}
    assert short["duration_sec"]["p50"] == 60


def test_any_number_of_definitions_of_any_kind_stand_beside_the_first(clicks: Path) -> None:
    columns = backtest(clicks, "session(gap=30m)", "session(gap=30m)", "stagger(1m)", "a = session(gap=1s)")
    assert [column["sessions"] for column in columns] == [2, 2, 5, 5]
    assert [column["split"] for column in columns] == [None, 0, 1, 1]
    assert columns[3]["window"] == "a = session(gap=1s)"


def test_standard_input_and_packed_files_are_read_too(clicks: Path, tmp_path: Path) -> None:
    windows = ("session(gap=30m)", "session(gap=10m)")
    expected = backtest(clicks, *windows)
    packed = tmp_path / "clicks.jsonl.gz"
    packed.write_bytes(gzip.compress(clicks.read_bytes()))
    assert backtest(packed, *windows) == expected
    command = [sys.executable, "-m", "services.cli", "backtest", "--json", "-"]
    command += [part for window in windows for part in ("--window", window)]
    with clicks.open("rb") as lines:
        piped = subprocess.run(command, stdin=lines, capture_output=True, check=True)
    assert json.loads(piped.stdout) == expected


def test_the_web_log_under_its_known_gap_and_a_shorter_one(access_log: Path) -> None:
    options = ("--format", "combined", "--out-of-orderness", "60s")
    known, short = backtest(access_log, "session(gap=30m)", "session(gap=5s)", options=options)
    assert (known["sessions"], known["clicks"], short["clicks"]) == (3_223, 9_999, 9_999)
    assert short["sessions"] > known["sessions"]
    assert 0 < short["split"] <= 3_223 - 1_774
    assert short["joined"] == 0


def test_people_get_a_table_and_the_lines_that_are_no_clicks(clicks: Path) -> None:
    with clicks.open("a") as lines:
        lines.write("{}\n")
    arguments = ["backtest", "--window", "session(30m)", "--window", "session(10m)", str(clicks)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "conversion rate" in result.stdout
    assert "33.33 %" in result.stdout
    assert result.stderr.count("rejected line 6") == 1


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        (["session(gap=30m)"], "give --window twice"),
        (["session(gap=30m)", "session(gap=0s)"], "greater than 0"),
        (["session(gap=30m)", "session(gap=30m, max_duration=1m)"], "must not be less than the gap"),
        (["session(gap=30m)", "tumbling(1m)"], "is no window"),
    ],
)
def test_definitions_that_cannot_work_are_refused_before_anything_is_read(windows: list[str], said: str) -> None:
    arguments = [part for window in windows for part in ("--window", window)]
    result = CliRunner().invoke(app, ["backtest", *arguments, "/there/is/no/such/file"])
    assert isinstance(result.exception, InvalidSetting)
    assert said in str(result.exception)
