"""From which table a question's time is read: from breakdowns what these can tell, and all of the time once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.query.pieces import Piece, breakdown_of, of_visitors, pieces_of
from services.api.query.question import QueryRequest, Question, question_of

NOW = datetime(2025, 3, 31, 12, tzinfo=UTC)
MARCH = ["2025-03-01", "2025-03-31"]


def question(**members: Any) -> Question:
    return question_of(QueryRequest(**{"metrics": ["sessions"], "date_range": MARCH, **members}), (), NOW)


def read(*uncounted: date, **members: Any) -> list[tuple[str, str, str]]:
    """Source, begin, end."""
    asked = question(**members)
    found = pieces_of(asked, breakdown_of(asked), uncounted)
    return [(piece.source, f"{piece.begin:%d %H:%M}", f"{piece.end:%d %H:%M}") for piece in found]


def test_whole_days_at_rest_are_read_from_breakdowns() -> None:
    assert read() == read(dimensions=["entry_page"]) == [("days", "01 00:00", "01 00:00")]


def test_a_day_that_is_not_counted_is_read_from_what_tells_enough() -> None:
    today = date(2025, 3, 31)
    assert read(today)[1:] == [("rollups", "31 00:00", "01 00:00")]
    assert read(today, dimensions=["entry_page"])[1:] == [("sessions", "31 00:00", "01 00:00")]
    assert read(today, metrics=["revenue"])[1:] == [("sessions", "31 00:00", "01 00:00")], "rollups tell no currency"


def test_the_ends_of_another_zones_days_are_read_from_hours_or_what_tells_enough() -> None:
    berlin = {"timezone": "Europe/Berlin", "date_range": ["2025-03-03", "2025-03-05"]}
    assert read(**berlin) == [
        ("hours", "02 23:00", "03 00:00"),
        ("days", "03 00:00", "05 00:00"),
        ("hours", "05 00:00", "05 23:00"),
    ]
    assert [piece[0] for piece in read(**berlin, dimensions=["utm_source"])] == ["sessions", "days", "sessions"]
    assert read(**berlin, dimensions=["time:day"]) == [("hours", "02 23:00", "05 23:00")]


def test_weeks_of_another_zone_take_whole_days_but_for_those_in_which_they_begin() -> None:
    weeks = {"timezone": "America/New_York", "date_range": ["2025-03-03", "2025-03-16"], "dimensions": ["time:week"]}
    assert read(**weeks) == [
        ("hours", "03 05:00", "04 00:00"),
        ("days", "04 00:00", "10 00:00"),
        ("hours", "10 00:00", "11 00:00"),
        ("days", "11 00:00", "17 00:00"),
        ("hours", "17 00:00", "17 04:00"),
    ]
    months = {**weeks, "date_range": ["2025-01-01", "2025-12-31"], "dimensions": ["time:month", "utm_source"]}
    assert [piece[:2] for piece in read(**months) if piece[0] == "sessions"][:3] == [
        ("sessions", "01 05:00"), ("sessions", "01 00:00"), ("sessions", "01 00:00"),
    ]  # fmt: skip
    assert len(read(**months)) == 2 * 12 + 1


def test_a_chart_of_very_many_weeks_is_read_from_hours_alone() -> None:
    weeks = {"timezone": "Europe/Berlin", "date_range": ["2015-03-02", "2025-03-02"], "dimensions": ["time:week"]}
    assert [piece[0] for piece in read(**weeks)] == ["hours"]
    assert [piece[0] for piece in read(**{**weeks, "timezone": "UTC"})] == ["days"]


def test_in_a_zone_of_half_hours_time_is_cut_by_rollups() -> None:
    assert {piece[0] for piece in read(timezone="Asia/Kolkata", dimensions=["time:hour"])} == {"rollups"}
    assert {piece[0] for piece in read(timezone="Asia/Kolkata")} == {"rollups", "hours", "days"}
    assert {piece[0] for piece in read(timezone="UTC", dimensions=["time:minute"])} == {"sessions"}


def test_ends_within_a_bucket_are_read_from_sessions() -> None:
    ends = ["2025-03-03T10:02:30", "2025-03-03T12:07:00"]
    assert read(date_range=ends) == [
        ("sessions", "03 10:02", "03 10:05"),
        ("rollups", "03 10:05", "03 11:00"),
        ("hours", "03 11:00", "03 12:00"),
        ("rollups", "03 12:00", "03 12:05"),
        ("sessions", "03 12:05", "03 12:07"),
    ]


@pytest.mark.parametrize(
    ("members", "dimension"),
    [
        ({}, ""),
        ({"dimensions": ["device_type", "site_id"]}, ""),
        ({"filters": [["is", "device_type", ["mobile"]]], "dimensions": ["entry_page"]}, "entry_page"),
        ({"filters": [["is", "utm_source", ["a"]]], "dimensions": ["device_type", "utm_source"]}, "utm_source"),
        ({"dimensions": ["experiment:button"]}, "experiment:button"),
        ({"filters": [["is", "experiment:button", ["red"]]]}, None),
        ({"filters": [["is", "utm_source", ["a"]]], "dimensions": ["entry_page"]}, None),
        ({"filters": [["is", "event", ["cart"]]]}, None),
        ({"dimensions": ["user_id"]}, None),
    ],
)
def test_a_breakdown_serves_if_the_question_is_of_its_dimension_alone(
    members: dict[str, Any], dimension: str | None
) -> None:
    found = breakdown_of(question(**members))
    assert (found and found.dimension) == dimension


moments = st.datetimes(datetime(2025, 3, 1), datetime(2025, 4, 5)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001  # the zone is the question's


@settings(deadline=None)  # of a busy machine
@given(
    st.tuples(moments, moments).filter(lambda ends: ends[0] < ends[1]),
    st.sets(st.dates(date(2025, 3, 1), date(2025, 4, 5))),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]),
    st.sampled_from(
        [[], ["device_type"], ["begin_navigation"], ["entry_page"], ["time:hour"], ["time:week"], ["time:month"]]
    ),
)
def test_pieces_are_all_of_the_time_and_no_moment_twice(
    ends: tuple[datetime, datetime], uncounted: set[date], zone: str, dimensions: list[str]
) -> None:
    asked = question(date_range=[end.isoformat() for end in ends], timezone=zone, dimensions=dimensions)
    for pieces in (found := pieces_of(asked, breakdown_of(asked), uncounted), of_visitors(found)):
        assert pieces[0].begin.timestamp() == asked.stretch.begin.timestamp()
        assert pieces[-1].end.timestamp() == asked.stretch.end.timestamp()
        assert all(before.end == after.begin for before, after in pairwise(pieces))
        for piece in pieces:
            assert piece.begin < piece.end
            bucket_s = {"sessions": 1e-6, "rollups": 300, "hours": 3_600, "days": 86_400}[piece.source]
            assert piece.begin.timestamp() % bucket_s < 1e-6
            assert piece.source not in ("hours", "days") or piece.begin.date() not in uncounted
            if piece.source == "days" and asked.unit:
                assert all(is_of_one(asked, piece.begin + timedelta(days=day)) for day in range(days_of(piece)))


def days_of(piece: Piece) -> int:
    return (piece.end - piece.begin).days


def is_of_one(asked: Question, midnight: datetime) -> bool:
    """Whether the whole day is of one of the question's weeks or months."""
    hours = [(midnight + timedelta(minutes=15 * quarter)).astimezone(asked.zone) for quarter in range(96)]
    return len({hour.isocalendar()[:2] if asked.unit == "week" else hour.month for hour in hours}) == 1
