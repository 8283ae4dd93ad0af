"""The shop's visits, and that the truth about them is true."""

import tracemalloc
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clickloom.click import Click
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from services.generator.plan import Plan
from services.generator.shop import Habits
from services.generator.truth import Truth
from tests.services.generator.traffic import START_US, clicks_of, generated, islands, rows

LONG = Settings(windows="visits = session(gap=30m)")


def shop(
    count: int, *, rate: float = 20, seed: int = 1, settings: Settings = LONG, **habits: float
) -> tuple[list[Click], Truth]:
    plan = Plan(seed=seed, count=count, rate=rate, habits=Habits(**habits))  # type: ignore[arg-type]  # by name
    lines, truth = generated(plan, settings)
    return clicks_of(lines), truth


@examples(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    rate=st.sampled_from([0.02, 0.5, 20.0, 2_000.0]),
    gap=st.sampled_from(["2s", "30s", "30m"]),
    users=st.sampled_from([1, 50, 10_000]),
    bots=st.sampled_from([0.0, 0.2]),
)
def test_the_truth_is_what_gaps_and_islands_over_all_clicks_give(
    seed: int, rate: float, gap: str, users: int, bots: float
) -> None:
    settings = Settings(windows=f"visits = session(gap={gap}, max_duration=1h)", sessions_of_bots=True)
    clicks, truth = shop(1_500, rate=rate, seed=seed, settings=settings, users=users, bots=bots, conversion=0.2)
    assert rows(truth.sessions) == rows(islands(clicks, truth.run.gap_us))
    assert sum(session.events for session in truth.sessions) == truth.end.clicks == 1_500
    assert all((session.end_session - session.begin_session).total_seconds() <= 3_600 for session in truth.sessions)


def test_a_visitor_comes_back_right_after_a_gap_and_pauses_almost_as_long_as_one() -> None:
    clicks, _ = shop(60_000)
    last: dict[tuple[object, str], int] = {}
    distances = []
    for click in clicks:
        visitor = click.user_id, click.device_id
        if visitor in last:
            distances.append(click.time_us - last[visitor])
        last[visitor] = click.time_us
    gap_us = 1_800 * SECOND_US
    assert sum(gap_us < distance < gap_us + 120 * SECOND_US for distance in distances) > 50
    assert sum(gap_us - 120 * SECOND_US < distance <= gap_us for distance in distances) > 20


def test_clicks_come_once_a_slot_and_in_order() -> None:
    clicks, _ = shop(2_000)
    plan = Plan(seed=1, rate=20)
    assert [click.time_us for click in clicks] == list(islice(plan.live_slots(START_US), 2_000))


def test_the_experiment_has_the_effect_that_was_set() -> None:
    clicks, truth = shop(60_000, conversion=0.1, effect=1.0)
    variant = {str(click.user_id): click.experiments["checkout"] for click in clicks if click.experiments}
    visits = Counter(variant[session.user_id] for session in truth.sessions)
    bought = Counter(variant[session.user_id] for session in truth.sessions if session.converted)
    assert visits["A"] / visits["B"] == pytest.approx(1, abs=0.25)
    assert bought["A"] / visits["A"] == pytest.approx(0.1, abs=0.015)
    assert bought["B"] / visits["B"] == pytest.approx(0.2, abs=0.02)


def test_the_landing_page_is_that_of_the_visitor_s_side_whatever_their_side_of_the_other_experiment() -> None:
    clicks, _ = shop(20_000)
    first = [click for click in clicks if click.experiments and click.client_event == "beer_vitrine_nav"]
    sides = Counter(
        (click.experiments["checkout"], click.experiments["landing"]) for click in first if click.experiments
    )
    assert len(sides) == 4
    assert min(sides.values()) / len(first) > 0.15
    pages = {(click.experiments["landing"], click.page_url) for click in first if click.experiments}
    assert pages == {("A", "https://shop.example/"), ("B", "https://shop.example/welcome")}


def test_so_many_visits_leave_after_a_page_as_was_set() -> None:
    _, none = shop(20_000, bounces=0.0, conversion=0.0)
    _, most = shop(20_000, bounces=0.8, conversion=0.0)
    after_a_page = [sum(s.events == 1 for s in truth.sessions) / len(truth.sessions) for truth in (none, most)]
    assert after_a_page[1] == pytest.approx(0.8 + 0.2 * after_a_page[0], abs=0.02)
    assert after_a_page[0] == pytest.approx(0.28, abs=0.04)  # the pages' own share that leave


def test_few_users_make_most_visits_and_many_have_several_devices() -> None:
    _, truth = shop(60_000, rate=0.5, users=10_000)
    visits = Counter(session.user_id for session in truth.sessions)
    returning = [visits[str(user)] for user in range(1, 10_001)]
    assert sum(returning[:100]) > 2 * sum(returning[5_000:])
    assert visits["1"] > visits["100"] > visits["9999"]
    devices = Counter(user for user, _ in {(session.user_id, session.device_id) for session in truth.sessions})
    assert set(devices.values()) == {1, 2, 3}


def test_only_the_first_click_of_a_visit_says_where_it_comes_from_and_only_a_checkout_has_an_order() -> None:
    clicks, truth = shop(20_000)
    first = {(session.user_id, session.device_id, session.begin_session) for session in truth.sessions}
    with_variant = [click for click in clicks if click.experiments]
    assert len(with_variant) == len(first)
    assert {click.utm_medium for click in with_variant} == {None, "cpc", "email", "social"}
    assert not [click for click in clicks if (click.referrer or click.utm_source) and not click.experiments]
    assert all(click.page_url for click in clicks)
    orders = [click for click in clicks if click.order_id]
    assert {click.client_event for click in orders} == {"beer_checkout"}
    assert len(orders) == sum(click.client_event == "beer_checkout" for click in clicks) > 100
    assert {click.currency for click in orders} == {"EUR"}
    assert len({click.order_id for click in orders}) == len(orders)
    assert sum(click.revenue or 0 for click in orders) == sum(session.revenue or 0 for session in truth.sessions)


def test_bots_make_the_share_that_was_set_and_say_what_they_are() -> None:
    clicks, truth = shop(20_000, bots=0.05, settings=Settings(sessions_of_bots=True))
    marked = [click for click in clicks if click.is_bot]
    assert len(marked) / len(clicks) == pytest.approx(0.05, rel=0.1)
    assert {str(click.user_id) for click in marked} == {session.user_id for session in truth.sessions if session.bot}


def test_the_truth_has_no_sessions_of_bots_unless_the_pipeline_makes_them() -> None:
    clicks, truth = shop(5_000, bots=0.05)
    people = [click for click in clicks if not click.is_bot]
    assert rows(truth.sessions) == rows(islands(people, truth.run.gap_us))
    assert (truth.end.clicks, truth.end.bots) == (len(people), 5_000 - len(people))


def held(count: int) -> int:
    """Bytes held after so many clicks of a shop whose visitors can come back after ten seconds."""
    plan = Plan(seed=1, rate=200)
    settings = Settings(windows="visits = session(gap=10s)")
    tracemalloc.start()
    arrivals = plan.arrivals(settings, lambda record: None)
    for time_us in islice(plan.live_slots(START_US), count):
        arrivals.add(time_us)
        arrivals.take(time_us)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size


def test_memory_is_bounded_by_the_visitors_that_are_active() -> None:
    assert held(24_000) < 1.2 * held(8_000)
