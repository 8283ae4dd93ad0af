"""Disorder, late clicks, duplicates and malformed events: each at its rate, and none of them in the truth."""

from collections import Counter
from itertools import accumulate

import pytest

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from services.generator.arrivals import Disturbances, Line
from services.generator.plan import ModelName, Plan, visits_of
from services.generator.shop import Habits
from services.generator.truth import Truth
from tests.services.generator.traffic import clicks_of, generated, islands, made_of, rows

WITHIN_US = 8 * SECOND_US
ROUGH = Disturbances(disorder=0.2, disorder_within_us=WITHIN_US, late=0.03, duplicates=0.05, malformed=0.02)


def rough(count: int, *, settings: Settings | None = None, seed: int = 1, **plan: object) -> tuple[list[Line], Truth]:
    made = Plan(seed=seed, count=count, **{"disturbances": ROUGH, **plan})  # type: ignore[arg-type]  # by name
    return generated(made, settings or Settings())


@pytest.mark.parametrize("model", list(ModelName))
def test_each_disturbance_comes_at_its_rate(model: ModelName) -> None:
    lines, truth = rough(30_000, model=model)
    assert len(lines) == truth.end.lines == 30_000
    clicks = clicks_of(lines)
    times = Counter(click.event_id for click in clicks)
    again = sum(count - 1 for count in times.values())
    late = {late.event_id for late in truth.late}
    assert len(lines) - len(clicks) == truth.end.malformed == pytest.approx(600, rel=0.15)
    assert again == truth.end.duplicates == pytest.approx(1_500, rel=0.1)
    assert len(late) == truth.end.late == pytest.approx(900, rel=0.12)
    assert len(times) - len(late) == truth.end.clicks
    first: dict[str | None, int] = {}
    for click in clicks:
        first.setdefault(click.event_id, click.time_us)
    in_time = [time_us for event_id, time_us in first.items() if event_id not in late]
    lags = [greatest - time_us for greatest, time_us in zip(accumulate(in_time, max), in_time, strict=True)]
    assert sum(lag > 0 for lag in lags) / len(lags) == pytest.approx(0.2, abs=0.03)
    assert WITHIN_US / 2 < max(lags) <= WITHIN_US
    assert {isinstance(line, Click) for line in lines} == {True, False}


@pytest.mark.parametrize("partitions", [1, 2, 64])
@pytest.mark.parametrize("rate", [0.2, 20.0, 1_000.0])
def test_every_late_click_is_refused_and_every_other_accepted_whatever_the_partitions(
    partitions: int, rate: float
) -> None:
    settings = Settings(out_of_orderness_us=WITHIN_US, allowed_lateness_us=0)
    lines, truth = rough(6_000, settings=settings, rate=rate, habits=Habits(bots=0.05))
    window = visits_of(settings)
    made, late = made_of(clicks_of(lines), window, settings.rules(), partitions=partitions)
    assert late == {click.event_id for click in truth.late}
    assert rows(made) == rows(truth.sessions)


@pytest.mark.parametrize("gap", ["3s", "30m"])
def test_revisions_bring_the_sessions_to_the_truth(gap: str) -> None:
    """With all of the bound given to lateness, sessions are emitted and then changed by what comes after."""
    windows = f"visits = session(gap={gap})"
    settings = Settings(windows=windows, out_of_orderness_us=0, allowed_lateness_us=WITHIN_US)
    lines, truth = rough(6_000, settings=settings)
    made, late = made_of(clicks_of(lines), visits_of(settings), settings.rules(), partitions=2)
    assert late == {click.event_id for click in truth.late}
    assert rows(made) == rows(truth.sessions)


def test_the_truth_counts_each_click_once_and_none_that_is_late() -> None:
    lines, truth = rough(20_000)
    late = {click.event_id for click in truth.late}
    counted = {click.event_id: click for click in clicks_of(lines) if click.event_id not in late}
    assert rows(truth.sessions) == rows(islands(counted.values(), truth.run.gap_us))


def test_the_same_seed_is_the_same_traffic_and_another_is_not() -> None:
    assert rough(3_000) == rough(3_000)
    assert rough(3_000)[0] != rough(3_000, seed=2)[0]


def test_disorder_changes_the_order_of_the_same_clicks() -> None:
    calm, truth = rough(3_000, disturbances=Disturbances())
    shuffled, same = rough(3_000, disturbances=Disturbances(disorder=0.5, disorder_within_us=WITHIN_US))
    assert truth == same
    assert calm != shuffled
    assert sorted(map(repr, calm)) == sorted(map(repr, shuffled))


def test_disorder_beyond_what_the_pipeline_accepts_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="at most OUT_OF_ORDERNESS"):
        rough(1, disturbances=Disturbances(disorder=0.1, disorder_within_us=311 * SECOND_US))


@pytest.mark.parametrize("shares", [{"late": 1.5}, {"disorder": -0.1}, {"late": 0.6, "malformed": 0.6}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting, match="must"):
        Disturbances(**shares)  # type: ignore[arg-type]  # by name
