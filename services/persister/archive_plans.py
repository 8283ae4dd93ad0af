"""Which clicks go into the archive's next files: spans of stream positions, cut to a number of rows. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from clickloom.wire import EntryId

_LAST_SEQ = 2**31 - 1


class Span(NamedTuple):
    """Positions of `clicks:{partition}`: those after `begin`, up to `end`."""

    partition: int
    begin_ms: int
    begin_seq: int
    end_ms: int
    end_seq: int


Count = Callable[[Sequence[Span]], int]  # rows in spans, or more than the limit if there are


def spans_of(begins: Mapping[int, EntryId], ends: Mapping[int, EntryId]) -> list[Span]:
    """What is after `begins` (by partition; from the first entry, if a partition has none) and up to `ends`."""
    found = [Span(number, *begins.get(number, (0, 0)), *end) for number, end in sorted(ends.items())]
    return [span for span in found if not _is_empty(span)]


def narrowed(spans: Sequence[Span], upto_ms: int) -> list[Span]:
    """The spans without entries after this millisecond."""
    cut = [Span(*span[:3], *min((span.end_ms, span.end_seq), (upto_ms, _LAST_SEQ))) for span in spans]
    return [span for span in cut if not _is_empty(span)]


def fitting(spans: Sequence[Span], limit: int, count: Count) -> tuple[list[Span], int]:
    """The spans, or as much from their begin as holds at most `limit` rows, and at least a quarter of that.

    One millisecond that holds more is taken whole. Also returns how many rows there are, as `count` tells.
    """
    rows = count(spans) if spans else 0
    if rows <= limit:
        return list(spans), rows
    fits_ms, exceeds_ms = min(span.begin_ms for span in spans), max(span.end_ms for span in spans)
    found = 0
    while exceeds_ms - fits_ms > 1 and found < max(1, limit // 4):
        middle_ms = (fits_ms + exceeds_ms) // 2
        counted = count(narrowed(spans, middle_ms))
        if counted <= limit:
            fits_ms, found = middle_ms, counted
        else:
            exceeds_ms = middle_ms
    return narrowed(spans, fits_ms if found else exceeds_ms), rows


def _is_empty(span: Span) -> bool:
    return (span.end_ms, span.end_seq) <= (span.begin_ms, span.begin_seq)
