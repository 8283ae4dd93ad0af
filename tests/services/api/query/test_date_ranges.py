"""Stretches of time, in zones whose days are not all alike."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.api.query.date_ranges import Comparison, InvalidRange, Stretch, compared, parse_zone, resolve, so_far

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)  # in Berlin it is the 1st of April, 00:30


def shown(stretch: Stretch) -> tuple[str, str]:
    return stretch.begin.isoformat(), stretch.end.isoformat()


@pytest.mark.parametrize(
    ("written", "begin", "end"),
    [
        ("day", "2026-04-01T00:00:00+02:00", "2026-04-02T00:00:00+02:00"),
        ("24h", "2026-03-31T01:00:00+02:00", "2026-04-01T01:00:00+02:00"),
        ("7d", "2026-03-26T00:00:00+01:00", "2026-04-02T00:00:00+02:00"),
        ("30d", "2026-03-03T00:00:00+01:00", "2026-04-02T00:00:00+02:00"),
        ("month", "2026-04-01T00:00:00+02:00", "2026-04-02T00:00:00+02:00"),
        ("12mo", "2025-05-01T00:00:00+02:00", "2026-04-02T00:00:00+02:00"),
        (["2026-03-28", "2026-03-29"], "2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        (["2026-03-28T10:00:00Z", "2026-03-28T11:30:00"], "2026-03-28T11:00:00+01:00", "2026-03-28T11:30:00+01:00"),
    ],
)
def test_a_range_is_a_stretch_of_the_zones_days(written: Any, begin: str, end: str) -> None:
    assert shown(resolve(written, BERLIN, NOW)) == (begin, end)


@pytest.mark.parametrize(
    ("written", "comparison", "begin", "end"),
    [
        ("day", "previous_period", "2026-03-31T00:00:00+02:00", "2026-04-01T00:00:00+02:00"),
        ("7d", "previous_period", "2026-03-19T00:00:00+01:00", "2026-03-26T00:00:00+01:00"),
        ("24h", "previous_period", "2026-03-30T01:00:00+02:00", "2026-03-31T01:00:00+02:00"),
        ("7d", "year_before", "2025-03-26T00:00:00+01:00", "2025-04-02T00:00:00+02:00"),
        (["2024-02-29", "2024-02-29"], "year_before", "2023-02-28T00:00:00+01:00", "2023-03-01T00:00:00+01:00"),
    ],
)
def test_a_stretch_is_compared_with_as_many_days(written: Any, comparison: Comparison, begin: str, end: str) -> None:
    assert shown(compared(resolve(written, BERLIN, NOW), comparison)) == (begin, end)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2026-03-25T23:00:00+01:00", "2026-03-26T00:00:00+01:00"),
        ("2026-03-28T06:00:00+01:00", "2026-03-21T06:00:00+01:00"),
        ("2026-03-29T06:00:00+02:00", "2026-03-22T05:00:00+01:00"),
        ("2026-05-01T00:00:00+02:00", "2026-03-26T00:00:00+01:00"),
    ],
)
def test_a_stretch_that_is_not_over_is_compared_with_as_much_as_has_passed(until: str, end: str) -> None:
    stretch = resolve("7d", BERLIN, NOW)
    found = so_far(compared(stretch, "previous_period"), stretch, datetime.fromisoformat(until))
    assert shown(found) == ("2026-03-19T00:00:00+01:00", end)


def test_the_day_on_which_the_clock_changes_has_23_hours() -> None:
    assert resolve(["2026-03-29", "2026-03-29"], BERLIN, NOW).seconds == 23 * 3_600


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("week", "'week' is no range; one of day, 24h"),
        (["2026-01-01"], "has two"),
        (["2026-01-02", "2026-01-01"], "2026-01-02 is not before 2026-01-01"),
        (["yesterday", "2026-01-01"], "'yesterday' is no date"),
        (["2026-01-01", 7], "7 is no date"),
        (["0001-01-01", "2026-01-01"], "'0001-01-01' is not between 1970-01-01 and"),
    ],
)
def test_what_is_no_range_is_told(written: Any, told: str) -> None:
    with pytest.raises(InvalidRange, match=told):
        resolve(written, BERLIN, NOW)


def test_a_zone_goes_by_its_name_alone() -> None:
    assert parse_zone("Europe/Berlin") == BERLIN
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(InvalidRange, match="is no time zone"):
            parse_zone(name)
