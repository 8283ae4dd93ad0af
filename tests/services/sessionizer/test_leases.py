"""The share of every worker, decided by each for itself."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.sessionizer.leases import Part, balance, in_words

PARTS = [Part(number, window) for number in range(4) for window in ("minutes", "visits")]
Owners = dict[Part, str | None]


def look(me: str, workers: list[str], owners: Owners) -> Owners:
    """What the leases are after one worker has done what its plan says."""
    plan = balance(me, workers, owners)
    assert all(owners[part] is None for part in plan.take)
    assert all(owners[part] == me for part in plan.give)
    return {**owners, **dict.fromkeys(plan.take, me), **dict.fromkeys(plan.give, None)}


def settle(workers: list[str], owners: Owners) -> Owners:
    """Everybody looks, one after the other, until nobody does anything."""
    for _ in range(10):
        before = owners
        for worker in workers:
            owners = look(worker, workers, owners)
        if owners == before:
            return owners
    raise AssertionError("the workers do not come to rest")


def moved(before: Owners, after: Owners) -> int:
    return sum(owner != after[part] for part, owner in before.items())


def test_a_worker_alone_takes_everything() -> None:
    assert balance("a", ["a"], dict.fromkeys(PARTS)) == (PARTS, [])


def test_a_worker_that_joins_is_given_its_share_and_nothing_else_moves() -> None:
    alone: Owners = dict.fromkeys(PARTS, "a")
    both = settle(["a", "b"], alone)
    assert Counter(both.values()) == {"a": 4, "b": 4}
    assert moved(alone, both) == 4


def test_the_windows_of_a_partition_stay_together_so_that_they_share_its_reads() -> None:
    both = settle(["a", "b"], dict.fromkeys(PARTS, "a"))
    assert all(both[Part(number, "minutes")] == both[Part(number, "visits")] for number in range(4))


def test_what_a_dead_worker_holds_is_not_free_before_its_lease_ends() -> None:
    owners: Owners = {part: "dead" if part.partition < 2 else "a" for part in PARTS}
    assert balance("a", ["a"], owners) == ([], [])
    free: Owners = {part: None if owner == "dead" else owner for part, owner in owners.items()}
    assert balance("a", ["a"], free) == ([part for part in PARTS if part.partition < 2], [])


def test_two_that_look_at_the_same_moment_do_not_reach_for_the_same_parts() -> None:
    owners: Owners = dict.fromkeys(PARTS)
    taken = [balance(worker, ["a", "b", "c"], owners).take for worker in ("a", "b", "c")]
    assert sorted(part for some in taken for part in some) == PARTS


@given(st.lists(st.sampled_from([None, "a", "b", "c", "gone"]), min_size=8, max_size=8), st.integers(1, 4))
def test_whoever_holds_what_and_whoever_lives_all_come_to_an_even_share(owners: list[str | None], count: int) -> None:
    workers = ["a", "b", "c", "d"][:count]
    ended = [owner if owner in workers else None for owner in owners]  # the leases of those that live no more
    settled = settle(workers, dict(zip(PARTS, ended, strict=True)))
    shares = Counter(settled.values())
    assert set(shares) <= set(workers)
    assert max(shares.values()) - min(shares[worker] for worker in workers) <= 1


def test_a_log_names_partitions_as_ranges() -> None:
    parts = [Part(number, "visits") for number in (0, 1, 2, 5)] + [Part(7, "minutes")]
    assert in_words(parts) == {"minutes": "7", "visits": "0-2 5"}
