"""Spans are cut to a number of rows, and what is left comes next: each row once."""

from bisect import bisect_right
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.persister.archive_plans import Span, fitting, spans_of

Position = tuple[int, int, int]  # partition, ms, seq

positions = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3_000) | st.just(7), st.integers(0, 3)), unique=True, max_size=60
).map(sorted)


def within(rows: Sequence[Position], spans: Sequence[Span]) -> list[Position]:
    found: list[Position] = []
    for number, begin_ms, begin_seq, end_ms, end_seq in spans:
        first = bisect_right(rows, (number, begin_ms, begin_seq))
        found += rows[first : bisect_right(rows, (number, end_ms, end_seq))]
    return found


@given(positions, st.integers(1, 20))
def test_plan_after_plan_takes_each_row_once_and_no_more_than_fits(rows: list[Position], limit: int) -> None:
    ends: dict[int, tuple[int, int]] = {}
    for number, ms, seq in rows:
        ends[number] = max(ends.get(number, (0, 0)), (ms, seq))
    begins: dict[int, tuple[int, int]] = {}
    taken: list[Position] = []
    while spans := spans_of(begins, ends):
        chosen, waiting = fitting(spans, limit, lambda some: min(limit + 1, len(within(rows, some))))
        found = within(rows, chosen)
        assert chosen
        assert waiting == min(limit + 1, len(rows) - len(taken))
        assert len(found) <= limit or len({ms for _, ms, _ in found}) == 1
        taken += found
        begins |= {span.partition: (span.end_ms, span.end_seq) for span in chosen}
    assert sorted(taken) == rows


def test_a_cursor_that_went_back_gives_nothing() -> None:
    assert spans_of({0: (9, 9)}, {0: (9, 8), 1: (0, 0)}) == []
