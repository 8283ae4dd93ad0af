"""`make bench`: every figure, over repeated runs, with what they ran on."""

import platform
import sys
from typing import Annotated

import typer

from bench import end_to_end, ingest, sessionizer, window_core
from bench.measure import show
from bench.workload import SMALL, A


def bench(
    runs: Annotated[int, typer.Option(min=1, help="repeated runs of each figure")] = 5,
    quick: Annotated[bool, typer.Option(help="on the small workload")] = False,
) -> None:
    """Print what each part does a second of one core's time, and the whole on all cores."""
    sys.stdout.write(f"{platform.machine()}, Python {platform.python_version()}, {runs} runs each\n")
    workload = SMALL if quick else A
    parts = (window_core, sessionizer, end_to_end)
    figures = [figure for part in parts for figure in part.measure(workload, runs=runs)]
    show([*figures, *ingest.measure(runs=runs)])


if __name__ == "__main__":
    typer.run(bench)
