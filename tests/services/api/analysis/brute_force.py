"""Funnels, paths and retention over everything, one after the other: what the answers are held against."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, TypeVar

Event = TypeVar("Event")
Test = Callable[[Event], bool]
Chain = list[int]  # positions


def chains(
    events: Sequence[Event],
    moments: Sequence[int],
    steps: Sequence[Test[Event]],
    *,
    strict: bool,
    within_us: int | None,
) -> list[Chain]:
    """From each first step on, as far as it goes."""
    found = []
    for start in (at for at, event in enumerate(events) if steps[0](event)):
        chain = [start]
        for step in steps[1:]:
            reach = range(chain[-1] + 1, min(chain[-1] + 2, len(events)) if strict else len(events))
            following = next((at for at in reach if step(events[at])), None)
            if following is None or (within_us is not None and moments[following] - moments[start] > within_us):
                break
            chain.append(following)
        found.append(chain)
    return found


def funnel(
    sequences: Iterable[tuple[Sequence[Event], Sequence[int]]],
    steps: Sequence[Test[Event]],
    *,
    strict: bool = False,
    within_us: int | None = None,
) -> tuple[list[int], list[float | None]]:
    """(how many came to each step, medians of the seconds since the step before, from the second on)."""
    counts = [0] * len(steps)
    gaps: list[list[float]] = [[] for _ in steps]
    for events, moments in sequences:
        all_chains = chains(events, moments, steps, strict=strict, within_us=within_us)
        if not all_chains:
            continue
        best = max(all_chains, key=len)  # the first of the longest
        for depth, at in enumerate(best):
            counts[depth] += 1
            if depth:
                gaps[depth].append((moments[at] - moments[best[depth - 1]]) / 1e6)
    return counts, [median(some) if some else None for some in gaps[1:]]


def links(
    paths: Iterable[Sequence[str]], event: str | None, *, backwards: bool, levels: int, collapsed: bool
) -> Counter[tuple[int, str, str | None]]:
    """(level of the first, first, second or None) → sessions."""
    found: Counter[tuple[int, str, str | None]] = Counter()
    for path in paths:
        walked = [name for at, name in enumerate(path) if not (collapsed and at and path[at - 1] == name)]
        if event is not None and event not in walked:
            continue
        start = 0 if event is None else walked.index(event)
        onward = walked[start::-1] if backwards else walked[start:]
        for level, name in enumerate(onward[:levels]):
            found[level, name, onward[level + 1] if level + 1 < len(onward) else None] += 1
    return found


def retention(sessions: Iterable[tuple[Any, int, bool]], *, new_from: int = 0) -> dict[int, list[tuple[int, int]]]:
    """sessions: (user, number of the period, whether it counts as a return). Cohort → (later, users that returned).

    new_from: users with a session in an earlier period are in no cohort.
    """
    first: dict[Any, int] = {}
    returns: defaultdict[Any, set[int]] = defaultdict(set)
    for user, period, counts in sessions:
        first[user] = min(period, first.get(user, period))
        if counts:
            returns[user].add(period)
    found: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for user, cohort in first.items():
        if cohort >= new_from:
            found[cohort].update(period - cohort for period in returns[user])
    return {cohort: sorted(counter.items()) for cohort, counter in found.items()}
