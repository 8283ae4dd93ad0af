"""One run of a peer, in an environment of its own, on one core."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
import psutil

from bench.peers.peer import Peer, Place
from bench.running import cpu_s
from bench.workload import CACHE, Workload

CHUNK = 100_000  # lines
CORE = "0"
GIVE_UP_S = 1_800
# Sessions may be more by those that a watermark after each record closes, and Flink's SQL tells durations in seconds.
MORE_SESSIONS = 3
LEAST_PART = 0.999  # of the clicks, of a system that is not exact: 200,000 become 199,846 with Bytewax
SENTINEL = "sentinel"
COLUMNS = ("user", "device", "begin", "end", "events", "first", "last", "duration_us")  # of what a peer writes


class Run(NamedTuple):
    """Between the peer's `begin` and `end`."""

    cpu_s: float  # of the whole tree of processes
    wall_s: float


def run(peer: Peer, workload: Workload) -> Run:
    """Raises AssertionError if the answer is not the workload's."""
    python = _environment(peer)
    lines, chunks = workload.lines(), _chunks(workload)
    with TemporaryDirectory(dir="/tmp") as folder:
        place = Place(python, lines, chunks, Path(folder) / "out")
        found = _timed(peer.command(place), Path(folder))
        _check(peer, workload, place.out)
        return found


def _environment(peer: Peer) -> Path:
    """Its interpreter; made when it is first asked for."""
    folder = CACHE / "peers" / peer.environment
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *peer.packages], check=True)
        (folder / "whole").touch()
    return python


def _timed(command: Sequence[str], folder: Path) -> Run:
    log = folder / "log"
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}"}
    pinned = ["taskset", "-c", CORE, *command]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            pinned, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        marks: dict[str, Run] = {}
        tree = psutil.Process(process.pid)
        for line in process.stdout:
            if line.strip() in ("begin", "end"):
                marks[line.strip()] = Run(cpu_s(tree), time.monotonic())
        code = process.wait(GIVE_UP_S)
    assert code == 0, f"{command[:3]} ended with {code}: {log.read_text()[-2_000:]}"
    return Run(*(end - begin for begin, end in zip(marks["begin"], marks["end"], strict=True)))


def _chunks(workload: Workload) -> Path:
    """For what reads a folder of files, one after the other by their names."""
    folder = CACHE / f"{workload.name}.chunks"
    if not folder.exists():
        made = folder.with_suffix(".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        subprocess.run(
            ["split", f"-l{CHUNK}", "-a4", "-d", "--additional-suffix=.json", str(workload.lines()), f"{made}/"],
            check=True,
        )
        end = '{"event_id":"s","user_id":"sentinel","device_id":"mobile","client_event":"end","client_timestamp":'
        (made / "9999.json").write_text(f'{end}"2030-01-01T00:00:00.000000Z"}}\n')
        for number, file in enumerate(sorted(made.iterdir())):
            os.utime(file, (number, number))  # Spark takes them by their age
        made.rename(folder)
    return folder


def _check(peer: Peer, workload: Workload, out: Path) -> None:
    files = [str(file) for file in ([out] if out.is_file() else out.glob(peer.rows)) if _holds_rows(file)]
    kinds = dict.fromkeys(("user", "device", "begin", "end", "first", "last", "duration_us"), "VARCHAR")
    columns = {name: {**kinds, "events": "BIGINT"}[name] for name in COLUMNS}
    rows = f"read_csv({files}, header = false, columns = {columns}, null_padding = true, ignore_errors = false)"
    query = f"SELECT count(*), sum(events) FROM {rows} WHERE \"user\" <> '{SENTINEL}'"
    found = duckdb.execute(query).fetchone()
    assert found is not None
    sessions, clicks = found
    least = workload.clicks * (1 if peer.exact else LEAST_PART)
    right = workload.sessions <= sessions <= workload.sessions + MORE_SESSIONS and least <= clicks <= workload.clicks
    assert right, f"{peer.name}: {sessions} sessions of {clicks} clicks, not {workload.sessions} of {workload.clicks}"


def _holds_rows(file: Path) -> bool:
    return (
        file.is_file() and file.stat().st_size > 0 and not file.name.startswith(("_", ".crc")) and file.suffix != ".crc"
    )
