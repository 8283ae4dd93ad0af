"""What a partition tells by site: changes that add up to the sessions that stand, clicks, devices, active users."""

from collections import Counter, defaultdict
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from clickloom.click import Click
from clickloom.numbers import MinuteChange, SiteNumbers
from clickloom.session import Session
from clickloom.sketch import Sketch, count
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow, Window
from tests.clicks import batch, click
from tests.windows.answers import Changelog, Stored

GAP_US = 10 * SECOND_US
WINDOWS: list[Window] = [
    SessionWindow("visits", gap_us=GAP_US, max_duration_us=1_000 * SECOND_US),
    SessionWindow("visits", gap_us=GAP_US, max_duration_us=25 * SECOND_US),
    StaggerWindow("minutes"),
]
HASTY = Rules(out_of_orderness_us=0, allowed_lateness_us=40 * SECOND_US, bounce_us=5 * SECOND_US)

some_clicks = st.lists(
    st.builds(
        click,
        st.integers(0, 150).map(float),
        user=st.sampled_from("ab"),
        event=st.sampled_from(["page", "order_completed"]),
        site_id=st.sampled_from(["shop", "blog"]),
        device_id=st.sampled_from(["mobile", "a-cookie"]),
        order_id=st.sampled_from([None, "o1", "o2"]),
        revenue=st.sampled_from([None, Decimal("1.5")]),
        device_type=st.sampled_from([None, "tablet"]),
    ),
    min_size=1,
    max_size=50,
)


class Live:
    """All that commits told, added up."""

    def __init__(self) -> None:
        self.sites: defaultdict[str, SiteNumbers] = defaultdict(SiteNumbers)
        self.open: dict[str, int] = {}

    def take(self, changes: Changes) -> None:
        for site_id, numbers in changes.metrics.sites.items():
            self.sites[site_id].merge(numbers)
        self.open = {site_id: found.open_sessions for site_id, found in changes.metrics.sites.items()}
        assert sum(self.open.values()) == changes.metrics.open_sessions

    def changes(self) -> dict[tuple[str, int], MinuteChange]:
        told = {(site, minute): one for site, found in self.sites.items() for minute, one in found.changes.items()}
        return {at: change for at, change in told.items() if change != MinuteChange()}


def standing(rows: Any) -> dict[tuple[str, int], MinuteChange]:
    """The same from the sessions that stand."""
    sums: defaultdict[tuple[str, int], MinuteChange] = defaultdict(MinuteChange)
    row: Session
    for row in rows:
        sums[row.site_id, row.begin_us // MINUTE_US].add(row, 1)
    return dict(sums)


@settings(deadline=None, max_examples=100)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), size=st.integers(1, 15))
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_changes_add_up_to_the_sessions_that_stand_whoever_owns_the_partition(
    window: Window, clicks: list[Click], order: Random, size: int
) -> None:
    """With revisions, merges, cuts by the cap, late clicks, duplicates, and owners that change between commits."""
    clicks = clicks + clicks[:3]
    order.shuffle(clicks)
    partition, log, stored, live = Partition(window, HASTY), Changelog(), Stored(), Live()
    for start in range(0, len(clicks), size):
        partition.apply(batch(*clicks[start : start + size], arrival=1e9 + 40 * start))
        if order.random() < 0.7:
            live.take(stored.commit(partition, log))
            assert live.changes() == standing(log.rows.values())
            if order.random() < 0.5:
                partition = stored.new_owner(window, HASTY)
    partition.finish()
    live.take(stored.commit(partition, log))
    assert live.changes() == standing(log.rows.values())
    assert not any(live.open.values())
    closed = [row for row in log.rows.values() if row.version == 1]
    assert sum(found.closed_sessions for found in live.sites.values()) >= len(closed)


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), size=st.integers(1, 15))
def test_clicks_are_counted_by_site_name_device_and_minute_of_arrival(
    clicks: list[Click], order: Random, size: int
) -> None:
    partition, live = Partition(WINDOWS[0], HASTY), Live()
    arrived = Counter[tuple[str, int]]()
    for number, start in enumerate(range(0, len(clicks), size)):
        some = clicks[start : start + size]
        partition.apply(batch(*some[::2]), batch(*some[1::2]), entries=[(number * 60_000, 0), (number * 60_000, 1)])
        arrived.update((one.site_id, number) for one in some)
        live.take(partition.take_changes(0))
    for site, found in live.sites.items():
        mine = [one for one in clicks if one.site_id == site]
        assert found.clicks == len(mine)
        assert Counter(found.events) == Counter(one.client_event for one in mine)
        assert Counter(found.devices) == Counter(
            one.device_type or ("mobile" if one.device_id == "mobile" else "other") for one in mine
        )
        assert found.arrived == {minute: count for (of, minute), count in arrived.items() if of == site}


def test_conversions_and_their_revenue_count_once_and_only_in_sessions() -> None:
    partition = Partition(WINDOWS[0], HASTY)
    paid = click(1_000, event="order_completed", order_id="o", revenue=Decimal("9.99"))
    late = click(1, event="order_completed", order_id="p", revenue=Decimal(5))
    partition.apply(batch(paid, paid))
    partition.apply(batch(late, click(1_000, event="page", revenue=Decimal(7))))
    found = partition.take_changes(0).metrics.sites["default"]
    assert (found.conversions, found.revenue) == (1, Decimal("9.99"))
    assert (found.clicks, found.duplicates, found.late) == (4, 1, 1)


def users(*changes: Changes) -> dict[tuple[int, str], int]:
    """How many there were by minute and site."""
    sketches: defaultdict[tuple[int, str], Sketch] = defaultdict(Sketch)
    for one in changes:
        for minute, site_id, changed in one.active.sketches if one.active else ():
            sketches[minute, site_id].merge(changed)
    return {at: count(sketch.registers) for at, sketch in sketches.items()}


def test_users_are_told_once_a_minute_whatever_their_devices_and_bots_are_none() -> None:
    partition = Partition(WINDOWS[0], HASTY, tells_active=True)
    first = batch(
        click(1, user="a", device_id="mobile"),
        click(1, user="a", device_id="computer"),
        click(1, user="b", site_id="blog"),
        click(1, user="crawler", is_bot=True),
    )
    partition.apply(first, entries=[(60_000, 0)])
    told = partition.take_changes(10**12)
    assert users(told) == {(1, "default"): 1, (1, "blog"): 1}
    partition.apply(structs.replace(first), entries=[(61_000, 0)])
    assert partition.take_changes(10**12 + 2 * SECOND_US).active is None, "known already"
    partition.apply(batch(click(2, user="a")), entries=[(119_000, 0)])
    partition.apply(batch(click(2, user="c")), batch(click(2, user="a")), entries=[(119_999, 0), (120_000, 0)])
    assert partition.take_changes(10**12 + 2 * SECOND_US + 1).active is None, "not so soon again"
    more = partition.take_changes(10**12 + 3 * SECOND_US)
    assert users(told, more) == {(1, "default"): 2, (1, "blog"): 1, (2, "default"): 1}


def test_a_partition_that_is_not_asked_tells_of_no_users() -> None:
    partition = Partition(WINDOWS[0], HASTY)
    partition.apply(batch(click(1)))
    assert partition.take_changes(10**12).active is None
