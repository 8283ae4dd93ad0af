"""What `POST /v1/query` answers beside the numbers, and what it refuses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient

from clickloom.session import Session, Touch
from clickloom.settings import Settings
from services.api.query import numbers
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.query.test_query import Ask, Count, ask, count_days  # noqa: F401  # fixtures
from tests.sessions import session

MIDNIGHT = datetime(2025, 3, 28, tzinfo=UTC).timestamp()
DAY, HOUR = 86_400, 3_600


def visit(at_s: float, user: str = "ann", **more: Any) -> Session:
    return session(MIDNIGHT + at_s, user=user, **more)


def paid(at_s: float, amount: str, currency: str | None, user: str = "ann") -> Session:
    return visit(at_s, user, orders=1, converted=True, revenue=Decimal(amount), touch=Touch(currency=currency))


async def test_rows_are_ordered_cut_and_told_to_be(ask: Ask, keep: Keep) -> None:  # noqa: F811
    names = ["a", "b", "b", "c", "c", "c"]
    await keep(*(visit(at, f"u{at}", begin_navigation=name) for at, name in enumerate(names)))
    query = {"metrics": ["sessions"], "dimensions": ["begin_navigation"]}
    found = await ask(**query, limit=2)
    assert [(row["dimensions"], row["metrics"]) for row in found["results"]] == [(["c"], [3]), (["b"], [2])]
    assert found["meta"]["truncated"]
    assert found["query"]["order_by"] == [["sessions", "desc"]]
    for metric in ("sessions", "visitors", "duration_p50"):
        up = await ask(**{**query, "metrics": [metric]}, order_by=[[metric, "asc"], ["begin_navigation", "asc"]])
        assert not up["meta"]["truncated"]
        expected = ["a", "b", "c"]
        assert [row["dimensions"] for row in up["results"]] == [[name] for name in expected], metric


async def test_totals_and_the_time_before_stand_beside_the_numbers(ask: Ask, keep: Keep) -> None:  # noqa: F811
    await keep(
        *(visit(-DAY + at, f"u{at}", bounced=at < 1) for at in range(4)),
        *(visit(at, f"u{at}", bounced=at < 3, device_type="mobile" if at else "computer") for at in range(6)),
    )
    found = await ask(
        metrics=["sessions", "bounce_rate", "revenue_per_session"],
        dimensions=["device_type"],
        date_range=["2025-03-28", "2025-03-28"],
        include={"totals": True, "comparison": "previous_period"},
    )
    mobile, computer = found["results"]
    assert mobile["comparison"] == {"metrics": [0, None, None], "change": [None, None, None]}
    assert (computer["metrics"], computer["comparison"]) == (
        [1, 100.0, "0"],
        {"metrics": [4, 25.0, "0"], "change": [-75.0, 75.0, None]},
    )
    assert found["totals"] == {
        "metrics": [6, 50.0, "0"],
        "comparison": {"metrics": [4, 25.0, "0"], "change": [50.0, 25.0, None]},
    }
    assert found["query"]["comparison_date_range"] == ["2025-03-27T00:00:00+00:00", "2025-03-28T00:00:00+00:00"]


async def test_time_is_compared_bucket_by_bucket_and_empty_ones_are_there_if_asked_for(
    ask: Ask,  # noqa: F811
    keep: Keep,
) -> None:
    await keep(visit(-DAY + HOUR), visit(HOUR), visit(HOUR + 1, "bob"), visit(3 * HOUR))
    found = await ask(
        metrics=["sessions", "visitors"],
        dimensions=["time:hour"],
        date_range=["2025-03-28T00:00:00", "2025-03-28T05:00:00"],
        include={"time_labels": True, "comparison": "previous_period"},
    )
    assert [row["metrics"][0] for row in found["results"]] == [0, 2, 0, 1, 0]
    assert found["meta"]["time_labels"][1] == "2025-03-28T01:00:00+00:00"
    earlier = await ask(
        metrics=["sessions"],
        dimensions=["time:hour"],
        date_range=["2025-03-28", "2025-03-28"],
        include={"comparison": "previous_period"},
    )
    assert [(row["metrics"], row["comparison"]["metrics"]) for row in earlier["results"]] == [([2], [1]), ([1], [0])]


async def test_a_day_that_is_not_over_is_compared_with_as_much_of_the_one_before(ask: Ask, keep: Keep) -> None:  # noqa: F811
    now = datetime.now(UTC).timestamp() - MIDNIGHT
    await keep(visit(now - 1, "now"), *(visit(now - DAY + away, f"u{away}") for away in (-2, HOUR, 2 * HOUR)))
    times = [datetime.fromtimestamp(MIDNIGHT + now + away, UTC).isoformat() for away in (-HOUR, DAY - HOUR)]

    async def before(**more: Any) -> list[Any]:
        found = await ask(metrics=["sessions"], date_range=times, include={"comparison": "previous_period", **more})
        numbers: list[Any] = found["results"][0]["comparison"]["metrics"]
        return numbers

    assert (await before(), await before(so_far=True)) == ([3], [1])


async def test_the_hour_that_comes_twice_is_two(ask: Ask, keep: Keep) -> None:  # noqa: F811
    end_of_summer = datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp() - MIDNIGHT
    await keep(visit(end_of_summer), visit(end_of_summer + HOUR))
    found = await ask(
        metrics=["sessions"],
        dimensions=["time:hour"],
        date_range=["2025-10-26", "2025-10-26"],
        timezone="Europe/Berlin",
        include={"time_labels": True},
    )
    assert len(found["results"]) == 25
    assert [row["dimensions"][0] for row in found["results"] if row["metrics"] == [1]] == [
        "2025-10-26T02:00:00+02:00",
        "2025-10-26T02:00:00+01:00",
    ]


async def test_revenue_of_several_currencies_is_not_added_up(ask: Ask, keep: Keep) -> None:  # noqa: F811
    await keep(paid(0, "10.50", "EUR"), paid(1, "3", "USD", "bob"), visit(2, "eve"))
    found = await ask(metrics=["revenue", "orders"])
    assert found["results"][0]["metrics"] == [None, 2]
    assert "EUR, USD" in found["meta"]["warnings"][0]
    each = await ask(metrics=["revenue"], dimensions=["currency"], filters=[["is_not", "currency", [None]]])
    assert {row["dimensions"][0]: row["metrics"][0] for row in each["results"]} == {"EUR": "10.5", "USD": "3"}
    assert each["meta"]["warnings"] == []


async def test_many_visitors_are_estimated_and_said_to_be(
    ask: Ask,  # noqa: F811
    keep: Keep,
    count_days: Count,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbers, "EXACT_SESSIONS", 100)
    await keep(*(visit(DAY * (at % 3) + at, f"u{at % 700}") for at in range(2_000)))
    exact = await ask(metrics=["visitors"], date_range=["2025-03-28", "2025-03-30"])
    assert (exact["results"][0]["metrics"], exact["meta"]["estimated"]) == ([700], [])
    await count_days()
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):  # the last has halves of hours, without sessions
        estimated = await ask(metrics=["visitors"], timezone=zone, date_range=["2025-03-28", "2025-03-30"])
        assert estimated["results"][0]["metrics"][0] == pytest.approx(700, rel=0.05)
        assert (estimated["meta"]["estimated"], len(estimated["meta"]["warnings"])) == (["visitors"], 1)


async def test_a_key_sums_up_its_sites_and_no_others(locked: Settings, keep: Keep, make: Make) -> None:
    await keep(*(visit(at, f"u{at}", site_id=site) for at, site in enumerate(["shop", "shop", "blog", "other"])))
    headers = {"authorization": f"Bearer {await make('read', 'shop', 'blog')}"}
    query = {"metrics": ["sessions"], "date_range": ["2025-03-28", "2025-03-28"], "dimensions": ["site_id"]}
    async with serving(locked) as client:
        both = (await client.post("/v1/query", json=query, headers=headers)).json()
        one = (await client.post("/v1/query", json={**query, "site_id": "blog"}, headers=headers)).json()
        other = await client.post("/v1/query", json={**query, "site_id": "other"}, headers=headers)
    assert [(row["dimensions"], row["metrics"]) for row in both["results"]] == [(["shop"], [2]), (["blog"], [1])]
    assert [row["metrics"] for row in one["results"]] == [[1]]
    assert other.status_code == 403


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no metric": ({"metrics": ["pageviews"]}, "metrics[0]", "bounce_rate"),
    "none at all": ({"metrics": []}, "metrics", "at least 1"),
    "a metric twice": ({"metrics": ["sessions", "sessions"]}, "metrics", "twice"),
    "no dimension": ({"dimensions": ["country"]}, "dimensions[0]", "entry_page"),
    "no dimension, for a session has many": ({"dimensions": ["event"]}, "dimensions[0]", "entry_page"),
    "no field": ({"filters": [["is", "country", ["de"]]]}, "filters[0][1]", "entry_page"),
    "no operator": ({"filters": [["equals", "utm_source", ["a"]]]}, "filters[0][0]", "contains_not"),
    "no regular expression": ({"filters": [["matches", "utm_source", ["("]]]}, "filters", "parentheses"),
    "no order": ({"order_by": [["orders", "desc"]]}, "order_by[0][0]", "sessions"),
    "no direction": ({"order_by": [["sessions", "down"]]}, "order_by[0][1]", "asc or desc"),
    "no range": ({"date_range": "90d"}, "date_range", "12mo"),
    "no zone": ({"timezone": "Berlin"}, "timezone", "Europe/Berlin"),
    "no window": ({"window": "weeks"}, "window", "visits"),
    "no member": ({"metric": ["sessions"]}, "metric", "there are site_id, window, metrics"),
    "no comparison": ({"include": {"comparison": "last_week"}}, "include.comparison", "previous_period"),
    "labels of no time": ({"include": {"time_labels": True}}, "include.time_labels", "time:day"),
    "too many labels": (
        {"dimensions": ["time:minute"], "include": {"time_labels": True}, "date_range": "30d"},
        "include.time_labels",
        "10,000",
    ),
    "too many rows": ({"limit": 10_001}, "limit", "10000"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_makes_no_sense_is_refused_by_its_name_and_with_what_is_possible(
    api: AsyncClient, name: str
) -> None:
    member, field, possible = REFUSED[name]
    answer = await api.post("/v1/query", json={"metrics": ["sessions"], "date_range": "7d", **member})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in [fault["field"] for fault in problem["errors"]]
    assert possible in problem["detail"]


async def test_a_body_that_is_no_json_or_none_is_refused(api: AsyncClient) -> None:
    for body in (b"", b"{", b"[]"):
        answer = await api.post("/v1/query", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body"), body
