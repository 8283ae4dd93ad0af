"""Settings that are refused, and the page that lists all of them."""

from pathlib import Path

import pytest

from clickloom.errors import InvalidSetting
from clickloom.settings import EXAMPLE_PASSWORDS, Settings, load_settings
from services.cli.settings_page import settings_page

ROOT = Path(__file__).parents[1]
EXAMPLES_REDIS = "redis://:change-me@valkey:6379/0"


def test_the_page_is_what_the_settings_are() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page(), "clickloom settings > docs/settings.md"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_what_it_is(name: str) -> None:
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("published", ["0.0.0.0:8080", "8080", "192.0.2.7:80", "[::]:8080", ":8080"])
def test_the_examples_password_is_refused_where_others_can_reach_it(published: str) -> None:
    with pytest.raises(InvalidSetting, match="REDIS_URL: has the example's password"):
        load_settings(publish=published, redis_url=EXAMPLES_REDIS)
    with pytest.raises(InvalidSetting, match="DATABASE_URL: has the example's password"):
        load_settings(publish=published, database_url="postgresql://clickloom:change%2Dme@postgres/clickloom")


@pytest.mark.parametrize("published", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", ""])
def test_it_is_good_enough_for_a_try_on_ones_own_machine(published: str) -> None:
    assert load_settings(publish=published, redis_url=EXAMPLES_REDIS)


def test_the_examples_passwords_are_known() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    passwords = [line.partition("=")[2] for line in lines if "PASSWORD=" in line]
    assert passwords
    assert set(passwords) <= EXAMPLE_PASSWORDS
