"""What a user agent says."""

import pytest

from clickloom.agents import device_type_of_agent, is_bot
from clickloom.click import normalise
from tests.clicks import click

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0"
PHONE = f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36"
BROWSERS = {
    PHONE: "mobile",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148": "mobile",
    f"Mozilla/5.0 (Linux; Android 13; SM-X700) {CHROME} Safari/537.36": "tablet",
    "Mozilla/5.0 (iPad; CPU OS 12_0 like Mac OS X) AppleWebKit/605.1.15 Version/12.0 Mobile/15E148 Safari": "tablet",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36": "computer",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15": "computer",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0": "computer",
}
BOTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
    "curl/8.9.1",
]


@pytest.mark.parametrize(("user_agent", "device_type"), BROWSERS.items())
def test_a_browser_is_no_bot_and_says_what_it_runs_on(user_agent: str, device_type: str) -> None:
    assert (is_bot(user_agent), device_type_of_agent(user_agent)) == (False, device_type)


@pytest.mark.parametrize("user_agent", BOTS)
def test_crawlers_and_programs_are_bots(user_agent: str) -> None:
    assert is_bot(user_agent)


def test_what_says_nothing_of_it_is_of_no_known_kind() -> None:
    assert device_type_of_agent("") is None
    assert device_type_of_agent("okhttp/4.9.0") is None


def test_a_click_takes_from_the_user_agent_what_it_does_not_say_itself_and_forgets_it() -> None:
    def taken(**fields: str) -> str | None:
        one = click(0, user_agent=PHONE, **fields)
        assert one.user_agent is None
        normalise(one, received_us=0, future_bound_us=0, new_event_id=str)
        return one.device_type

    assert taken(device_id="a-cookie") == "mobile"
    assert taken(device_id="a-cookie", device_type="tablet") == "tablet"
    assert taken(device_id="computer") is None, "the class that device_id is holds"
