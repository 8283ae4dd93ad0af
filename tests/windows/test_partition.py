"""The rules of sessions, against a batch over the same clicks."""

from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.session import Session
from clickloom.times import SECOND_US
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow, Window, parse_window
from tests.clicks import batch, click

GAP = 10
WINDOW = SessionWindow("visits", gap_us=GAP * SECOND_US, max_duration_us=1_000 * SECOND_US)
PATIENT = Rules(out_of_orderness_us=0, allowed_lateness_us=10**6 * SECOND_US)
STRICT = Rules(out_of_orderness_us=0, allowed_lateness_us=0)


class Changelog:
    """The changelog applied in order; a − row without its + row is an error."""

    def __init__(self) -> None:
        self.rows: dict[object, Session] = {}
        self.late = 0
        self.duplicates = 0

    def take(self, partition: Partition) -> Changes:
        changes = partition.take_changes(0)
        for minus in changes.changelog.minus:
            assert self.rows.pop(minus.session_uid).version == minus.version
        for plus in changes.changelog.plus:
            assert plus.session_uid not in self.rows
            self.rows[plus.session_uid] = plus
        self.late += len(changes.changelog.late)
        self.duplicates += changes.metrics.duplicates
        return changes

    def spans(self) -> list[tuple[str, float, float, int]]:
        rows = self.rows.values()
        return sorted((s.user_id, s.begin_us / SECOND_US, s.end_us / SECOND_US, s.events) for s in rows)


def close(partition: Partition, log: Changelog) -> None:
    partition.watermark.advance(2**60)
    partition.idle(2**60)
    log.take(partition)


class Stored:
    """What commits have written, as a store keeps it; a new owner is made from it alone."""

    def __init__(self) -> None:
        self.sessions: dict[str, bytes] = {}
        self.seen: dict[int, bytes] = {}
        self.meta = b""

    def commit(self, partition: Partition, log: Changelog) -> None:
        changes = log.take(partition)
        self.sessions.update(changes.sessions)
        for key in changes.forgotten:
            self.sessions.pop(key, None)
        for bucket, ids in changes.seen_added.items():
            self.seen[bucket] = self.seen.get(bucket, b"") + ids
        for bucket in changes.seen_dropped:
            self.seen.pop(bucket, None)
        self.meta = changes.meta

    def new_owner(self, rules: Rules) -> Partition:
        partition = Partition(WINDOW, rules)
        for bucket in partition.restore_meta(self.meta):
            partition.restore_seen(bucket, self.seen[bucket])
        for key, value in self.sessions.items():
            partition.restore_sessions(key, value)
        return partition


def batch_answer(clicks: list[Click]) -> list[tuple[str, float, float, int]]:
    """Gaps and islands over all clicks at once."""
    answer = []
    for user in {str(one.user_id) for one in clicks}:
        times = sorted(one.time_us for one in clicks if one.user_id == user)
        cuts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(times)) if b - a > WINDOW.gap_us), len(times)]
        for low, high in pairwise(cuts):
            answer.append((user, times[low] / SECOND_US, times[high - 1] / SECOND_US, high - low))
    return sorted(answer)


some_clicks = st.lists(
    st.builds(click, st.integers(0, 120).map(float), user=st.sampled_from("ab")), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=200)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), cut=st.integers(1, 7))
def test_any_order_and_any_batches_give_the_batch_answer(clicks: list[Click], order: Random, cut: int) -> None:
    order.shuffle(clicks)
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    for start in range(0, len(clicks), cut):
        before = partition.watermark.us
        partition.apply(batch(*clicks[start : start + cut]))
        assert partition.watermark.us >= before
        log.take(partition)
    close(partition, log)
    assert log.spans() == batch_answer(clicks)
    assert (log.late, log.duplicates) == (0, 0)


@settings(deadline=None, max_examples=100)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False))
def test_duplicates_change_nothing(clicks: list[Click], order: Random) -> None:
    twice = clicks * 2
    order.shuffle(twice)
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    for one in twice:
        partition.apply(batch(one))
        log.take(partition)
    close(partition, log)
    assert log.spans() == batch_answer(clicks)
    assert log.duplicates == len(clicks)


@settings(deadline=None, max_examples=100)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), patient=st.booleans())
def test_a_new_owner_after_any_commit_goes_on_as_if_nothing_had_happened(
    clicks: list[Click], order: Random, patient: bool
) -> None:
    order.shuffle(clicks)
    rules = PATIENT if patient else STRICT
    stays, lives = Partition(WINDOW, rules), Changelog()
    moves, moved, stored = Partition(WINDOW, rules), Changelog(), Stored()
    for one in [*clicks, *clicks[:5]]:
        stays.apply(batch(one))
        lives.take(stays)
        moves.apply(batch(one))
        stored.commit(moves, moved)
        moves = stored.new_owner(rules)
    close(stays, lives)
    close(moves, moved)
    assert moved.rows == lives.rows
    assert (moved.late, moved.duplicates) == (lives.late, lives.duplicates)


def spans(*clicks: Click, rules: Rules = PATIENT, window: Window = WINDOW) -> list[tuple[str, float, float, int]]:
    partition, log = Partition(window, rules), Changelog()
    for one in clicks:
        partition.apply(batch(one))
        log.take(partition)
    close(partition, log)
    return log.spans()


def test_the_gap_is_inclusive() -> None:
    assert spans(click(0), click(GAP)) == [("64", 0, GAP, 2)]
    assert spans(click(0), click(GAP + 0.000001)) == [("64", 0, 0, 1), ("64", GAP + 0.000001, GAP + 0.000001, 1)]


def test_a_click_between_two_emitted_sessions_merges_them() -> None:
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(click(0), click(18), click(100, user="other")))
    log.take(partition)
    assert log.spans() == [("64", 0, 0, 1), ("64", 18, 18, 1)]
    partition.apply(batch(click(9)))
    log.take(partition)
    assert log.spans() == [("64", 0, 18, 3)]
    assert [row.version for row in log.rows.values()] == [2]


def test_a_click_is_late_only_when_its_own_session_could_no_longer_change() -> None:
    partition, log = Partition(WINDOW, STRICT), Changelog()
    partition.apply(batch(click(100, user="other")))
    partition.apply(batch(click(90), click(89.999)))
    log.take(partition)
    assert log.late == 1
    close(partition, log)
    assert log.spans() == [("64", 90, 90, 1), ("other", 100, 100, 1)]


def test_a_session_is_cut_at_the_longest_duration() -> None:
    window = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=20 * SECOND_US)
    partition, log = Partition(window, PATIENT), Changelog()
    for second in (0, 8, 16, 24, 32):
        partition.apply(batch(click(second)))
    close(partition, log)
    assert log.spans() == [("64", 0, 16, 3), ("64", 24, 32, 2)]
    assert sorted(row.closed_by for row in log.rows.values()) == ["cap", "gap"]


def test_what_comes_with_clicks_is_taken_from_the_first_that_has_it() -> None:
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(click(5, page_url="/second"), click(1, page_url="/first", utm_source="mail"), click(0)))
    partition.apply(batch(click(6, event="order_completed", order_id="o1", revenue=Decimal("12.50"))))
    partition.apply(batch(click(7, event="order_completed", order_id="o1", revenue=Decimal("12.50"))))
    close(partition, log)
    (row,) = log.rows.values()
    assert (row.touch.entry_url, row.touch.utm_source) == ("/first", "mail")
    assert (row.converted, row.orders, str(row.revenue)) == (True, 1, "12.50")
    assert row.begin_navigation == "beer_products"
    assert row.end_navigation == "order_completed"
    assert row.path_offsets_us == [0, 1_000_000, 5_000_000, 6_000_000, 7_000_000]
    assert row.session_id == "64_COM0"


def test_a_path_keeps_the_first_clicks_and_the_last() -> None:
    clicks = [click(second / 10, event=f"e{second}") for second in range(1_000)]
    Random(1).shuffle(clicks)
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(*clicks))
    close(partition, log)
    (row,) = log.rows.values()
    assert row.events == 1_000
    assert row.path == [f"e{number}" for number in range(100)]
    assert row.path_truncated
    assert row.end_navigation == "e999"


def test_one_wrong_clock_does_not_close_everybodys_sessions() -> None:
    partition = Partition(WINDOW, STRICT)
    partition.apply(batch(click(100), arrival=100))
    partition.apply(batch(click(10**6, user="wrong"), arrival=101))
    assert partition.watermark.us == (101 + 300) * SECOND_US


def test_silence_moves_the_watermark_with_the_wall_clock() -> None:
    partition, log = Partition(WINDOW, STRICT), Changelog()
    partition.apply(batch(click(100), arrival=5_000))
    partition.idle(5_010 * SECOND_US)
    log.take(partition)
    assert log.spans() == []
    partition.idle(5_011 * SECOND_US)
    log.take(partition)
    assert log.spans() == [("64", 100, 100, 1)]


def test_a_stagger_row_is_emitted_one_range_after_its_first_arrival_and_revised_by_what_comes_later() -> None:
    partition, log = Partition(StaggerWindow("minutes"), PATIENT), Changelog()
    partition.apply(batch(click(600, event="page"), arrival=605))
    partition.apply(batch(click(645, event="buy"), arrival=650))
    partition.idle(664 * SECOND_US)
    log.take(partition)
    assert log.spans() == []
    partition.idle(665 * SECOND_US)
    log.take(partition)
    assert log.spans() == [("64", 600, 645, 2)]
    partition.apply(batch(click(658, event="exit"), arrival=700))
    log.take(partition)
    assert log.spans() == [("64", 600, 658, 3)]
    (row,) = log.rows.values()
    assert (row.version, row.begin_navigation, row.end_navigation, row.closed_by) == (2, "page", "exit", "range")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("session(gap=0s)", "greater than 0"),
        ("session(gap=-1m)", "greater than 0"),
        ("session(gap=30m, max_duration=5m)", "must not be less than the gap"),
        ("tumbling(1m)", "is no window"),
        ("session(size=1m)", "session takes gap, max_duration"),
        ("session(gap=30)", "is no duration"),
    ],
)
def test_a_window_that_cannot_work_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        parse_window(text)
