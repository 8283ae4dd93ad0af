"""Which click a message of Segment's is."""

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import encode

from clickloom.click import MAX_PROPERTIES_BYTES, Click, parse_click
from clickloom.errors import RejectedInput
from clickloom.times import iso, parse_time
from services.api.ingest.events import Rejection, Sorted, Terms, sort_events
from services.api.ingest.privacy import Privacy
from services.api.ingest.segment.message import (
    KINDS,
    MAX_MESSAGE_BYTES,
    MAX_MESSAGES,
    TOLD,
    Time,
    click_parser,
    read_batch,
    read_single,
)

NOW = "2026-11-24T12:00:00Z"
NOW_US = parse_time(NOW)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
TRACK = {"type": "track", "anonymousId": "anon", "event": "Product Added", "timestamp": NOW}


def sorted_of(*messages: Any, sent_at: Time = None, privacy: Privacy | None = None) -> Sorted:
    privacy = privacy or Privacy()
    terms = Terms(received_us=NOW_US, future_bound_us=300_000_000, random_bits=1, privacy=privacy)
    parse = click_parser(None, sent_at=sent_at, received=NOW, privacy=privacy)
    return sort_events([Raw(json.dumps(message).encode()) for message in messages], terms, parse)


def click_of(message: dict[str, Any], **more: Any) -> Click:
    found = sorted_of(message, **more)
    assert not found.rejected, found.rejected
    return found.clicks[0]


def refusal_of(message: Any) -> Rejection:
    found = sorted_of(message)
    assert not found.clicks
    return found.rejected[0]


def test_a_visit_does_not_break_when_the_visitor_logs_in() -> None:
    before, after = click_of(TRACK), click_of({**TRACK, "userId": "u-42"})
    assert (before.user_id, before.device_id) == (after.user_id, after.device_id) == ("anon", "anon")
    assert after.properties == {TOLD: {"userId": "u-42"}}, "and who it is goes with it"


def test_a_servers_events_with_the_anonymous_id_are_of_the_same_visit() -> None:
    browser = click_of({**TRACK, "context": {"userAgent": IPHONE}})
    server = click_of({**TRACK, "userId": "u-42", "context": {"device": {"id": "another"}}})
    assert browser.key == server.key


def test_without_an_anonymous_id_the_user_id_is_the_visitor_and_the_device_what_is_known_of_it() -> None:
    known = {"type": "track", "userId": 42, "event": "Product Added"}
    assert click_of(known).key.split("\x1f")[1:] == ["42", "other"]
    assert click_of({**known, "context": {"userAgent": IPHONE}}).device_id == "mobile"
    assert click_of({**known, "context": {"device": {"id": "B5372DB0", "type": "ios"}}}).device_id == "B5372DB0"
    assert click_of({**known, "anonymousId": "", "context": {"device": {"type": "desktop"}}}).device_id == "computer"


@pytest.mark.parametrize(
    ("context", "device_type"),
    [
        ({"device": {"type": "ios", "model": "iPhone7,2"}}, "mobile"),
        ({"device": {"type": "ios", "model": "iPad8,1"}}, "tablet"),
        ({"device": {"type": "android"}}, "mobile"),
        ({"userAgent": IPHONE}, "mobile"),
        ({"device": {"type": "ios", "model": "iPad8,1"}, "userAgent": IPHONE}, "tablet"),
        ({"userAgent": "some SDK"}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_kind_of_device_is_what_the_context_says(context: Any, device_type: str | None) -> None:
    assert click_of({**TRACK, "context": context}).device_type == device_type


def test_a_bot_is_known_by_the_user_agent_of_the_context() -> None:
    assert click_of({**TRACK, "context": {"userAgent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}}).is_bot
    assert not click_of({**TRACK, "context": {"userAgent": IPHONE}}).is_bot


def test_the_clients_clock_is_corrected_by_when_it_sent() -> None:
    happened, sent = "2011-01-01T00:00:00.000Z", "2011-01-01T01:00:00.000Z"
    hour_ago = NOW_US - 3_600_000_000
    assert click_of({**TRACK, "timestamp": happened}, sent_at=sent).time_us == hour_ago, "of the batch"
    assert click_of({**TRACK, "timestamp": happened, "sentAt": sent}).time_us == hour_ago, "of the message"
    old_client = {**TRACK, "timestamp": NOW, "originalTimestamp": happened, "sentAt": sent}
    assert click_of(old_client).time_us == hour_ago, "the original time, if a proxy has already put in another"


def test_a_message_without_a_time_has_the_time_at_which_it_was_sent_or_came() -> None:
    timeless = {**TRACK, "timestamp": None}
    assert click_of(timeless).time_us == NOW_US
    assert click_of(timeless, sent_at="2011-01-01T00:00:00Z").time_us == NOW_US


def test_the_message_id_is_the_events_id_and_a_long_one_is_hashed() -> None:
    assert click_of({**TRACK, "messageId": "m" * 64}).event_id == "m" * 64
    ids = {click_of({**TRACK, "messageId": "m" * 64 + end}).event_id for end in ("1", "2", "1")}
    assert {len(event_id or "") for event_id in ids} == {32}
    assert len(ids) == 2
    assert click_of(TRACK).event_id, "one is made if there is none"


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "page"}, "page_view"),
        ({"type": "page", "name": "Home", "category": "Shop"}, "page_view: Home"),
        ({"type": "screen", "name": "Cart"}, "screen_view: Cart"),
        ({"type": "screen", "name": ""}, "screen_view"),
        ({"type": "page", "name": "a title of a page " * 5}, "page_view"),
        ({"type": "page", "name": "two\nlines"}, "page_view"),
        ({"type": "identify", "userId": "u"}, "identify"),
        ({"type": "group", "groupId": "g"}, "group"),
        ({"type": "alias", "previousId": "p", "userId": "u"}, "alias"),
    ],
)
def test_every_kind_has_an_events_name(message: dict[str, Any], event: str) -> None:
    assert click_of({"anonymousId": "anon", **message}).client_event == event


def test_what_stands_beside_the_properties_is_kept() -> None:
    page = {"anonymousId": "anon", "type": "page", "name": "Home", "category": "Shop", "properties": {"a": 1}}
    assert click_of(page).properties == {"a": 1, TOLD: {"name": "Home", "category": "Shop"}}
    identify = {"anonymousId": "anon", "type": "identify", "userId": "u", "traits": {"plan": "free"}}
    assert click_of(identify).properties == {"plan": "free", TOLD: {"userId": "u"}}
    alias = {"anonymousId": "anon", "type": "alias", "userId": "u", "previousId": "p"}
    assert click_of(alias).properties == {TOLD: {"userId": "u", "previousId": "p"}}


def test_where_user_ids_are_hashed_no_other_id_and_no_trait_tells_the_person() -> None:
    salted = Privacy("salt")
    identify = {"anonymousId": "anon", "type": "identify", "userId": "u@x.example", "traits": {"name": "Zoe"}}
    click = click_of(identify, privacy=salted)
    assert click.user_id == salted.hashed("anon")
    assert click.properties == {TOLD: {"userId": salted.hashed("u@x.example")}}


@pytest.mark.parametrize("kind", ["identify", "group", "alias"])
def test_what_only_tells_about_a_person_is_kept_and_is_no_click(kind: str) -> None:
    told = refusal_of({"type": kind, "userId": "u", "groupId": "g", "previousId": "p", "traits": {"plan": "free"}})
    assert told.code == "no_visit"
    assert b'"plan": "free"' in told.payload


def test_page_and_campaign_are_taken_from_the_context() -> None:
    context = {
        "page": {"url": "https://shop.example/?q=1", "referrer": "https://www.google.com/", "title": "Shop"},
        "campaign": {"name": "spring", "source": "newsletter", "medium": "email", "term": "beer"},
    }
    click = click_of({**TRACK, "context": context})
    assert (click.page_url, click.referrer) == ("https://shop.example/?q=1", "https://www.google.com/")
    assert (click.utm_campaign, click.utm_source, click.utm_medium) == ("spring", "newsletter", "email")
    page = {"type": "page", "userId": "u", "properties": {"url": "https://shop.example/a", "referrer": ""}}
    assert (click_of(page).page_url, click_of(page).referrer) == ("https://shop.example/a", None)


def test_a_long_address_is_cut_and_costs_no_click() -> None:
    click = click_of({**TRACK, "context": {"page": {"url": "https://shop.example/" + "a" * 5_000}}})
    assert len(click.page_url or "") == 2048


ORDER = {**TRACK, "event": "Order Completed"}


@pytest.mark.parametrize(
    ("properties", "order"),
    [
        ({"order_id": "o", "total": 30, "revenue": 25.5, "currency": "USD"}, ("o", Decimal("25.5"), "USD")),
        ({"order_id": "o", "total": "30.00", "currency": "eur"}, ("o", Decimal("30.00"), "EUR")),
        ({"revenue": 0.1 + 0.2}, (None, Decimal("0.3"), None)),
        ({"order_id": 7, "revenue": 100}, ("7", Decimal(100), None)),
        ({"order_id": "o", "revenue": "$30", "currency": "dollars"}, ("o", None, None)),
        ({"order_id": "o", "revenue": True, "total": "NaN"}, ("o", None, None)),
        ({"order_id": "o", "revenue": 1e300}, ("o", None, None)),
        ({"order_id": "o", "revenue": "1e-300"}, ("o", Decimal(0), None)),
        ({"revenue": "999999999999.9999999"}, (None, None, None)),
        ({"total": 30}, (None, None, None)),
    ],
)
def test_an_orders_fields_are_those_of_the_ecommerce_spec(properties: dict[str, Any], order: tuple[Any, ...]) -> None:
    click = click_of({**ORDER, "properties": properties})
    assert (click.order_id, click.revenue, click.currency) == order
    assert click.properties == properties, "and what was sent stays"


def test_what_names_an_order_and_is_none_has_no_revenue() -> None:
    click = click_of({**ORDER, "event": "Checkout Started", "properties": {"order_id": "o", "revenue": 25}})
    assert (click.order_id, click.revenue) == (None, None)


def test_an_experiment_is_taken_from_the_event_that_shows_it() -> None:
    properties = {"experiment_id": "1", "experiment_name": "checkout", "variation_id": "2", "variation_name": "B"}
    assert click_of({**TRACK, "event": "Experiment Viewed", "properties": properties}).experiments == {"checkout": "B"}


def test_of_properties_that_are_too_large_the_largest_is_left_out_and_named() -> None:
    products = [{"name": "x" * 100}] * 100
    click = click_of({**ORDER, "userId": "u", "properties": {"order_id": "o", "revenue": 5, "products": products}})
    assert click.properties == {"order_id": "o", "revenue": 5, TOLD: {"userId": "u"}, "_left_out": ["products"]}
    assert (click.order_id, click.revenue) == ("o", Decimal(5))
    many = {f"property {number}": "x" * 10 for number in range(1_000)}
    assert refusal_of({**TRACK, "properties": many}).code == "properties_too_large"


REFUSED: list[tuple[Any, str, str]] = [
    (5, "invalid_field", "Expected `object`"),
    ({"type": "track", "event": "a"}, "invalid_field", "userId: missing; send userId or anonymousId"),
    ({"type": "track", "anonymousId": "", "userId": None, "event": "a"}, "invalid_field", "userId: missing"),
    ({"type": "track", "userId": "u"}, "invalid_field", "event: missing"),
    ({"type": "track", "userId": "u", "event": 5}, "invalid_field", "`event`"),
    ({"userId": "u", "event": "a"}, "invalid_field", "type: None is none of track, page, "),
    ({"type": "x" * 5_000, "userId": "u"}, "invalid_field", "type: 'xxx"),
    ({**TRACK, "event": "x" * 65}, "invalid_field", "event: more than 64 characters"),
    ({**TRACK, "anonymousId": "x" * 129}, "invalid_field", "more than 128 characters"),
    ({**TRACK, "userId": {}}, "invalid_field", "userId"),
    ({**TRACK, "timestamp": "yesterday"}, "invalid_time", "timestamp: 'yesterday' is no time"),
    ({**TRACK, "timestamp": "2071-01-01T00:00:00Z"}, "time_in_future", "ahead of the server's clock"),
    ({**TRACK, "properties": "a"}, "invalid_field", "properties"),
    ({**TRACK, "properties": [1]}, "invalid_field", "properties: must be an object"),
    ({**TRACK, "context": {"page": "a"}}, "invalid_field", "context.page: must be an object"),
    ({**TRACK, "context": {"page": {"url": {}}}}, "invalid_field", "context.page.url: must be text"),
    ({**TRACK, "properties": {"a": "\0"}}, "control_character", "properties"),
    ({**TRACK, "properties": {"a": 2**64}}, "invalid_field", "beyond 64 bits"),
    ({**TRACK, "properties": {"a": "x" * MAX_MESSAGE_BYTES}}, "message_too_large", f"at most {MAX_MESSAGE_BYTES}"),
]


@pytest.mark.parametrize(("message", "code", "reason"), REFUSED)
def test_a_bad_message_is_refused_with_the_field(message: Any, code: str, reason: str) -> None:
    refused = refusal_of(message)
    assert refused.code == code
    assert reason in refused.message
    assert len(refused.message) < 600


def test_a_batch_is_bounded() -> None:
    assert len(read_batch(encode({"batch": [{}] * MAX_MESSAGES})).batch) == MAX_MESSAGES
    with pytest.raises(RejectedInput, match="send at most"):
        read_batch(encode({"batch": [{}] * (MAX_MESSAGES + 1)}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
_ids = st.none() | st.integers() | st.text(max_size=140)
_times = st.sampled_from([None, "", NOW, "2026-11-24T11:59:59.123+00:00", 0, 10**15, "x"])
_part = st.fixed_dictionaries({}, optional=dict.fromkeys(("url", "referrer", "id", "type", "name", "source"), _json))
_context = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("page", "campaign", "device", "userAgent", "ip"), _part | _json)
)
_properties = st.dictionaries(
    st.sampled_from(["order_id", "revenue", "total", "currency", "experiment_name", "variation_id", "url", TOLD, "a"]),
    _json,
)
_messages = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS)},
    optional={
        **dict.fromkeys(("anonymousId", "userId", "messageId", "groupId", "previousId"), _ids),
        "event": st.sampled_from(["Order Completed", "Experiment Viewed"]) | st.text(max_size=70),
        "name": st.none() | st.text(max_size=70),
        "properties": _properties | _json,
        "traits": _properties | _json,
        "context": _context | _json,
        "timestamp": _times,
        "sentAt": _times,
    },
)


@hypothesis_settings(deadline=None)
@given(_messages | _json)
def test_every_message_is_one_click_that_could_have_come_by_itself_or_one_rejection(message: Any) -> None:
    try:
        raw = json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    terms = Terms(received_us=NOW_US, future_bound_us=300_000_000, random_bits=1)
    parse = click_parser(None, sent_at=None, received=NOW, privacy=terms.privacy)
    found = sort_events([Raw(raw)], terms, parse)
    assert len(found.clicks) + len(found.rejected) == 1
    for rejection in found.rejected:
        assert rejection.payload == raw
        assert 0 < len(rejection.message) < 600
    for click in found.clicks:
        click.client_timestamp = iso(click.time_us)
        assert parse_click(encode(click)) == click
        assert len(encode(click.properties or {})) <= MAX_PROPERTIES_BYTES


@hypothesis_settings(deadline=None)
@given(st.binary(max_size=60) | _json.map(encode))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for read in (read_batch, read_single):
        with contextlib.suppress(RejectedInput):
            read(body)
