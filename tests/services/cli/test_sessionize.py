"""`clickloom sessionize`, as a person types it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from clickloom.times import SECOND_US
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow, Window
from services.cli import sessionize as sessionizing
from services.cli.__main__ import app
from services.cli.source import Line
from tests.clicks import click

Rows = list[dict[str, Any]]


def event(seconds: float, user: Any = 64, **more: Any) -> dict[str, Any]:
    made = {"user_id": user, "device_id": "computer", "client_event": "beer_products"}
    return {**made, "client_timestamp": round(seconds * 1_000), **more}


def sessionize(lines: Sequence[dict[str, Any]], *options: str) -> Rows:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    result = CliRunner().invoke(app, ["sessionize", "-", *options], input=text, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def brief(rows: Rows) -> list[tuple[str, str, int]]:
    return [(row["begin_session"], row["end_session"], row["events"]) for row in rows]


def test_the_web_log_has_the_sessions_that_were_counted_elsewhere(access_log: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "sessionize", "--format", "combined", "--out-of-orderness", "60s"]
    done = subprocess.run([*command, str(access_log)], capture_output=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 3_223
    assert sum(row["events"] == 1 for row in rows) == 1_774
    assert sum(row["events"] for row in rows) == 9_999
    assert done.stderr.decode().startswith("rejected line 8899: malformed_line: ")


def test_the_four_fields_alone_make_a_session() -> None:
    (row,) = sessionize([event(1_614_358_320.5, client_timestamp="2021-02-26T16:52:00.500001"), event(1_614_358_350)])
    assert row.pop("session_uid")
    assert row == {
        "session_id": "64_COM1614358320",
        "site_id": "default",
        "user_id": "64",
        "device_id": "computer",
        "begin_session": "2021-02-26T16:52:00.500001Z",
        "end_session": "2021-02-26T16:52:30Z",
        "events": 2,
        "begin_navigation": "beer_products",
        "end_navigation": "beer_products",
        "duration_sec": 29,
        "closed_by": "gap",
        "version": 1,
    }


def test_a_watermark_line_moves_the_watermark_and_nothing_else_does() -> None:
    lines = [event(1_000), event(0), {"watermark": "1970-01-01T00:10:00Z"}, event(5), {"watermark": 700_000}, event(6)]
    rows = sessionize(lines, "--window", "session(gap=10s)", "--allowed-lateness", "600s", "--emit", "changelog")
    assert [(row["op"], row["events"], row["version"]) for row in rows] == [
        ("+", 1, 1),  # the click at 0
        ("-", 1, 1),
        ("+", 2, 2),  # with the click at 5; the one at 6 is late
        ("+", 1, 1),  # the click at 1,000
    ]


def test_late_clicks_are_written_as_they_came_with_the_reason(tmp_path: Path) -> None:
    late = tmp_path / "late.jsonl"
    lines = [event(10_000), event(1, page_url="/beer", revenue="1.50")]
    options = ("--window", "session(gap=5s)", "--allowed-lateness", "1s", "--out-of-orderness", "0s")
    assert brief(sessionize(lines, *options, "--late", str(late))) == [
        ("1970-01-01T02:46:40Z", "1970-01-01T02:46:40Z", 1)
    ]
    (row,) = map(json.loads, late.read_text().splitlines())
    assert {name: row[name] for name in lines[1]} == lines[1]
    assert row["reason"] == "its session could no longer change: the watermark was 9993 s past its time"
    assert (row["watermark"], row["late_by_sec"]) == ("1970-01-01T02:46:40Z", 9_993.0)


def test_a_late_line_of_an_access_log_is_kept_whole(tmp_path: Path) -> None:
    log = '1.2.3.4 - - [{day}/May/2015:10:05:0{second} +0000] "GET / HTTP/1.1" 200 1 "-" "curl"\n'
    (tmp_path / "log").write_text(log.format(day=18, second=1) + log.format(day=17, second=2))
    late = tmp_path / "late"
    arguments = ["sessionize", "--format", "combined", "--late", str(late), str(tmp_path / "log")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert json.loads(late.read_text())["line"] == log.format(day=17, second=2).rstrip()


def test_a_click_at_exactly_the_gap_joins_unless_the_boundary_is_exclusive() -> None:
    lines = [event(0), event(1_800)]
    assert [row["events"] for row in sessionize(lines)] == [2]
    assert [row["events"] for row in sessionize(lines, "--boundary", "exclusive")] == [1, 1]
    near = [event(0), event(1_799.999)]
    assert [row["events"] for row in sessionize(near, "--boundary", "exclusive")] == [2]


def test_a_longest_duration_on_the_command_line_cuts() -> None:
    lines = [event(600 * number) for number in range(10)]
    rows = sessionize(lines, "--max-duration", "1h")
    assert [(row["events"], row["closed_by"]) for row in rows] == [(7, "cap"), (3, "gap")]


def test_silence_on_the_arrival_clock_moves_the_watermark() -> None:
    """After an hour without arrivals the first visit is over; its straggler is late."""
    lines = [event(100, arrival="2024-05-01T00:00:00Z"), event(101, arrival="2024-05-01T02:00:00Z")]
    rows = sessionize(lines, "--window", "session(gap=30m)", "--allowed-lateness", "5m")
    assert [row["events"] for row in rows] == [1]
    assert [row["events"] for row in sessionize([event(100), event(101)])] == [2]


def test_a_stagger_row_is_emitted_one_range_after_it_opened_on_the_arrival_clock() -> None:
    lines = [event(600, arrival=605_000), event(645, arrival=650_000), event(658, arrival=700_000)]
    rows = sessionize(lines, "--window", "stagger(range=1m)", "--emit", "changelog")
    assert [(row["op"], row["events"], row["version"]) for row in rows] == [("+", 2, 1), ("-", 2, 1), ("+", 3, 2)]
    (final,) = sessionize(lines, "--window", "stagger(1m)")
    assert (final["events"], final["closed_by"], final["version"]) == (3, "range", 2)


def test_what_is_no_click_is_told_with_its_line_and_does_not_move_the_watermark(tmp_path: Path) -> None:
    lines = [
        json.dumps(event(100)),
        '{"user_id": 64}',
        "not json",
        json.dumps(event(4e9)),  # in the next century
        json.dumps(event(-1)),
        '{"watermark": "soon"}',
        json.dumps(event(101)),
    ]
    result = CliRunner().invoke(app, ["sessionize", "-"], input="\n".join(lines), catch_exceptions=False)
    assert json.loads(result.stdout)["events"] == 2
    told = [" ".join(line.split()[:4]) for line in result.stderr.splitlines() if line.startswith("rejected")]
    assert told == [
        "rejected line 2: invalid_field:",
        "rejected line 3: malformed_json:",
        "rejected line 4: time_in_future:",
        "rejected line 5: time_before_1970:",
        "rejected line 6: invalid_time:",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--window", "session(gap=0s)"], "the gap must be greater than 0"),
        (["--window", "hopping(1m)"], "is no window"),
        (["--window", "session(gap=1h)", "--max-duration", "30m"], "must not be less than the gap"),
        (["--allowed-lateness=-1s"], "allowed_lateness must not be negative"),
        (["--allowed-lateness", "soon"], "is no duration"),
        (["--window", "stagger(1m)", "--boundary", "exclusive"], "are for session windows"),
        ([], "nowhere.jsonl cannot be opened: No such file or directory"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "services.cli", "sessionize", *options, "nowhere.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, env={"COLUMNS": "200", "PATH": ""}, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def applied(lines: Sequence[Line], window: Window, rules: Rules) -> list[tuple[object, ...]]:
    final = sessionizing.Final(window, rules)
    standing: dict[bytes, Any] = {}
    for emitted in sessionizing.read(lines, window, rules):
        minus, plus = final.apply(emitted.changelog)
        for row in minus:
            del standing[row.uid]
        standing.update((row.uid, row) for row in plus)
    return sorted((row.user_id, row.begin_us, row.end_us, row.events, row.version) for row in standing.values())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), told=st.booleans())
@pytest.mark.parametrize("window", [SessionWindow("visits", gap_us=10 * SECOND_US), StaggerWindow("minutes")])
def test_how_clicks_are_cut_into_chunks_makes_no_difference(window: Window, seed: int, told: bool) -> None:
    """Not even to the versions: each click counts as if it came alone."""
    random = Random(seed)
    rules = Rules(out_of_orderness_us=3 * SECOND_US, allowed_lateness_us=20 * SECOND_US)
    lines = []
    for number in range(60):
        made = click(number + random.uniform(-25, 0) + 100, user=random.choice("ab"))
        lines.append(Line(b"", made, (number + 200) * SECOND_US if told else None))
    whole = applied(lines, window, rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessionizing, "CHUNK", 1)
        assert applied(lines, window, rules) == whole
    final = sorted(sessionizing.sessionize(lines, window, rules), key=lambda row: (row.user_id, row.begin_us))
    assert [(row.user_id, row.begin_us, row.end_us, row.events, row.version) for row in final] == whole
