"""The rules of sessions, against a batch over the same clicks."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.session import Touch
from clickloom.times import SECOND_US
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, StaggerWindow, Window, parse_window
from tests.clicks import batch, click
from tests.windows.answers import Changelog, Stored, batch_answer

GAP = 10
WINDOW = SessionWindow("visits", gap_us=GAP * SECOND_US, max_duration_us=1_000 * SECOND_US)
PATIENT = Rules(out_of_orderness_us=0, allowed_lateness_us=10**6 * SECOND_US)
STRICT = Rules(out_of_orderness_us=0, allowed_lateness_us=0)


CAPPED = SessionWindow("visits", gap_us=GAP * SECOND_US, max_duration_us=25 * SECOND_US)
WINDOWS = [WINDOW, CAPPED, StaggerWindow("minutes")]

some_clicks = st.lists(
    st.builds(
        click,
        st.integers(0, 150).map(float),
        user=st.sampled_from("ab"),
        event=st.sampled_from(["page", "cart", "order_completed"]),
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), cut=st.integers(1, 20))
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_any_order_and_any_batches_give_the_batch_answer(
    window: Window, clicks: list[Click], order: Random, cut: int
) -> None:
    order.shuffle(clicks)
    partition, log = Partition(window, PATIENT), Changelog()
    for start in range(0, len(clicks), cut):
        before = partition.watermark.us
        partition.apply(batch(*clicks[start : start + cut], arrival=1e9 + 30 * start))
        assert partition.watermark.us >= before
        if order.random() < 0.7:
            log.take(partition)
    log.finish(partition)
    assert log.spans() == batch_answer(clicks, window)
    assert (log.late, log.duplicates) == (0, 0)


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), size=st.integers(1, 20), patient=st.booleans())
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_bots_are_counted_and_make_no_sessions(
    window: Window, clicks: list[Click], order: Random, size: int, patient: bool
) -> None:
    """However often, and however late, they come: a bot's click is nothing else besides."""
    for bot in order.sample(clicks, len(clicks) // 3):
        bot.is_bot = True
    people = [one for one in clicks if not one.is_bot]
    twice = clicks * 2
    order.shuffle(twice)
    partition, log = Partition(window, PATIENT if patient else STRICT), Changelog()
    for start in range(0, len(twice), size):
        partition.apply(batch(*twice[start : start + size]))
        log.take(partition)
    log.finish(partition)
    assert sum(tally.bots for tally in log.tallies) == 2 * (len(clicks) - len(people))
    assert log.duplicates + log.late + sum(row.events for row in log.rows.values()) == 2 * len(people)
    if patient:
        assert log.spans() == batch_answer(people, window)


@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_bots_make_sessions_if_the_rules_say_so(window: Window) -> None:
    clicks = [click(second, is_bot=True) for second in range(5)]
    partition, log = Partition(window, Rules(bots=True)), Changelog()
    partition.apply(batch(*clicks))
    log.finish(partition)
    assert log.spans() == batch_answer(clicks, window)


class OfOneHash(str):
    """A key that cannot be told from others by its hash."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, size=st.integers(1, 20))
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_visitors_of_one_hash_stay_apart(window: Window, clicks: list[Click], size: int) -> None:
    partition, log = Partition(window, PATIENT), Changelog()
    for start in range(0, len(clicks), size):
        alike = batch(*clicks[start : start + size])
        partition.apply(structs.replace(alike, keys=list(map(OfOneHash, alike.keys))))
    log.finish(partition)
    assert log.spans() == batch_answer(clicks, window)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), batches=st.integers(1, 9))
def test_many_batches_at_once_are_the_same_as_one_after_the_other(seed: int, batches: int) -> None:
    random = Random(seed)
    clicks = [click(random.randrange(3_000), user=random.choice("abcdef")) for _ in range(200)]
    parts = [batch(*clicks[first::batches]) for first in range(batches)]
    together, alone = Partition(WINDOW, STRICT), Partition(WINDOW, STRICT)
    at_once, one_by_one = Changelog(), Changelog()
    together.apply(*parts)
    at_once.finish(together)
    for part in parts:
        alone.apply(part)
    one_by_one.finish(alone)
    assert at_once.rows == one_by_one.rows
    assert at_once.late == one_by_one.late


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False))
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_duplicates_change_nothing(window: Window, clicks: list[Click], order: Random) -> None:
    twice = clicks * 2
    order.shuffle(twice)
    partition, log = Partition(window, PATIENT), Changelog()
    for start in range(0, len(twice), 3):
        partition.apply(batch(*twice[start : start + 3]))
        log.take(partition)
    log.finish(partition)
    assert log.spans() == batch_answer(clicks, window)
    assert log.duplicates == len(clicks)


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), patient=st.booleans())
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_a_new_owner_after_any_commit_goes_on_as_if_nothing_had_happened(
    window: Window, clicks: list[Click], order: Random, patient: bool
) -> None:
    order.shuffle(clicks)
    rules = PATIENT if patient else STRICT
    stays, lives = Partition(window, rules), Changelog()
    moves, moved, stored = Partition(window, rules), Changelog(), Stored()
    for number, one in enumerate([*clicks, *clicks[:5]]):
        arriving = batch(one, arrival=1e9 + 20 * number)
        stays.apply(arriving)
        lives.take(stays)
        moves.apply(arriving)
        stored.commit(moves, moved)
        if order.random() < 0.5:
            moves = stored.new_owner(window, rules)
    lives.finish(stays)
    moved.finish(moves)
    assert moved.rows == lives.rows
    assert (moved.late, moved.duplicates) == (lives.late, lives.duplicates)


@settings(deadline=None, max_examples=60)
@given(clicks=some_clicks, order=st.randoms(use_true_random=False), lateness=st.integers(0, 40))
@pytest.mark.parametrize("window", WINDOWS, ids=["visits", "capped", "minutes"])
def test_what_is_accepted_gives_the_batch_answer_and_the_rest_is_late(
    window: Window, clicks: list[Click], order: Random, lateness: int
) -> None:
    order.shuffle(clicks)
    rules = Rules(out_of_orderness_us=0, allowed_lateness_us=lateness * SECOND_US)
    partition, log = Partition(window, rules), Changelog()
    refused: set[str] = set()
    for one in clicks:
        partition.apply(batch(one))
        refused.update(late.event_id for late in log.take(partition).changelog.late)
    log.finish(partition)
    assert log.spans() == batch_answer([one for one in clicks if one.event_id not in refused], window)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_busy_visitor_is_cut_at_the_longest_duration_whatever_the_order(seed: int) -> None:
    """Far more clicks than a path keeps, so that paths are pruned on the way."""
    random = Random(seed)
    window = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=random.choice([300, 700]) * SECOND_US)
    rules = Rules(out_of_orderness_us=0, allowed_lateness_us=20 * SECOND_US)
    clicks = [click(moment, event=random.choice("abc")) for moment in (random.uniform(0, 2_000) for _ in range(3_000))]
    clicks.sort(key=lambda one: one.time_us + random.uniform(0, 29 * SECOND_US))
    partition, log, stored = Partition(window, rules), Changelog(), Stored()
    for start in range(0, len(clicks), 50):
        partition.apply(batch(*clicks[start : start + 50]))
        stored.commit(partition, log)
        if random.random() < 0.2:
            partition = stored.new_owner(window, rules)
    partition.finish()
    stored.commit(partition, log)
    assert log.late == 0
    assert log.spans() == batch_answer(clicks, window)
    assert (stored.sessions, stored.seen) == ({}, {}), "nothing is left in the store"


def cut(*clicks: Click, rules: Rules = PATIENT, window: Window = WINDOW) -> list[tuple[str, float, float, int]]:
    partition, log = Partition(window, rules), Changelog()
    for one in clicks:
        partition.apply(batch(one))
        log.take(partition)
    log.finish(partition)
    return brief(log)


def brief(log: Changelog) -> list[tuple[str, float, float, int]]:
    return [span[:4] for span in log.spans()]


def test_the_gap_is_inclusive() -> None:
    assert cut(click(0), click(GAP)) == [("64", 0, GAP, 2)]
    assert cut(click(0), click(GAP + 0.000001)) == [("64", 0, 0, 1), ("64", GAP + 0.000001, GAP + 0.000001, 1)]


def test_a_click_between_two_emitted_sessions_merges_them() -> None:
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(click(0), click(18), click(100, user="other")))
    log.take(partition)
    assert brief(log) == [("64", 0, 0, 1), ("64", 18, 18, 1)]
    partition.apply(batch(click(9)))
    log.take(partition)
    assert brief(log) == [("64", 0, 18, 3)]
    assert [(row.version, row.revised_because) for row in log.rows.values()] == [(2, "merged")]


def test_a_revised_session_says_why_and_a_first_version_does_not() -> None:
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(click(0), click(1), click(100, user="other")))
    log.take(partition)
    assert [row.revised_because for row in log.rows.values()] == [None]
    partition.apply(batch(click(2)))
    log.take(partition)
    assert [(row.version, row.revised_because) for row in log.rows.values()] == [(2, "extended")]


def test_a_click_is_late_only_when_its_own_session_could_no_longer_change() -> None:
    partition, log = Partition(WINDOW, STRICT), Changelog()
    partition.apply(batch(click(100, user="other")))
    partition.apply(batch(click(90), click(89.999)))
    log.take(partition)
    assert log.late == 1
    log.finish(partition)
    assert brief(log) == [("64", 90, 90, 1), ("other", 100, 100, 1)]


def test_a_session_is_cut_at_the_longest_duration() -> None:
    window = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=20 * SECOND_US)
    partition, log = Partition(window, PATIENT), Changelog()
    for second in (0, 8, 16, 24, 32):
        partition.apply(batch(click(second)))
    log.finish(partition)
    assert brief(log) == [("64", 0, 16, 3), ("64", 24, 32, 2)]
    assert sorted(row.closed_by for row in log.rows.values()) == ["cap", "gap"]


def test_a_click_after_a_full_session_that_was_emitted_closes_it_by_the_cap_after_all() -> None:
    window = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=20 * SECOND_US)
    partition, log = Partition(window, PATIENT), Changelog()
    partition.apply(batch(click(0), click(9), click(18), click(100, user="other")))
    log.take(partition)
    assert [(span.events, span.closed_by) for span in log.spans()] == [(3, "gap")]
    partition.apply(batch(click(27)))
    log.take(partition)
    assert [(span.events, span.closed_by) for span in log.spans()] == [(3, "cap"), (1, "gap")]
    assert sorted((row.version, row.revised_because) for row in log.rows.values()) == [(1, None), (2, "recut")]


def test_a_click_that_joins_two_visits_cuts_the_second_where_the_first_gets_too_long() -> None:
    """The second is so busy that its path was pruned, but for what such a click can part."""
    window = SessionWindow("visits", gap_us=10 * SECOND_US, max_duration_us=100 * SECOND_US)
    clicks = [click(0), *(click(15 + number / 10, event=f"e{number}") for number in range(1_000))]
    bridge = click(7)
    partition, log = Partition(window, PATIENT), Changelog()
    for start in range(0, len(clicks), 100):
        partition.apply(batch(*clicks[start : start + 100]))
        log.take(partition)
    partition.apply(batch(bridge))
    log.finish(partition)
    assert log.spans() == batch_answer([*clicks, bridge], window)
    assert [span.closed_by for span in log.spans()] == ["cap", "gap"]


def test_what_comes_with_clicks_is_taken_from_the_first_that_has_it() -> None:
    partition, log = Partition(WINDOW, PATIENT), Changelog()
    partition.apply(batch(click(5, page_url="/second"), click(1, page_url="/first", utm_source="mail"), click(0)))
    partition.apply(batch(click(6, event="order_completed", order_id="o1", revenue=Decimal("12.50"))))
    partition.apply(batch(click(7, event="order_completed", order_id="o1", revenue=Decimal("12.50"))))
    log.finish(partition)
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
    log.finish(partition)
    (row,) = log.rows.values()
    assert row.events == 1_000
    assert row.path == [f"e{number}" for number in range(100)]
    assert row.path_truncated
    assert row.end_navigation == "e999"


def detailed_click(random: Random) -> Click:
    """One with some of what may come with a click; few values, so that ties are common."""
    more: dict[str, object] = {"page_url": random.choice(["/a", "/b"]), "utm_source": random.choice(["mail", "ad"])}
    more |= {"referrer": "https://search.example/", "experiments": {"cart": random.choice("AB")}}
    told: dict[str, object] = {name: value for name, value in more.items() if random.random() < 0.5}
    event = random.choice(["page", "cart", "order_completed"])
    if event == "order_completed" and random.random() < 0.8:
        told |= {"order_id": random.choice(["o1", "o2"]), "revenue": Decimal(random.randrange(3)), "currency": "EUR"}
    return click(random.randrange(60), user=random.choice("ab"), event=event, **told)


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**6))
@pytest.mark.parametrize("window", [WINDOW, StaggerWindow("minutes")], ids=["visits", "minutes"])
def test_what_comes_with_clicks_makes_the_same_sessions_in_any_order(window: Window, seed: int) -> None:
    random = Random(seed)
    clicks = [detailed_click(random) for _ in range(30)]
    found = []
    for _ in range(2):
        partition, log = Partition(window, PATIENT), Changelog()
        for start in range(0, len(clicks), 4):
            partition.apply(batch(*clicks[start : start + 4], arrival=1e9 + 30 * start))
            log.take(partition)
        log.finish(partition)
        found.append({uid: structs.replace(row, version=1, revised_because=None) for uid, row in log.rows.items()})
        random.shuffle(clicks)
    assert found[0] == found[1]


def test_ids_that_were_seen_are_known_to_an_owner_with_other_rules() -> None:
    clicks = [click(second) for second in range(0, 600, 7)]
    partition, log, stored = Partition(WINDOW, PATIENT), Changelog(), Stored()
    partition.apply(batch(*clicks))
    stored.commit(partition, log)
    other = stored.new_owner(WINDOW, Rules(out_of_orderness_us=0, allowed_lateness_us=700 * SECOND_US))
    other.apply(batch(*clicks))
    log.finish(other)
    assert log.duplicates == len(clicks)
    assert log.spans() == batch_answer(clicks, WINDOW)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), sites=st.sampled_from(["a", "ab", "abc"]))
def test_the_tallies_of_an_entry_are_the_same_however_entries_are_put_together(seed: int, sites: str) -> None:
    random = Random(seed)
    known = [click(random.randrange(200), user=random.choice("xy"), site_id=random.choice(sites)) for _ in range(40)]
    batches = [batch(*random.choices(known, k=random.randrange(4))) for _ in range(25)]
    entries = [(number, number % 3) for number in range(1, 26)]
    rules = Rules(out_of_orderness_us=0, allowed_lateness_us=20 * SECOND_US)
    together, alone, log = Partition(WINDOW, rules), Partition(WINDOW, rules), Changelog()
    together.apply(*batches, entries=entries)
    for some, entry in zip(batches, entries, strict=True):
        alone.apply(some, entries=[entry])
        log.take(alone)
    changes = together.take_changes(0)
    assert changes.changelog.tallies == log.tallies
    read = {entry: sum(tally.clicks for tally in log.tallies if tally.entry == entry) for entry in entries}
    assert read == {entry: len(some) for some, entry in zip(batches, entries, strict=True)}
    rows = {late.position for late in changes.changelog.late}
    assert len(rows) == len(changes.changelog.late) == sum(tally.late for tally in log.tallies)
    for milliseconds, sequence, row in rows:
        assert row < len(batches[entries.index((milliseconds, sequence))])


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
    assert brief(log) == []
    partition.idle(5_011 * SECOND_US)
    log.take(partition)
    assert brief(log) == [("64", 100, 100, 1)]


def test_a_stagger_row_is_emitted_one_range_after_its_first_arrival_and_revised_by_what_comes_later() -> None:
    partition, log = Partition(StaggerWindow("minutes"), PATIENT), Changelog()
    partition.apply(batch(click(600, event="page"), arrival=605))
    partition.apply(batch(click(645, event="buy"), arrival=650))
    partition.idle(664 * SECOND_US)
    log.take(partition)
    assert brief(log) == []
    partition.idle(665 * SECOND_US)
    log.take(partition)
    assert brief(log) == [("64", 600, 645, 2)]
    partition.apply(batch(click(658, event="exit"), arrival=700))
    log.take(partition)
    assert brief(log) == [("64", 600, 658, 3)]
    (row,) = log.rows.values()
    assert (row.version, row.begin_navigation, row.end_navigation, row.closed_by) == (2, "page", "exit", "range")
    assert row.revised_because == "extended"


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


def test_what_comes_with_a_click_is_told_under_its_own_name() -> None:
    """Each of the details is another text, so that none can take another's place."""
    order: dict[str, Any] = {"order_id": "o1", "revenue": Decimal("12.5"), "currency": "EUR"}
    order["client_address"] = "10.0.0.0"
    utm: dict[str, Any] = {"utm_source": "s", "utm_medium": "m", "utm_campaign": "c", "experiments": {"price": "high"}}
    partition = Partition(WINDOW, PATIENT)
    partition.apply(batch(click(1, event="order_completed", page_url="/x", referrer="/r", **order, **utm)))
    partition.finish()
    [row] = partition.take_changes(0).changelog.plus
    assert row.touch == Touch("/x", "/r", "s", "m", "c", {"price": "high"}, "EUR")
    assert (row.orders, row.revenue) == (1, Decimal("12.5"))
