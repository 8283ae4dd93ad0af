"""Cases restated from the test suites of other systems: `../shared/conformance`, whose headers say each one's rules."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.session import Session
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow
from clickloom.wire import LateClick
from tests.clicks import batch, click
from tests.windows.answers import Changelog, Stored, spans

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"
FAR_AHEAD_US = 10**6 * SECOND_US  # further than any case reaches

Case = dict[str, Any]


def cases(file: str, kind: str | None = None) -> list[Any]:
    """The file's cases, each named by its system."""
    path = FOLDER / file
    if not path.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"left out: {path} is not there"))]
    found = [case for case in json.loads(path.read_text())["cases"] if case.get("kind") == kind]
    return [pytest.param(case, id=case["id"]) for case in found]


def window_of(case: Case) -> SessionWindow:
    window = SessionWindow("visits", gap_us=round(case["gap_s"] * SECOND_US), max_duration_us=FAR_AHEAD_US)
    return window.exclusive() if case.get("boundary") == "exclusive" else window


def rules_of(case: Case) -> Rules:
    lateness_us = FAR_AHEAD_US if case.get("lateness_unbounded") else round(case["allowed_lateness_s"] * SECOND_US)
    behind_us = round(case.get("watermark_delay_s", 0) * SECOND_US)
    return Rules(out_of_orderness_us=behind_us, allowed_lateness_us=lateness_us)


def clicks_of(case: Case) -> list[Click]:
    return [click(event["t_s"], user=event["key"], event_id=f"e{i}") for i, event in enumerate(case["events"])]


def run(case: Case) -> tuple[list[Session], list[LateClick]]:
    """The final sessions and the late clicks; where a system keeps a watermark a key, each key is run by itself."""
    scope = {event["key"] for event in case["events"]} if case.get("watermark_scope") == "key" else {None}
    rows: list[Session] = []
    late: list[LateClick] = []
    for key in scope:
        found, found_late = run_steps(case, key)
        rows += found.rows.values()
        late += found_late
    return rows, late


def run_steps(case: Case, key: str | None) -> tuple[Changelog, list[LateClick]]:
    """The case step by step, a restart from what was committed included."""
    window, rules, clicks = window_of(case), rules_of(case), clicks_of(case)
    partition, log, stored = Partition(window, rules), Changelog(), Stored()
    late: list[LateClick] = []
    told = "steps" in case or case["lateness_rule"] == "spark"  # Spark's moves only after a batch: each case is one
    for step in case.get("steps") or [{"op": "event", "i": i} for i in range(len(clicks))]:
        if step["op"] == "event" and key not in (None, clicks[step["i"]].user_id):
            continue
        if step["op"] == "event":
            partition.apply(batch(clicks[step["i"]]), explicit_watermark=told)
        elif step["op"] == "watermark":
            partition.advance(round(step["t_s"] * SECOND_US))
        else:
            assert step["op"] == "restart"
            partition = stored.new_owner(window, rules)
        late += stored.commit(partition, log).changelog.late
    partition.finish()
    stored.commit(partition, log)
    return log, late


def reported(rows: list[Session]) -> list[tuple[str, float, float, int]]:
    return sorted((row.user_id, row.begin_us / SECOND_US, row.end_us / SECOND_US, row.events) for row in rows)


@pytest.mark.parametrize("case", cases("sessions.json", "session"))
def test_a_session_case_of_another_system(case: Case) -> None:
    rows, late = run(case)
    if "anomaly" in case:
        for before, after in pairwise(spans(rows)):
            assert before.user != after.user or after.begin - before.end > case["gap_s"]
        return
    expected = [(each["key"], each["start_s"], each["end_s"], each["count"]) for each in case["expected"]]
    assert reported(rows) == sorted(expected)
    assert [(one.key.split("\x1f")[1], one.time_us / SECOND_US) for one in late] == [
        (each["key"], each["t_s"]) for each in case["late"]
    ]
    for one, each in zip(late, case["late"], strict=True):
        assert one.late_by_us / SECOND_US == each.get("late_by_s", one.late_by_us / SECOND_US)


@pytest.mark.parametrize("case", cases("sessions.json", "invalid_config"))
def test_a_window_that_another_system_refuses_is_refused(case: Case) -> None:
    for gap_s in case["gap_s_rejected"]:
        with pytest.raises(InvalidSetting, match="gap must be greater than 0"):
            SessionWindow("visits", gap_us=gap_s * SECOND_US)
    for lateness_s in case.get("allowed_lateness_s_rejected", []):
        with pytest.raises(InvalidSetting, match="allowed_lateness must not be negative"):
            Rules(allowed_lateness_us=lateness_s * SECOND_US)


@pytest.mark.parametrize("case", cases("sessions.json", "watermark"))
def test_the_watermark_is_the_greatest_event_time_less_the_wait(case: Case) -> None:
    rules = Rules(out_of_orderness_us=case["wait_s"] * SECOND_US)
    partition = Partition(SessionWindow("visits"), rules)
    greatest = 0
    for op, time_s, now_s in case["script"]:
        assert op == "item"
        partition.apply(batch(click(time_s), arrival=now_s))
        greatest = max(greatest, time_s)
        assert partition.watermark.us == (greatest - case["wait_s"]) * SECOND_US


def seconds(text: str) -> float:
    """Of `11:00:20`, or `11:00`."""
    hours, minutes, *rest = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + sum(rest)


@pytest.mark.parametrize("case", cases("stagger.json"))
def test_a_stagger_case(case: Case) -> None:
    """Rows open on the first arrival and are emitted one range later; what comes after that revises the row."""
    window = StaggerWindow("minutes", range_us=case["range_s"] * SECOND_US)
    partition, log = Partition(window, Rules(out_of_orderness_us=0)), Changelog()
    emitted: dict[tuple[str, float], float] = {}
    arriving = {seconds(event["rowtime"]): event for event in case["events"]}
    for now in range(int(min(arriving)), int(max(arriving)) + 4 * case["range_s"]):
        partition.idle(now * SECOND_US)
        if event := arriving.get(now):
            partition.apply(batch(click(seconds(event["event_time"]), user=event["key"]), arrival=now))
        for row in log.take(partition).changelog.plus:
            emitted.setdefault((row.user_id, row.timeagg_us / SECOND_US), now)
    assert {(row.user_id, row.timeagg_us / SECOND_US): row.events for row in log.rows.values()} == counts(case)
    for each in case["expected"]:
        key = (each.get("key", case["events"][0]["key"]), seconds(each["minute"]))
        assert emitted[key] == min(
            seconds(other["emit_rowtime"]) for other in case["expected"] if other["minute"] == each["minute"]
        )


def counts(case: Case) -> dict[tuple[str, float], int]:
    """Kinesis' rows of one visitor and minute added up: here they are one."""
    found: dict[tuple[str, float], int] = {}
    for each in case["expected"]:
        key = (each.get("key", case["events"][0]["key"]), seconds(each["minute"]))
        found[key] = found.get(key, 0) + each["count"]
    assert sum(found.values()) == len(case["events"])
    assert all(moment % (MINUTE_US / SECOND_US) == 0 for _, moment in found)
    return found
