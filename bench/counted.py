"""A small fixed piece of work of each hot path, for `bench.instructions` to run under valgrind.

`python -m bench.counted PART FOLDER`; the part `nothing` imports and reads what the others do.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from clickloom.publish import BATCH_CLICKS
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.wire import decode_batch
from services.api.ingest.events import Terms, sort_events, split_lines
from services.persister.click_rows import click_rows
from services.persister.session_rows import session_rows

RECEIVED_US = 2_000_000_000_000_000
BATCHES = "batches"  # of record batches, as one list
LINES = "clicks.jsonl"
WINDOW = SessionWindow("visits")


def _nothing(_: Sequence[bytes], __: bytes) -> None:
    pass


def _ingest(_: Sequence[bytes], lines: bytes) -> None:
    each = lines.splitlines(keepends=True)
    for first in range(0, len(each), BATCH_CLICKS):
        body = b"".join(each[first : first + BATCH_CLICKS])
        assert not sort_events(split_lines(body), Terms(RECEIVED_US, 0, 0)).rejected


def _clicks(batches: Sequence[bytes], _: bytes) -> None:
    for number, batch in enumerate(batches):
        click_rows(decode_batch(batch), 0, (number, 0))


def _windows(batches: Sequence[bytes], _: bytes) -> None:
    partition = Partition(WINDOW, Rules())
    partition.apply(*map(decode_batch, batches))
    partition.finish()
    partition.take_changes(0)


def _sessions(batches: Sequence[bytes], _: bytes) -> None:
    partition = Partition(WINDOW, Rules())
    partition.apply(*map(decode_batch, batches))
    partition.finish()
    session_rows(WINDOW.name, partition.take_changes(0).changelog.plus, rollbacks=0, entry=(0, 0))


PARTS: Mapping[str, Callable[[Sequence[bytes], bytes], None]] = {
    "nothing": _nothing,
    "ingest": _ingest,
    "window core": _windows,
    "rows of clicks": _clicks,
    "window core and rows of sessions": _sessions,
}


def main(part: str, folder: Path) -> None:
    batches = msgspec.msgpack.decode((folder / BATCHES).read_bytes(), type=list[bytes])
    PARTS[part](batches, (folder / LINES).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
