"""What the person who imports is shown: a bar on the way, and a summary."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from clickloom.times import iso
from services.cli.history.run import Progress, Report


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar if standard error is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:9}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total or None)

        yield show


def print_report(report: Report) -> None:
    """On standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    found, present = report.loaded, report.present
    console.print(f"read {report.accepted:,} clicks: {found.new:,} new, {found.known:,} known already", end="")
    console.print(f", {found.left:,} left out" if found.left else "", end="")
    console.print(f"; rejected {report.rejected:,}")
    for event in report.shown:
        console.print(f"  {event.source}: {event.code}: {event.message}")
    if report.rejected > len(report.shown):
        console.print("  … the others are in rejected_events")
    for window, made in found.made.items():
        told = f"{made:,} sessions, {found.changed[window]:,} changed, {found.revoked[window]:,} taken back"
        console.print(f"{window}: {told}")
    if report.unused:
        console.print(
            f"columns that are no field of a click: {', '.join(report.unused)}; --map FIELD=COLUMN takes one in"
        )
    if found.live and present:
        console.print(
            f"left out {found.live:,} clicks of visits that end after {iso(present.bounds.settled_us)}, which live"
            f" traffic can still change: run the same import again after {iso(present.repeat_us)}"
        )
    if found.beyond:
        console.print(f"left out {found.beyond:,} clicks of visits that go on for longer than was looked at")
    if found.parted:
        console.print(
            f"left out {found.parted:,} clicks of visits that Postgres does not hold whole: a session of theirs is open"
            " still, and the same import again takes them later, or old clicks have been dropped"
        )
    if report.accepted:
        rate = report.accepted / report.seconds
        console.print(f"{report.seconds:,.1f} s, {rate:,.0f} clicks a second")
