"""What conditions say of a session."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clickloom.session import Session, Touch
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.triggers.conditions import Conditions
from tests.sessions import session

BEGIN = 1_000


def walk(*steps: tuple[float, str], **more: Any) -> Session:
    """A session by its path: (minutes since begin, event)."""
    offsets = [round(minutes * MINUTE_US) for minutes, _ in steps]
    names = [name for _, name in steps]
    ends = {"begin_navigation": names[0], "end_navigation": names[-1], "events": len(names)}
    end_us = BEGIN * SECOND_US + offsets[-1]
    return session(BEGIN, **{**ends, "end_us": end_us, "path": names, "path_offsets_us": offsets, **more})


VISIT = walk(
    (0, "nav"), (1, "cart"), (2.5, "nav"),
    bounced=False, converted=False, device_type="mobile",
    touch=Touch(utm_source="newsletter", experiments={"button": "red", "price": "low"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"bounced": False}, True),
        ({"bounced": True}, False),
        ({"converted": True}, False),
        ({"min_duration_sec": 150}, True),
        ({"min_duration_sec": 151}, False),
        ({"max_duration_sec": 150}, True),
        ({"max_duration_sec": 149}, False),
        ({"min_events": 3, "max_events": 3}, True),
        ({"min_events": 4}, False),
        ({"max_events": 2}, False),
        ({"begin_event": "nav", "end_event": "nav"}, True),
        ({"begin_event": "cart"}, False),
        ({"end_event": "cart"}, False),
        ({"event": "cart"}, True),
        ({"event": "checkout"}, False),
        ({"event": "cart", "without": "checkout"}, True),
        ({"event": "cart", "without": "nav"}, False),
        ({"event": "cart", "without": "nav", "within": "1m"}, True),
        ({"event": "cart", "without": "nav", "within": "90s"}, False),
        ({"device_type": "mobile"}, True),
        ({"device_type": "tablet"}, False),
        ({"utm_source": "newsletter"}, True),
        ({"utm_medium": "email"}, False),
        ({"experiments": {"button": "red"}}, True),
        ({"experiments": {"button": "blue"}}, False),
        ({"event": "cart", "bounced": True}, False),
    ],
)
def test_each_condition_is_of_what_it_says_and_all_must_hold(conditions: dict[str, Any], holds: bool) -> None:
    assert Conditions(**conditions).hold(VISIT) is holds


CART = Conditions(event="cart", without="checkout", within="10m")


def test_an_event_that_comes_again_begins_the_wait_anew() -> None:
    assert not CART.hold(walk((0, "cart"), (5, "cart"), (14, "checkout")))
    assert CART.hold(walk((0, "cart"), (5, "cart"), (16, "checkout")))


def test_of_an_open_session_an_absence_holds_when_the_watermark_says_so_and_not_before() -> None:
    left = walk((0, "nav"), (1, "cart"))
    due_us = BEGIN * SECOND_US + 11 * MINUTE_US
    assert not CART.hold(left, known_until_us=due_us - 1)
    assert CART.hold(left, known_until_us=due_us)


def test_nothing_is_known_of_an_absence_behind_the_events_that_the_path_shows() -> None:
    assert not CART.hold(walk((0, "cart"), (9, "nav"), path_truncated=True))
    assert CART.hold(walk((0, "cart"), (10, "nav"), path_truncated=True))
    assert not Conditions(event="cart", without="checkout").hold(walk((0, "cart"), path_truncated=True))


steps = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["cart", "checkout", "nav"])), min_size=1, max_size=8)


@given(steps, st.integers(0, 60))
def test_what_fires_while_a_session_is_open_holds_too_when_it_closes(found: list[tuple[int, str]], at: int) -> None:
    """So a dry run over closed sessions counts what fires, whenever somebody looked at the open ones."""
    first = min(minutes for minutes, _ in found)
    whole = walk(*sorted((minutes - first, name) for minutes, name in found))
    known_us = BEGIN * SECOND_US + at * MINUTE_US
    seen = [(minutes - first, name) for minutes, name in found if minutes - first <= at]
    if CART.hold(walk(*sorted(seen)), known_until_us=known_us):
        assert CART.hold(whole)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({}, "none is given; possible are bounced, converted"),
        ({"without": "b"}, "needs an `event`"),
        ({"event": "a", "within": "1m"}, "give that too"),
        ({"event": "a", "without": "b", "within": "soon"}, "'soon' is no duration"),
        ({"event": "a", "without": "b", "within": "25h"}, "at most 24h"),
        ({"event": ""}, "at least 1 character"),
        ({"min_events": -1}, "greater than or equal to 0"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_can_be_no_condition_is_said(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Conditions(**conditions)


@pytest.mark.parametrize(
    ("conditions", "gap_min", "said"),
    [
        (CART, 30, ""),
        (CART, 10, "must be less than the window's gap"),
        (CART, None, "windows of kind session"),
        (Conditions(event="cart", without="checkout"), 30, "needs an absence"),
        (Conditions(event="cart"), 30, "needs an absence"),
        (CART.model_copy(update={"bounced": True}), 30, "bounced can still change"),
    ],
)
def test_what_cannot_be_said_of_an_open_session_is_named(
    conditions: Conditions, gap_min: int | None, said: str
) -> None:
    fault = conditions.fault("open", gap_us=None if gap_min is None else gap_min * MINUTE_US)
    assert said in fault
    assert bool(said) == bool(fault)
    assert conditions.fault("closed", gap_us=None) == ""
