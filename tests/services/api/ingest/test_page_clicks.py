"""What is filled in of an event of a page, for all times."""

import json

from hypothesis import given
from hypothesis import strategies as st

from services.api.ingest.page_clicks import NETWORKS_TAKE_US, campaign_of, origin_of, page_parser

RECEIVED_US = 1_700_000_000_000_000
WORD = {"client_event": "a", "client_timestamp": RECEIVED_US // 1_000}


@given(st.integers(-(10**9), 10**9))
def test_the_time_of_sending_counts_only_if_no_network_takes_so_long(off_ms: int) -> None:
    parse = page_parser(visitor="v", user_agent="", received_us=RECEIVED_US)
    click = parse(json.dumps(WORD | {"sent_at": RECEIVED_US // 1_000 + off_ms}).encode())
    assert (click.sent_at is not None) == (abs(off_ms) * 1_000 >= NETWORKS_TAKE_US)


@given(st.text())
def test_no_text_is_so_odd_that_asking_it_fails(text: str) -> None:
    assert set(campaign_of(f"https://a.example/?{text}")) <= {"utm_source", "utm_medium", "utm_campaign"}
    for address in (text, f"https://{text}", None):
        found = origin_of(address)
        assert found is None or "://" in found


def test_the_origin_of_an_address() -> None:
    assert origin_of("https://Shop.example:8443/beers?a=b") == "https://shop.example:8443"
    assert origin_of("beers") is None
