"""What became of true sessions, case by case."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from services.cli.verdict import Refused, Score, compare
from services.generator.truth import End, Run, TrueLate, TrueSession, Truth, Visit

NOON = datetime.fromisoformat("2024-01-01T12:00:00Z")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def true(begin: float, end: float, events: int = 2, *, user: str = "64", device: str = "mobile") -> TrueSession:
    return TrueSession(
        user_id=user,
        device_id=device,
        begin_session=at(begin),
        end_session=at(end),
        events=events,
        begin_navigation="beer_products",
        end_navigation="beer_cart",
        converted=False,
        orders=0,
        revenue=Decimal("0.00"),
    )


def made(begin: float, end: float, events: int = 2, *, user: str = "64", device: str = "mobile") -> Visit:
    same = true(begin, end, events, user=user, device=device)
    return Visit(**{name: getattr(same, name) for name in Visit.__struct_fields__})


def truth(*sessions: TrueSession, late: list[TrueLate] | None = None) -> Truth:
    run = Run(
        model="shop", seed=1, rate=20, start=NOON, site_id="default", window="visits",
        gap_us=0, out_of_orderness_us=0, allowed_lateness_us=0,
    )  # fmt: skip
    return Truth(run, End(), list(sessions), late or [])


def late(event_id: str) -> TrueLate:
    return TrueLate(event_id=event_id, user_id="64", device_id="mobile", client_event="x", client_timestamp=at(-99))


def refused(event_id: str, minutes: float = -99) -> Refused:
    return Refused(event_id, "64", "mobile", at(minutes))


def score(sessions: list[TrueSession], visits: list[Visit]) -> Score:
    return compare(truth(*sessions), visits, [])


def found(result: Score) -> dict[str, int]:
    return {"exact": result.exact, **result.found}


def test_the_same_sessions_are_exact_in_any_order_and_beside_other_visitors() -> None:
    result = score(
        [true(0, 5), true(40, 41), true(0, 5, user="65"), true(1, 2, device="tablet")],
        [made(1, 2, device="tablet"), made(40, 41), made(0, 5), made(0, 5, user="65")],
    )
    assert found(result) == {"exact": 4}
    assert result.perfect


def test_one_true_session_in_two_is_split() -> None:
    result = score([true(0, 20, 4), true(60, 61)], [made(0, 5), made(15, 20), made(60, 61)])
    assert found(result) == {"exact": 1, "split": 1}
    assert not result.perfect
    assert result.unexplained == 1


def test_two_true_sessions_in_one_are_joined() -> None:
    result = score([true(0, 5), true(40, 45), true(90, 91)], [made(0, 45, 4), made(90, 91)])
    assert found(result) == {"exact": 1, "joined": 2}
    assert result.unexplained == 2


def test_joined_here_and_split_there_is_told_apart() -> None:
    result = score([true(0, 10), true(20, 30), true(40, 41)], [made(0, 22), made(28, 30), made(40, 41)])
    assert found(result) == {"exact": 1, "joined": 1, "split": 1}


def test_a_true_session_that_nobody_made_is_missing() -> None:
    result = score([true(0, 5), true(40, 45), true(0, 1, user="65")], [made(0, 5)])
    assert found(result) == {"exact": 1, "missing": 2}


def test_a_session_that_never_was_is_extra() -> None:
    result = score([true(0, 5)], [made(0, 5), made(40, 45), made(0, 5, user="65")])
    assert found(result) == {"exact": 1, "extra": 2}
    assert not result.perfect


def test_a_session_made_twice_is_no_exact_one() -> None:
    result = score([true(0, 5)], [made(0, 5), made(0, 5)])
    assert found(result) == {"exact": 0, "split": 1}


def test_a_session_with_another_value_is_changed_and_told_how() -> None:
    for name, value in [
        ("events", 3),
        ("begin_session", at(1)),
        ("end_session", at(5) + timedelta(microseconds=1)),
        ("end_navigation", "beer_products"),
        ("converted", True),
        ("orders", 1),
        ("revenue", Decimal("0.01")),
    ]:
        result = score([true(0, 5)], [msgspec.structs.replace(made(0, 5), **{name: value})])
        assert found(result) == {"exact": 0, "changed": 1}
        assert f"{name} " in result.examples[0]


def test_what_the_pipeline_does_not_tell_is_not_compared() -> None:
    silent = msgspec.structs.replace(made(0, 5), converted=None, orders=None, revenue=None)
    assert score([true(0, 5)], [silent]).perfect


def test_revenue_is_the_same_with_more_decimals() -> None:
    assert score([true(0, 5)], [msgspec.structs.replace(made(0, 5), revenue=Decimal("0.000000"))]).perfect


def test_a_late_click_of_the_truth_must_have_been_refused() -> None:
    known = truth(true(0, 5), late=[late("a"), late("b")])
    assert compare(known, [made(0, 5)], [refused("a"), refused("b"), refused("b")]).perfect
    lost = compare(known, [made(0, 5)], [refused("a")])
    assert (lost.late_found, lost.true_late, lost.perfect) == (1, 2, False)
    silent = compare(known, [made(0, 5)], None)
    assert (silent.late_found, silent.perfect) == (None, True)


def test_a_click_refused_though_in_time_is_no_success_even_if_all_sessions_are_exact() -> None:
    result = compare(truth(true(0, 5)), [made(0, 5)], [refused("c", 2)])
    assert (result.exact, result.late_unknown, result.perfect) == (1, 1, False)


def test_a_deviation_is_explained_when_refused_clicks_account_for_every_click() -> None:
    known = truth(true(0, 20, 3), true(60, 60, 1))
    result = compare(known, [made(0, 0, 1), made(20, 20, 1)], [refused("c", 10), refused("d", 60)])
    assert found(result) == {"exact": 0, "split": 1, "missing": 1}
    assert (result.unexplained, result.perfect) == (0, False)
    more_lost = compare(known, [made(0, 0, 1)], [refused("c", 10), refused("d", 60)])
    assert more_lost.unexplained == 1


def test_a_late_click_that_the_truth_knows_explains_no_deviation() -> None:
    known = replace(truth(true(0, 20, 3)), late=[late("a")])
    assert compare(known, [made(0, 20, 2)], [refused("a", 10)]).unexplained == 1


def test_no_more_than_the_first_deviations_are_told() -> None:
    result = score([true(40 * number, 40 * number + 5) for number in range(50)], [])
    assert result.found["missing"] == 50
    assert len(result.examples) == 10
