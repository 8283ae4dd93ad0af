"""`make bench`: every figure, over repeated runs, with what they ran on."""

import platform
import sys
from typing import Annotated

import typer

from bench import end_to_end, importing, ingest, live, persister, queries, sessionizer, window_core
from bench.measure import show
from bench.stored import WEEKS_OF_A_YEAR
from bench.workload import FULL, SMALL, A

PARTS = {
    "core": window_core,
    "sessionizer": sessionizer,
    "persister": persister,
    "ingest": ingest,
    "live": live,
    "all": end_to_end,
    "import": importing,
    "queries": queries,
}


def bench(
    runs: Annotated[int, typer.Option(min=1, help="repeated runs of each figure")] = 5,
    quick: Annotated[bool, typer.Option(help="on the small workload")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(PARTS)}; may be given again")] = None,
    full_import: Annotated[bool, typer.Option(help="import 10 million clicks once, and nothing else")] = False,
    full_queries: Annotated[bool, typer.Option(help="ask of 10 million sessions, and nothing else")] = False,
) -> None:
    """Print what each part does a second of one core's time, and the whole on all cores."""
    sys.stdout.write(f"{platform.machine()}, Python {platform.python_version()}, {runs} runs each\n")
    if full_import:
        show(importing.measure(FULL, runs=1))
        return
    if full_queries:
        show(queries.measure(A, runs=runs, weeks=WEEKS_OF_A_YEAR))
        return
    workload = SMALL if quick else A
    chosen = [part for name, part in PARTS.items() if not only or name in only]
    show([figure for part in chosen for figure in part.measure(workload, runs=runs)])


if __name__ == "__main__":
    typer.run(bench)
