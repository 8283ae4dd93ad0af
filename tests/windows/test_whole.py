"""The whole at once and batch after batch: one and the same."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickloom.click import Click, Details
from clickloom.session import Session
from clickloom.times import SECOND_US
from clickloom.windows.live import UTM_FIELDS
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.windows.whole import Timelines, Told, whole_sessions
from tests.clicks import batch, click

RULES = Rules(out_of_orderness_us=0, allowed_lateness_us=10**6 * SECOND_US)
LONG = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=1_000 * SECOND_US)
CAPPED = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=25 * SECOND_US)

some_clicks = st.lists(
    st.builds(
        click,
        st.integers(0, 150).map(float),
        user=st.sampled_from("ab"),
        event=st.sampled_from(["page", "cart", "order_completed"]),
        page_url=st.none() | st.sampled_from(["/", "/beer"]),
        order_id=st.none() | st.sampled_from(["1", "2"]),
        revenue=st.none() | st.decimals(0, 9, places=1),
        utm_source=st.none() | st.sampled_from(["letter", "search", ""]),
        utm_campaign=st.none() | st.just("spring"),
    ),
    min_size=1,
    max_size=300,
)


def timelines(clicks: Sequence[Click]) -> Timelines:
    ordered = sorted(clicks, key=lambda one: (one.key, one.time_us))
    visitors = Counter(one.key for one in ordered)
    names = sorted({one.client_event for one in ordered})
    details = [one.details() or Details() for one in ordered]
    fields = {name: np.array(rows_with(name, details), np.int64) for name in Details.__struct_fields__}
    return Timelines(
        visitors=list(visitors),
        counts=np.array(list(visitors.values())),
        names=names,
        codes=np.array([names.index(one.client_event) for one in ordered]),
        times=np.array([one.time_us for one in ordered]),
        told=Told(fields, lambda rows: [(ordered[row].event_id or "", details[row]) for row in rows.tolist()]),
    )


def rows_with(name: str, details: Sequence[Details]) -> list[int]:
    told = (getattr(one, name) for one in details)
    return [row for row, value in enumerate(told) if (value if name in UTM_FIELDS else value is not None)]


def by_batches(clicks: Sequence[Click], window: SessionWindow) -> list[Session]:
    partition = Partition(window, RULES)
    for first in range(0, len(clicks), 7):
        partition.apply(batch(*clicks[first : first + 7]), explicit_watermark=True)
    partition.finish()
    return partition.take_changes(0).changelog.plus


@pytest.mark.parametrize("window", [LONG, CAPPED], ids=["long", "capped"])
@settings(deadline=None, max_examples=100)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False))
def test_the_whole_gives_what_batches_in_any_order_give(
    window: SessionWindow, clicks: list[Click], order: Random
) -> None:
    order.shuffle(clicks)
    found = whole_sessions(timelines(clicks), window, RULES)
    assert sorted(found, key=repr) == sorted(by_batches(clicks, window), key=repr)


def test_sessions_come_visitor_by_visitor_and_in_the_order_of_time() -> None:
    clicks = [click(second, user=user) for user in "ba" for second in (100, 0, 105)]
    found = whole_sessions(timelines(clicks), LONG, RULES)
    assert [(one.user_id, one.begin_us // SECOND_US, one.events) for one in found] == [
        ("a", 0, 1),
        ("a", 100, 2),
        ("b", 0, 1),
        ("b", 100, 2),
    ]
