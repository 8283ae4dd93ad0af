"""The table of event names: small however many names come and go."""

import numpy as np

from clickloom.times import MINUTE_US, SECOND_US
from clickloom.windows.names import SWEPT_AT_LEAST, EventNames
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from tests.clicks import batch, click
from tests.windows.answers import Changelog, Stored

WINDOW = SessionWindow("visits", gap_us=MINUTE_US)
RULES = Rules(out_of_orderness_us=0, allowed_lateness_us=0, conversion_events=frozenset({"order"}))
A_COMMIT = 100  # clicks, a second from each other
IN_USE = A_COMMIT + 2 * MINUTE_US // SECOND_US  # the names that a session may have: until twice the gap has passed
COMMITS = 100


def test_a_code_stays_as_long_as_it_is_in_use_and_is_another_names_after_it() -> None:
    names = EventNames({"order"})
    assert names.add(["nav", "order", "nav", "cart"]) == [0, 1, 0, 2]
    names.sweep(np.array([0, 2], np.uint32))
    assert names.take_changes() == ({0: "nav", 1: "order", 2: "cart"}, [1])
    assert names.add(["cart", "search", "order"]) == [2, 1, 3]
    assert names.conversions(np.array([0, 1, 2, 3], np.uint32)).tolist() == [False, False, False, True]
    assert names.take_changes() == ({1: "search", 3: "order"}, [])


def test_names_are_restored_with_their_gaps() -> None:
    names = EventNames({"order"})
    names.restore({0: "nav", 3: "order"})
    assert sorted(names.add(["a", "b", "c"])) == [1, 2, 4]
    assert names.add(["nav", "order"]) == [0, 3]
    assert names.is_conversion(3)
    assert not names.is_conversion(1)


def test_ranks_are_those_of_the_names_at_hand() -> None:
    names = EventNames(())
    codes = np.array(names.add(["pear", "apple", "fig", "apple"]), np.uint32)
    assert names.ranks(codes).tolist() == [2, 0, 1, 0]
    assert names.ranks(codes[:0]).tolist() == []


def test_names_that_never_come_again_are_kept_no_longer_than_their_sessions() -> None:
    partition, stored, log = Partition(WINDOW, RULES), Stored(), Changelog()
    most = 0
    for commit in range(COMMITS):
        first = commit * A_COMMIT
        clicks = [click(n, user=f"u{n}", event=f"order-{n}") for n in range(first, first + A_COMMIT)]
        partition.apply(batch(*clicks))
        stored.commit(partition, log)
        most = max(most, len(stored.names))
        if commit == COMMITS // 2:
            partition = stored.new_owner(WINDOW, RULES)
    log.finish(partition)
    assert most < SWEPT_AT_LEAST + A_COMMIT + IN_USE
    shown = {row.user_id: (row.begin_navigation, row.begin_us // SECOND_US) for row in log.rows.values()}
    assert shown == {f"u{n}": (f"order-{n}", n) for n in range(COMMITS * A_COMMIT)}
