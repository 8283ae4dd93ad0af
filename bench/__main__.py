"""`make bench`: every figure, over repeated runs, with what they ran on; kept for docs/performance.md."""

import platform
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

import typer

from bench import (
    dashboard,
    end_to_end,
    from_file,
    importing,
    ingest,
    latency,
    live,
    peers,
    persister,
    queries,
    recovery,
    results,
    scaling,
    sessionizer,
    window_core,
    yardstick,
)
from bench.measure import Figure, show
from bench.stored import WEEKS_OF_A_YEAR
from bench.workload import FULL, SMALL, A

PARTS: Mapping[str, Callable[..., list[Figure]]] = {
    "core": window_core.measure,
    "sessionizer": sessionizer.measure,
    "from-file": from_file.measure,
    "scaling": scaling.measure,
    "persister": persister.measure,
    "ingest": ingest.measure,
    "latency": latency.measure,
    "live": live.measure,
    "recovery": recovery.measure,
    "all": end_to_end.measure,
    "import": importing.measure,
    "queries": queries.measure,
    "dashboard": dashboard.measure,
}
# These take hours together, and much disk: only if they are named.
LARGE: Mapping[str, Callable[..., list[Figure]]] = {
    "import-10-million": lambda _, runs: importing.measure(FULL, runs=runs),
    "queries-10-million": partial(queries.measure, weeks=WEEKS_OF_A_YEAR),
    "from-file-10-million": lambda _, runs: from_file.measure(FULL, runs=runs),
    "dashboard-hour": partial(dashboard.measure, minutes=dashboard.HOUR),
    "peers": lambda _, runs: peers.measure(FULL, runs=runs),
}
QUICK = ("core", "sessionizer", "persister", "ingest", "all")


def bench(
    runs: Annotated[int, typer.Option(min=1, help="repeated runs of each figure")] = 5,
    quick: Annotated[bool, typer.Option(help="some parts, on the small workload; not kept")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help=f"one of {', '.join([*PARTS, *LARGE])}; may be given again")
    ] = None,
) -> None:
    """Print what each part does a second of one core's time, and the whole on all cores; keep it in bench/results/."""
    sys.stdout.write(f"{platform.machine()}, Python {platform.python_version()}, {runs} runs each\n")
    for part in only or (QUICK if quick else PARTS):
        load, speed = results.load_now(), yardstick.speed()
        figures = {**PARTS, **LARGE}[part](SMALL if quick else A, runs=runs)
        speed += yardstick.speed()
        show([*figures, Figure("speed of the machine", "% of the budgets'", [100 * one for one in speed])])
        if not quick:
            results.keep(results.result(part, figures, runs=runs, load=load, speed=speed))


if __name__ == "__main__":
    typer.run(bench)
