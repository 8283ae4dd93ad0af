"""The rate that is asked for is the rate that comes."""

from itertools import islice
from random import Random

import pytest

from clickloom.times import DAY_US, SECOND_US
from services.generator.pace import Slots, day_curve, week_curve

BEGIN_US = 1_700_000_000 * SECOND_US


def slots(rate: float, seed: int = 1) -> Slots:
    return Slots(Random(seed), begin_us=BEGIN_US, rate=rate)


def ticks(seed: int, *, seconds: int, longest_us: int) -> list[int]:
    """Moments at which a loop looks at the clock, irregularly."""
    random, moments = Random(seed), [BEGIN_US]
    while moments[-1] < BEGIN_US + seconds * SECOND_US:
        moments.append(moments[-1] + random.randint(1, longest_us))
    return moments


@pytest.mark.parametrize("rate", [0.1, 1, 20, 777.7, 50_000])
def test_the_rate_is_kept_to_one_percent(rate: float) -> None:
    made = slots(rate)
    seconds = max(3, int(200 / rate))
    due = [slot for now in ticks(2, seconds=seconds, longest_us=900_000) for slot in made.due(now)]
    assert len(due) == pytest.approx(rate * seconds, rel=0.01, abs=max(2, rate))
    assert due == sorted(due)
    exact = list(islice(slots(rate), len(due)))
    assert exact[-1] - BEGIN_US == pytest.approx(len(due) * SECOND_US / rate, rel=0.01, abs=SECOND_US / rate)


def test_when_slots_are_asked_for_does_not_change_them() -> None:
    often, seldom = slots(50), slots(50)
    first = [slot for now in ticks(3, seconds=20, longest_us=10_000) for slot in often.due(now)]
    second = [slot for now in ticks(4, seconds=20, longest_us=990_000) for slot in seldom.due(now)]
    common = min(len(first), len(second))
    assert common > 900
    assert first[:common] == second[:common] == list(islice(slots(50), common))


@pytest.mark.parametrize("rate", [0.2, 20, 1_000])
def test_after_a_stall_there_is_no_more_than_a_second_of_it(rate: float) -> None:
    made = slots(rate)
    list(made.due(BEGIN_US + SECOND_US))
    now = BEGIN_US + 3_600 * SECOND_US
    burst = list(made.due(now))
    assert len(burst) <= max(1, rate) + 1
    assert all(now - max(SECOND_US, SECOND_US / rate) <= slot <= now for slot in burst)
    after = [slot for second in range(1, 51) for slot in made.due(now + second * SECOND_US)]
    assert len(after) == pytest.approx(50 * rate, abs=2)


def test_the_day_curve_is_one_on_average_and_follows_the_day() -> None:
    hours = [day_curve(hour * DAY_US // 24) for hour in range(24)]
    assert sum(hours) / 24 == pytest.approx(1)
    assert max(hours) == hours[15] > 6 * hours[3] == 6 * min(hours)
    day = Slots(Random(1), begin_us=BEGIN_US // DAY_US * DAY_US, rate=1, curve=day_curve)
    made = list(day.until(day.next_us + DAY_US))
    assert len(made) == pytest.approx(86_400, rel=0.01)
    busy = sum(9 <= slot % DAY_US * 24 / DAY_US < 21 for slot in made)
    assert busy / len(made) == pytest.approx(0.739, abs=0.01)


def test_the_week_curve_is_one_on_average_and_busiest_before_sunday() -> None:
    monday_us = 4 * DAY_US  # 5 January 1970
    days = [
        sum(week_curve(monday_us + day * DAY_US + hour * DAY_US // 24) for hour in range(24)) / 24 for day in range(7)
    ]
    assert sum(days) / 7 == pytest.approx(1)
    assert days.index(max(days)) == 5
    assert min(days) == pytest.approx(days[0]) == pytest.approx(days[1])
