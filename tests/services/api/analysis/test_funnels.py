"""`POST /v1/funnels`, held against going through everything by hand."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from httpx import AsyncClient

from clickloom.click import Click
from clickloom.session import Touch
from tests.services.api.analysis.brute_force import Test, funnel
from tests.services.api.analysis.conftest import Traffic, Visit
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.ingest.test_native import problem
from tests.sessions import session

DAY = 1_614_297_600  # 2021-02-26
RANGE = ["2021-02-26", "2021-02-26"]
GENERATED = ["2024-01-01", "2024-01-02"]

Sequences = list[tuple[Sequence[Any], Sequence[int]]]


async def ask(api: AsyncClient, *steps: Any, **more: Any) -> dict[str, Any]:
    written = [step if isinstance(step, dict) else {"event": step} for step in steps]
    answer = await api.post("/v1/funnels", json={"date_range": RANGE, "steps": written, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(answer: dict[str, Any]) -> list[int]:
    return [step["count"] for step in answer["steps"]]


def medians(answer: dict[str, Any]) -> list[float | None]:
    return [step["median_s"] for step in answer["steps"][1:]]


def path(begin: float, *events: str, seconds: Sequence[float] = (), **more: Any) -> Any:
    offsets = [round(second * 1e6) for second in seconds] or [at * 1_000_000 for at in range(len(events))]
    return session(begin, events=len(events), path=list(events), path_offsets_us=offsets, **more)


async def test_steps_in_order_with_anything_between_are_counted_with_their_drop_off_and_median(
    api: AsyncClient, keep: Keep
) -> None:
    await keep(
        path(DAY, "a", "x", "b", "c", seconds=[0, 1, 10, 12], user="1"),
        path(DAY, "a", "b", seconds=[0, 20], user="2"),
        path(DAY, "b", "a", user="3"),
        path(DAY, "x", user="4"),
    )
    answer = await ask(api, "a", "b", "c")
    assert answer["steps"] == [
        {"event": ["a"], "count": 3, "dropped": 0, "of_first": 1, "of_previous": 1, "median_s": None},
        {"event": ["b"], "count": 2, "dropped": 1, "of_first": 0.666667, "of_previous": 0.666667, "median_s": 15},
        {"event": ["c"], "count": 1, "dropped": 1, "of_first": 0.333333, "of_previous": 0.5, "median_s": 2},
    ]
    assert (answer["conversion"], answer["counted"], answer["breakdown"]) == (0.333333, "sessions", None)
    assert answer["query"]["date_range"] == ["2021-02-26T00:00:00+00:00", "2021-02-27T00:00:00+00:00"]


async def test_in_strict_order_nothing_lies_between_and_the_chain_that_comes_furthest_counts(
    api: AsyncClient, keep: Keep
) -> None:
    await keep(
        path(DAY, "a", "x", "b", "c", user="1"),
        path(DAY, "a", "b", "x", "a", "b", "c", seconds=[0, 1, 2, 3, 8, 20], user="2"),
    )
    answer = await ask(api, "a", "b", "c", order="strict")
    assert (counts(answer), medians(answer)) == ([2, 1, 1], [5, 12])


async def test_one_event_is_one_step_only_and_a_step_may_be_any_of_several(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, "a", "b", user="1"), path(DAY, "a", "a", user="2"), path(DAY, "c", "b", user="3"))
    assert counts(await ask(api, "a", "a")) == [2, 1]
    assert counts(await ask(api, {"event": ["a", "c"]}, {"event": ["a", "b"]})) == [3, 3]


async def test_nobody_at_the_first_step_is_an_answer_too(api: AsyncClient) -> None:
    answer = await ask(api, "a", "b", breakdown="device_type")
    assert (counts(answer), medians(answer), answer["conversion"]) == ([0, 0], [None], None)
    assert answer["breakdown"] == []


async def test_users_count_once_and_only_with_what_they_did_within_the_time(api: AsyncClient, keep: Keep) -> None:
    hour = 3600
    await keep(
        path(DAY, "a", user="1"),
        path(DAY + 5 * hour, "a", user="1"),
        path(DAY + 6 * hour, "b", user="1"),
        path(DAY, "a", user="2"),
        path(DAY + 6 * hour, "b", user="2"),
        path(DAY, "b", user="3"),
        path(DAY + 1, "a", user="3"),
    )
    answer = await ask(api, "a", "b", within="2h")
    assert (answer["counted"], counts(answer), medians(answer)) == ("users", [3, 1], [hour])
    assert counts(await ask(api, "a", "b", within="6h")) == [3, 2]
    assert counts(await ask(api, "a", "b", within="5h", order="strict")) == [3, 1]


async def test_a_later_step_may_come_after_the_range_and_a_first_one_may_not(api: AsyncClient, keep: Keep) -> None:
    night = DAY + 86_400 - 60
    await keep(
        path(night, "a", user="1"), path(night + 120, "b", user="1"),
        path(night + 120, "a", user="2"), path(night + 240, "b", user="2"),
    )  # fmt: skip
    assert counts(await ask(api, "a", "b", within="1h")) == [1, 1]


async def test_a_breakdown_has_the_most_frequent_values_and_one_row_for_the_rest(api: AsyncClient, keep: Keep) -> None:
    for number, source in enumerate(["x", "x", "x", None, None, "y", "z"]):
        await keep(path(DAY + number, "a", *["b"] * (number % 2), user=str(number), touch=Touch(utm_source=source)))
    answer = await ask(api, "a", "b", breakdown="utm_source", limit=2)
    found = [(group["value"], group["other"], counts(group)) for group in answer["breakdown"]]
    assert found == [("x", False, [3, 1]), (None, False, [2, 1]), (None, True, [2, 1])]
    assert counts(answer) == [7, 3]
    by_user = await ask(api, "a", "b", breakdown="utm_source", within="1h")
    assert [(group["value"], counts(group)) for group in by_user["breakdown"]][:2] == [("x", [3, 1]), (None, [2, 1])]


async def test_sessions_with_more_events_than_are_kept_are_told(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, *["a"] * 100, path_truncated=True, user="1"), path(DAY, "a", user="2"))
    assert (await ask(api, "a", "b"))["truncated_sessions"] == 1


async def test_filters_on_sessions_and_the_site_leave_out_what_they_say(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, "a", user="1", device_type="mobile"), path(DAY, "a", user="2", site_id="shop"))
    assert counts(await ask(api, "a", "b", filters=[["is", "device_type", ["mobile"]]])) == [1, 0]
    assert counts(await ask(api, "a", "b", site_id="shop")) == [1, 0]
    assert counts(await ask(api, "a", "b", date_range="day")) == [0, 0]


async def test_a_key_of_one_site_counts_only_that(locked: Any, make: Make, keep: Keep) -> None:
    await keep(path(DAY, "a", user="1"), path(DAY, "a", user="2", site_id="shop"))
    key = await make("read", "shop")
    async with serving(locked) as api:
        api.headers["authorization"] = f"Bearer {key}"
        assert counts(await ask(api, "a", "b")) == [1, 0]
        other = {"steps": [{"event": "a"}] * 2, "site_id": "default"}
        problem(await api.post("/v1/funnels", json=other), 403)


STEPS = ["beer_vitrine_nav", "beer_products", "beer_product_detail", "beer_cart", "beer_checkout"]


def named(*names: str) -> list[Test[Click]]:
    return [lambda click, name=name: click.client_event == name for name in names]  # type: ignore[misc]  # bound now


def of_visits(visits: list[Visit]) -> Sequences:
    return [(visit, [click.time_us for click in visit]) for visit in visits]


def of_users(visits: list[Visit]) -> Sequences:
    mine: defaultdict[object, Visit] = defaultdict(list)
    for visit in visits:
        mine[str(visit[0].user_id)] += visit
    return of_visits(
        [sorted(clicks, key=lambda click: (click.time_us, click.client_event)) for clicks in mine.values()]
    )


async def test_of_generated_traffic_every_way_to_count_equals_counting_by_hand(
    api: AsyncClient, traffic: Traffic
) -> None:
    visits = await traffic(4_000)
    for strict in (False, True):
        order = {"order": "strict" if strict else "loose", "date_range": GENERATED}
        by_session = await ask(api, *STEPS, **order)
        assert equal(by_session, funnel(of_visits(visits), named(*STEPS), strict=strict))
        for within, within_us in (("5m", 300_000_000), ("1d", 86_400_000_000)):
            by_user = await ask(api, *STEPS, **order, within=within)
            expected = funnel(of_users(visits), named(*STEPS), strict=strict, within_us=within_us)
            assert equal(by_user, expected), (strict, within)


async def test_steps_with_filters_count_each_click_that_sessions_count_once(api: AsyncClient, traffic: Traffic) -> None:
    visits = await traffic(4_000)
    steps = [
        {"event": "beer_product_detail", "filters": [["matches", "page_url", ["/products/1[0-3]"]]]},
        {"event": ["beer_product_detail", "beer_selection"]},
        {"event": "beer_checkout", "filters": [["at_least", "revenue", [20]]]},
    ]
    tests: list[Test[Click]] = [
        lambda click: (
            click.client_event == "beer_product_detail"
            and any(f"/products/1{digit}" in (click.page_url or "") for digit in "0123")
        ),
        lambda click: click.client_event in ("beer_product_detail", "beer_selection"),
        lambda click: click.client_event == "beer_checkout" and Decimal(click.revenue or 0) >= 20,
    ]
    for strict in (False, True):
        order = {"order": "strict" if strict else "loose", "date_range": GENERATED}
        assert equal(await ask(api, *steps, **order), funnel(of_visits(visits), tests, strict=strict))
        expected = funnel(of_users(visits), tests, strict=strict, within_us=3_600_000_000)
        assert equal(await ask(api, *steps, **order, within="1h"), expected)


async def test_out_of_clicks_comes_what_comes_out_of_paths(api: AsyncClient, traffic: Traffic) -> None:
    await traffic(3_000)
    any_click = {"event": STEPS[1], "filters": [["is_not", "page_url", ["nowhere"]]]}
    for more in ({}, {"within": "1h"}, {"breakdown": "device_type"}, {"breakdown": "device_type", "within": "1h"}):
        out_of_paths = await ask(api, *STEPS[1:], date_range=GENERATED, **more)
        out_of_clicks = await ask(api, any_click, *STEPS[2:], date_range=GENERATED, **more)
        for name in ("steps", "breakdown"):
            assert out_of_clicks[name] == out_of_paths[name]


def equal(answer: dict[str, Any], expected: tuple[list[int], list[float | None]]) -> bool:
    assert expected[0][1] > 3, "too few for it to mean something"
    assert counts(answer) == expected[0]
    return medians(answer) == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "field", "told"),
    [
        ({"steps": [{"event": "a"}]}, "steps", "at least 2"),
        ({"steps": [{"event": "a"}] * 11}, "steps", "at most 10"),
        ({"steps": [{"event": "a"}, {"event": []}]}, "steps[1].event", "a list of 1 to 20"),
        ({"steps": [{"event": "a"}, {"event": 7}]}, "steps[1].event", "string"),
        ({"steps": [{"event": "a"}, {"name": "b"}]}, "steps[1].event", "required"),
        (
            {"steps": [{"event": "a", "filters": [["is", "colour", ["red"]]]}, {"event": "b"}]},
            "steps[0].filters[0][1]",
            "one of page_url",
        ),
        ({"window": "hours"}, "window", "one of visits, minutes"),
        ({"date_range": "2y"}, "date_range", "one of day, 24h"),
        ({"timezone": "Mars"}, "timezone", "no time zone"),
        ({"filters": [["is", "colour", ["red"]]]}, "filters[0][1]", "one of site_id"),
        ({"within": "soon"}, "within", "write a number"),
        ({"within": "-1d"}, "within", "more than 0"),
        ({"breakdown": "event"}, "breakdown", "one of site_id"),
        ({"breakdown": "experiment:a\0"}, "breakdown", ""),
        ({"order": "any"}, "order", "loose"),
        ({"limit": 0}, "limit", "greater"),
        ({"colour": "red"}, "colour", "there are site_id, window"),
        ({"filters": [["matches", "user_id", ["("]]]}, "filters", "parentheses"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem_that_names_the_field(
    api: AsyncClient, asked: dict[str, Any], field: str, told: str
) -> None:
    found = problem(await api.post("/v1/funnels", json={"steps": [{"event": "a"}, {"event": "b"}], **asked}), 422)
    assert found["errors"][0]["field"] == field
    assert told in found["errors"][0]["message"]
