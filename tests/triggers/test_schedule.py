"""When a webhook is sent again."""

import pytest

from clickloom.errors import InvalidSetting
from clickloom.times import DAY_US, SECOND_US
from clickloom.triggers.schedule import next_wait_us, parse_waits

WAITS = parse_waits("5s, 5m")


def test_each_wait_is_the_next_one_give_or_take_a_tenth_and_after_the_last_there_is_none() -> None:
    assert next_wait_us(WAITS, 1, asked_us=0, chance=0.5) == 5 * SECOND_US
    assert next_wait_us(WAITS, 1, asked_us=0, chance=0) == 4.5 * SECOND_US
    assert next_wait_us(WAITS, 2, asked_us=0, chance=1) == 330 * SECOND_US
    assert next_wait_us(WAITS, 3, asked_us=0, chance=0.5) is None


def test_a_receiver_that_asks_for_longer_is_given_a_day_at_the_most() -> None:
    assert next_wait_us(WAITS, 1, asked_us=60 * SECOND_US, chance=0.5) == 60 * SECOND_US
    assert next_wait_us(WAITS, 2, asked_us=SECOND_US, chance=0.5) == 300 * SECOND_US
    assert next_wait_us(WAITS, 1, asked_us=10 * DAY_US, chance=0.5) == DAY_US


@pytest.mark.parametrize("text", ["soon", "5s; 5m", "-1s", "31d"])
def test_waits_that_are_none_are_refused_with_the_settings_name(text: str) -> None:
    with pytest.raises(InvalidSetting, match="WEBHOOK_RETRIES"):
        parse_waits(text)
