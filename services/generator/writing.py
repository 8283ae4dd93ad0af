"""Traffic into a file, as JSON lines, with no server."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import BinaryIO

import msgspec

from services.generator.arrivals import Arrivals, Line
from services.generator.truth import End

CHUNK = 1_000

_encode = msgspec.json.Encoder().encode


def write_lines(
    output: BinaryIO, arrivals: Arrivals, slots: Iterable[int], *, tell: Callable[[End], None], count: int | None = None
) -> None:
    """A line a slot, at most `count`, in the order of arrival, as fast as they can be made."""
    for lines in _chunks(arrivals, slots, count):
        output.write(
            b"".join([_encode(line) + b"\n" if not isinstance(line, bytes) else line + b"\n" for line in lines])
        )
    output.flush()
    tell(arrivals.end)


def _chunks(arrivals: Arrivals, slots: Iterable[int], count: int | None) -> Iterator[list[Line]]:
    due = islice(slots, count)
    while chunk := list(islice(due, CHUNK)):
        for time_us in chunk:
            arrivals.add(time_us)
        yield arrivals.take(chunk[-1])
    yield arrivals.finish()
