"""When a process is behind with what it must do, and when it is stuck. The clock is told."""

from clickloom.duties import PROGRESS_WITHIN_S, ROUND_WITHIN_S, Duties

LATER_S = PROGRESS_WITHIN_S + 1
MUCH_LATER_S = ROUND_WITHIN_S + 1


def test_one_that_was_never_done_is_behind_from_when_it_was_first_expected() -> None:
    duties = Duties()
    duties.expect("serve", 0)
    duties.expect("serve", 20)
    assert duties.behind(PROGRESS_WITHIN_S) == []
    assert duties.behind(LATER_S) == ["serve: not done for 31 s"]


def test_one_that_is_done_again_and_again_is_never_behind() -> None:
    duties = Duties()
    for now_s in range(0, 1_000, 10):
        duties.done("serve", now_s)
        assert duties.behind(now_s + 10) == []


def test_who_waits_for_a_store_is_behind_but_not_stuck() -> None:
    duties = Duties()
    duties.done("serve", 0)
    duties.waiting("serve", MUCH_LATER_S)
    assert duties.behind(MUCH_LATER_S)
    assert duties.stuck(MUCH_LATER_S) == []


def test_who_does_not_even_try_is_stuck() -> None:
    duties = Duties()
    duties.done("serve", 0)
    assert duties.stuck(MUCH_LATER_S) == ["serve: not tried for 301 s"]


def test_what_is_another_processs_now_is_not_missed() -> None:
    duties = Duties()
    duties.expect("partition 3 of visits", 0)
    duties.forget("partition 3 of visits")
    assert duties.behind(LATER_S) == []
