"""The benchmark's clicks: made once, kept under `.bench/` as the record batches that ingest would write."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from clickloom.click import Click, normalise, parse_click
from clickloom.errors import InvalidSetting
from clickloom.publish import BATCH_CLICKS
from clickloom.wire import RecordBatch, encode

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".bench"
SCRIPT = ROOT.parent / "shared" / "bench" / "workload.py"


class Workload(msgspec.Struct, frozen=True):
    """Arguments of the script, and the answer: sessions (gap 30 min), their clicks, the sum of their durations."""

    name: str
    arguments: tuple[str, ...]
    sessions: int
    clicks: int
    durations_us: int

    def lines(self) -> Path:
        """The JSON lines. Raises InvalidSetting if the script that makes them is not there."""
        path = CACHE / f"{self.name}.jsonl"
        if not path.exists():
            if not SCRIPT.exists():
                raise InvalidSetting(f"the workload's script is not there: {SCRIPT}")
            CACHE.mkdir(exist_ok=True)
            made = path.with_suffix(".part")
            subprocess.run([sys.executable, str(SCRIPT), str(made), *self.arguments], check=True)
            made.rename(path)
        return path

    def batches(self) -> list[bytes]:
        """Full record batches of one partition; a click arrives at its event time, never before the one before it."""
        path = CACHE / f"{self.name}.{len(RecordBatch.__struct_fields__)}-columns.batches"
        if not path.exists():
            with self.lines().open("rb") as lines:
                packed = msgspec.msgpack.encode(list(_batches(map(_click, lines))))
            path.write_bytes(packed)
        return msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])


# The answers are in the README beside the script.
SMALL = Workload("S", ("--events", "200000", "--users", "10000", "--seed", "3"), 29_577, 200_000, 6_305_428_190_456)
A = Workload("A", (), 248_989, 2_000_000, 91_713_662_003_182)


def _click(line: bytes) -> Click:
    return normalise(parse_click(line), received_us=2**60, future_bound_us=0, new_event_id=str)


def _batches(clicks: Iterator[Click]) -> Iterator[bytes]:
    arrival_us = 0
    while members := list(islice(clicks, BATCH_CLICKS)):
        arrival_us = max(arrival_us, *(click.time_us for click in members))
        yield encode(RecordBatch.of(members, arrival_us))
