"""How far each sequence came through a funnel's steps, and what that adds up to, as SQL. Pure.

Of every event that is the first step a chain begins: in loose order each next step is the first one after the step
before it, in strict order the very next event. What counts of a sequence is the chain that came furthest, of several
such the earliest. (For a chain that must end within a time this is `windowFunnel` of ClickHouse.)
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from services.api.analysis.events import VALUE
from services.api.analysis.sequences import MOMENTS, Sequences

_ZERO: ColumnElement[int] = literal_column("0")  # OFFSET 0: each position is looked for once, not wherever it is used
_BEYOND: ColumnElement[int] = literal_column("2147483646")  # any sequence's end


def reached(
    sequences: Sequences, steps: int, *, strict: bool, within_us: int | None, value_of_event: bool
) -> Select[Any]:
    """One row a sequence that came to the first step: `value`, `depth` (1 to steps), and of each further step that it
    came to `gap_2`, `gap_3`, …, the seconds since the step before.

    value_of_event: a sequence's `value` is an array, with one for each event; it is that of the first step.
    """
    table = sequences.table
    several = strict or within_us is not None  # without a limit of time no later start can come further
    starts = sequences.starts() if several else _first_start(sequences)
    chains = _chains(sequences, starts, steps, strict=strict, within_us=within_us)
    best = _furthest(chains) if several else chains.lateral("best")
    value = table.c[VALUE][best.c.p1] if value_of_event else table.c[VALUE]
    gaps = [_gap(best, step).label(f"gap_{step}") for step in range(2, steps + 1)]
    return select(value.label(VALUE), best.c.depth, *gaps).select_from(table.join(best, true()))


def _first_start(sequences: Sequences) -> Select[Any]:
    return select(sequences.first(0, literal_column("1")).label("p1"))


def _chains(
    sequences: Sequences, starts: Select[Any], steps: int, *, strict: bool, within_us: int | None
) -> Select[Any]:
    """One row a start: the chain's positions `p1`, `p2`, … and its `depth`."""
    chains = starts.offset(_ZERO).subquery("from_1")
    for step in range(2, steps + 1):
        at = cast(chains.c.p1 + step - 1, Integer) if strict else _next(sequences, chains, step)
        chains = select(chains, at.label(f"p{step}")).offset(_ZERO).subquery(f"from_{step}")
    depth = _depth(sequences, chains, steps, strict=strict, within_us=within_us).label("depth")
    return select(chains, depth).where(chains.c.p1.is_not(None))


def _furthest(chains: Select[Any]) -> Any:
    """The chain that counts."""
    found = chains.selected_columns
    return chains.order_by(found.depth.desc(), found.p1).limit(1).lateral("best")


def _next(sequences: Sequences, chains: Subquery, step: int) -> ColumnElement[int]:
    return sequences.first(step - 1, func.coalesce(chains.c[f"p{step - 1}"], _BEYOND) + 1)


def _depth(
    sequences: Sequences, chains: Subquery, steps: int, *, strict: bool, within_us: int | None
) -> ColumnElement[int]:
    """The step before the first that fails."""
    failing = []
    for step in range(2, steps + 1):
        at = chains.c[f"p{step}"]
        fails: list[ColumnElement[bool]] = [sequences.holds(step - 1, at).is_not(True) if strict else at.is_(None)]
        if within_us is not None:
            fails.append(MOMENTS[at] - MOMENTS[chains.c.p1] > within_us)
        failing.append((or_(*fails), step - 1))
    return case(*failing, else_=steps)


def _gap(best: Any, step: int) -> ColumnElement[float]:
    since = MOMENTS[best.c[f"p{step}"]] - MOMENTS[best.c[f"p{step - 1}"]]
    return case((best.c.depth >= step, cast(since, Float) / 1_000_000))


def summed(found: Select[Any], steps: int, *, most_values: int | None) -> Select[Any]:
    """`reached_1`, …, `median_2`, …; and, if most_values, the same by `value`: a row each for the most frequent, with
    its `place` from 1 on, and one for all others, whose place is one more. The row of all has no place.
    """
    rows = found.cte("reached")
    if most_values is None:
        return select(literal_column("NULL").label("place"), literal_column("NULL").label(VALUE), *_sums(rows, steps))
    ranked = _ranked(rows, most_values)
    same = and_(func.coalesce(rows.c.value, "") == ranked.c.key, rows.c.value.is_(None) == ranked.c.is_none)
    return (
        select(ranked.c.place, ranked.c.value, *_sums(rows, steps))
        .select_from(rows.join(ranked, same))
        .group_by(func.grouping_sets(tuple_(), tuple_(ranked.c.place, ranked.c.value)))
        .order_by(ranked.c.place)
    )


def _ranked(rows: Any, most_values: int) -> Subquery:
    counted = select(rows.c.value, func.count().label("sequences")).group_by(rows.c.value).subquery("counted")
    rank = func.row_number().over(order_by=(counted.c.sequences.desc(), counted.c.value.asc().nulls_last()))
    place = func.least(rank, most_values + 1).label("place")
    placed = select(place, counted.c.value).subquery("placed")
    shown = case((placed.c.place <= most_values, placed.c.value))
    key = func.coalesce(placed.c.value, "").label("key")
    return select(placed.c.place, shown.label(VALUE), key, placed.c.value.is_(None).label("is_none")).subquery("ranked")


def _sums(rows: Any, steps: int) -> list[ColumnElement[Any]]:
    counts = [func.count().filter(rows.c.depth >= step).label(f"reached_{step}") for step in range(1, steps + 1)]
    medians = [
        func.percentile_cont(0.5).within_group(rows.c[f"gap_{step}"]).label(f"median_{step}")
        for step in range(2, steps + 1)
    ]
    return [*counts, *medians]
