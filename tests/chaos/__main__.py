"""`make chaos`: kill, pause and cut off everything for some minutes, and see whether it comes out exact."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli.score import VERDICTS
from tests.chaos.run import Options, Report, run


def chaos(
    minutes: Annotated[float, typer.Option(min=0.05, help="how long faults happen")] = 10.0,
    seed: Annotated[int | None, typer.Option(help="the same seed gives the same faults in the same order")] = None,
    rate: Annotated[float, typer.Option(min=1, help="clicks a second")] = 300.0,
    every: Annotated[float, typer.Option(min=0.1, help="seconds from one fault to the next, on average")] = 5.0,
    folder: Annotated[Path | None, typer.Option(help="where logs and data are kept; a new one by default")] = None,
) -> None:
    """Kill, pause and cut off everything for some minutes, and see whether it comes out exact; exit 1 if not."""
    kept = folder or Path(tempfile.mkdtemp(prefix="clickloom-chaos-"))
    kept.chmod(0o755)  # PostgreSQL does not run as root, even if we do
    known = int(time.time()) % 100_000 if seed is None else seed
    options = Options(seconds=minutes * 60, seed=known, rate=rate, every_s=every, folder=kept)
    console = Console(highlight=False, soft_wrap=True)
    with (kept / "chaos.log").open("w") as file:
        begin = time.monotonic()

        def say(line: str) -> None:
            line = f"{time.monotonic() - begin:6.1f}  {line}"
            console.print(line, markup=False)
            file.write(line + "\n")
            file.flush()

        say(f"seed {known}, {minutes:g} minutes of faults, {rate:g} clicks a second")
        report = asyncio.run(run(options, say))
        for finding in [*report.verdict.findings, *report.lossy.findings, *report.left]:
            say(f"! {finding}")
    console.print(_table(report))
    console.print(f"seed {known}; logs and data are in {kept}")
    sys.exit(0 if report.exact else 1)


def _table(report: Report) -> Table:
    verdict, lossy = report.verdict, report.lossy
    title, colour = ("exact", "green") if report.exact else ("NOT EXACT", "red")
    table = Table("", "", title=title, title_style=f"bold {colour}", show_header=False)
    table.columns[1].justify = "right"
    for kind, count in sorted(report.faults.items()):
        table.add_row(f"faults: {kind}", f"{count:,}")
    table.add_row("faults in all", f"{report.faults.total():,}", end_section=True)
    table.add_row("clicks", f"{verdict.clicks:,}")
    table.add_row("of them again", f"{verdict.duplicates:,}")
    table.add_row("duplicate rows", f"{verdict.duplicate_rows:,}", end_section=True)
    for window, count in sorted(verdict.sessions.items()):
        table.add_row(f"sessions of {window}", f"{count:,}")
    scores = verdict.scores.values()
    true, exact = sum(score.true_sessions for score in scores), sum(score.exact for score in scores)
    table.add_row("true visits", f"{true:,}")
    table.add_row("exact", f"{exact:,}")
    for name in VERDICTS:
        table.add_row(name, f"{sum(score.found[name] for score in scores):,}")
    late = sum(score.true_late for score in scores)
    table.add_row(
        "late clicks found", f"{sum(score.late_found or 0 for score in scores):,} of {late:,}", end_section=True
    )
    table.add_row("ledger", "; ".join(verdict.ledger) or "balanced")
    table.add_row("rollups", "; ".join(verdict.rollups) or "as a recount gives them")
    table.add_row("with input lost", "all agree" if lossy.exact else "DISAGREE")
    table.add_row("still running", f"{len(report.left)}")
    return table


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(chaos)
    app()
