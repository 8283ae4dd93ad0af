"""How many instructions a click takes on the hot paths, which is the same however busy the machine is.

`python -m bench.instructions` counts with valgrind and holds the counts against those that are kept; exit code 1 if one
is twice as large. `--keep` keeps them. A little of a count is chance: where in memory things lie. Another processor,
Python or version of a package counts otherwise: compare on one machine.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from bench.counted import BATCHES, LINES, PARTS
from bench.workload import SMALL
from clickloom.publish import BATCH_CLICKS

KEPT = Path(__file__).with_suffix(".json")
CLICKS = 100 * BATCH_CLICKS
MOST = 2.0  # times the kept count
_COLLECTED = re.compile(r"Collected : (\d+)")


def compare(keep: Annotated[bool, typer.Option(help="these counts are to be kept")] = False) -> None:
    """Instructions a click, now and as kept."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not there: apt-get install valgrind")
    found = count()
    kept = msgspec.json.decode(KEPT.read_bytes(), type=dict[str, int]) if KEPT.exists() else {}
    table = Table("instructions a click", "now", "kept", "times")
    for part, now in found.items():
        before = kept.get(part, now)
        table.add_row(part, f"{now:,}", f"{before:,}", f"{now / before:.2f}")
    Console(width=120).print(table)
    if keep:
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    worse = [part for part, now in found.items() if now > MOST * kept.get(part, now)]
    if worse and not keep:
        sys.exit(f"more than {MOST:.0f} times what it was: {', '.join(worse)}")


def count() -> dict[str, int]:
    """By part, without what starting takes."""
    with TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        with SMALL.lines().open("rb") as lines:
            (folder / LINES).write_bytes(b"".join(islice(lines, CLICKS)))
        batches = SMALL.batches()[: CLICKS // BATCH_CLICKS]
        (folder / BATCHES).write_bytes(msgspec.msgpack.encode(batches))
        counts = dict(zip(PARTS, pool.map(partial(_count, folder), PARTS), strict=True))
    start = counts.pop("nothing")
    return {part: round((collected - start) / CLICKS) for part, collected in counts.items()}


def _count(folder: Path, part: str) -> int:
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, "-m", "bench.counted", part, str(folder)]
    # Else hashes, and threads that wait for work, would be part of the count.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = _COLLECTED.search(ended.stderr)
    if ended.returncode != 0 or found is None:
        sys.exit(f"valgrind did not count {part}: {ended.stderr[-2_000:]}")
    return int(found[1])


if __name__ == "__main__":
    typer.run(compare)
