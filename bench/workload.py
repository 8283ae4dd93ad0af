"""The benchmark's clicks: made once, kept under `.bench/` as the record batches that ingest would write."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import xxhash

from clickloom import wire
from clickloom.click import Click, normalise, parse_click
from clickloom.errors import InvalidSetting
from clickloom.keys import partition_of
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
    durations_us: int | None  # None: the README does not say

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

    def parquet(self) -> Path:
        """The clicks as a table, with times as times."""
        path = CACHE / f"{self.name}.parquet"
        if not path.exists():
            columns = "{event_id: 'VARCHAR', user_id: 'VARCHAR', device_id: 'VARCHAR', client_event: 'VARCHAR',"
            columns += " client_timestamp: 'TIMESTAMP'}"
            made = path.with_suffix(".part")
            rows = f"read_json('{self.lines()}', format = 'nd', columns = {columns})"
            duckdb.execute(f"COPY (FROM {rows}) TO '{made}' (FORMAT parquet)")
            made.rename(path)
        return path

    def batches(self) -> list[bytes]:
        """Full record batches, all of one partition."""
        return [batch for _, batch in self.partitioned(1)]

    def partitioned(self, partitions: int) -> list[tuple[int, bytes]]:
        """(partition, record batch), full ones in the order in which they fill.

        A click arrives at its event time, never before the one before it.
        """
        path = CACHE / f"{self.name}-{partitions}-{_wire_version()}.batches"
        if not path.exists():
            with self.lines().open("rb") as lines:
                packed = msgspec.msgpack.encode(list(_batches(map(_click, lines), partitions)))
            path.write_bytes(packed)
        return msgspec.msgpack.decode(path.read_bytes(), type=list[tuple[int, bytes]])


# The answers are in the README beside the script.
SMALL = Workload("S", ("--events", "200000", "--users", "10000", "--seed", "3"), 29_577, 200_000, 6_305_428_190_456)
A = Workload("A", (), 248_989, 2_000_000, 91_713_662_003_182)
FULL = Workload("A5", ("--events", "10000000", "--days", "5"), 1_241_253, 10_000_000, None)


def _click(line: bytes) -> Click:
    return normalise(parse_click(line), received_us=2**60, future_bound_us=0, new_event_id=str)


def _batches(clicks: Iterator[Click], partitions: int) -> Iterator[tuple[int, bytes]]:
    arrival_us = 0
    filling: dict[int, list[Click]] = {number: [] for number in range(partitions)}
    for click in clicks:
        number = partition_of(click.key, partitions)
        filling[number].append(click)
        arrival_us = max(arrival_us, click.time_us)
        if len(filling[number]) == BATCH_CLICKS:
            yield number, encode(RecordBatch.of(filling[number], arrival_us))
            filling[number] = []
    for number, rest in filling.items():
        if rest:
            yield number, encode(RecordBatch.of(rest, arrival_us))


def _wire_version() -> str:
    """Batches that were made before the wire changed are of no use."""
    return xxhash.xxh3_64_hexdigest(Path(wire.__file__).read_bytes())[:8]
