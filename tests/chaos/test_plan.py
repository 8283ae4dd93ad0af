"""Faults are drawn so that everything is hit, and nothing is hit twice at once."""

from itertools import combinations
from random import Random

from tests.chaos.plan import LINKS, SERVICES, STORES, Fault, Kind, faults, targets_of

LEASE_S = 2.0


def ten_minutes(seed: int = 7) -> list[Fault]:
    return list(faults(Random(seed), seconds=600, every_s=5, lease_s=LEASE_S))


def test_the_same_seed_gives_the_same_faults_in_the_same_order() -> None:
    assert ten_minutes(7) == ten_minutes(7)
    assert ten_minutes(7) != ten_minutes(8)


def test_ten_minutes_hit_everything_in_every_way_with_sixty_faults_and_more() -> None:
    found = ten_minutes()
    assert len(found) >= 60
    assert {fault.kind for fault in found} == set(Kind)
    assert {fault.target for fault in found} == {*SERVICES, *STORES, *LINKS}


def test_faults_overlap_but_a_target_has_one_at_a_time() -> None:
    overlapping = [
        (one, other)
        for one, other in combinations(ten_minutes(), 2)
        if other.at_s < one.at_s + one.lasts_s and one.at_s <= other.at_s
    ]
    assert overlapping
    for one, other in overlapping:
        assert targets_of((one.kind, one.target)).isdisjoint(targets_of((other.kind, other.target)))
