"""The original system's event."""

import re
from collections import Counter
from random import Random

from clickloom.times import parse_time
from services.generator.original import EVENTS, Original

NOON_US = parse_time("2021-02-26T13:31:00")


def test_users_devices_and_events_are_drawn_as_the_original_drew_them() -> None:
    model = Original(Random(1))
    clicks = [model.click(NOON_US + number) for number in range(20_000)]
    assert {click.user_id for click in clicks} == set(range(1, 156))  # five ranges of 31
    devices = Counter(click.device_id for click in clicks)
    assert {name: round(count / 20_000, 1) for name, count in devices.items()} == {
        "mobile": 0.4,
        "computer": 0.4,
        "tablet": 0.2,
    }
    assert {click.client_event for click in clicks} == set(EVENTS)
    assert len(EVENTS) == 6


def test_its_time_has_no_zone_and_its_user_is_an_integer() -> None:
    click = Original(Random(1)).click(NOON_US + 1)
    assert re.fullmatch(r"2021-02-26T13:31:00\.000001", str(click.client_timestamp))
    assert isinstance(click.user_id, int)
    assert click.details() is None


def test_the_same_seed_makes_the_same_events() -> None:
    first, second = Original(Random(5)), Original(Random(5))
    assert [first.click(NOON_US + n) for n in range(100)] == [second.click(NOON_US + n) for n in range(100)]
