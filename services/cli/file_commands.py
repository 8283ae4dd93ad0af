"""Commands about files of clicks, of sessions and of the truth."""

import asyncio
import sys
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from clickloom.settings import load_settings
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, Window, parse_window
from services.cli import backtest as backtesting
from services.cli import replay as replaying
from services.cli import score as scoring
from services.cli import sessionize as sessionizing
from services.cli.history.formats import FileFormat, format_of, named
from services.cli.history.mapping import parse_mapping
from services.cli.interrupt import Interrupt
from services.cli.options import File, duration_of, processes_of_machine
from services.cli.source import Format, open_source, read_lines, readable_again

commands = typer.Typer()


class Boundary(StrEnum):
    inclusive = "inclusive"
    exclusive = "exclusive"


class Emit(StrEnum):
    final = "final"
    changelog = "changelog"


@commands.command()
def replay(
    file: File,
    form: Annotated[Format, typer.Option("--format", help="of the lines")] = Format.jsonl,
    close: Annotated[
        bool, typer.Option(help="move the watermark past the file's end, so that its sessions close")
    ] = True,
) -> None:
    """Publish a file to the streams as fast as they take it.

    At the end the watermark moves one gap past the file's last click. That is harmless to live traffic: a click is
    accepted as long as its own session, a gap after it, could still change. --no-close leaves the last sessions open.
    """
    report = asyncio.run(replaying.replay(file, form, close=close, settings=load_settings()))
    replaying.print_report(report)


@commands.command("import")
def import_(
    files: Annotated[list[str], typer.Argument(help="paths, or `-` for standard input; .gz is unpacked")],
    form: Annotated[FileFormat | None, typer.Option("--format", help="of all files; else by the name's end")] = None,
    rules: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN, or FIELD:=TEXT for what all clicks have")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="that load side by side")] = processes_of_machine(),
    temporary: Annotated[Path | None, typer.Option(help="a folder with room for what the files hold")] = None,
) -> None:
    """Bring history from files into Postgres, past the streams: clicks, and the sessions of all windows.

    Done again it changes nothing. Live traffic is not disturbed: what it can still change is left out, and told; exit 1
    if that is so. Columns named as the fields of a click are found without --map.
    """
    from services.cli.history import run as importing  # which takes long to load
    from services.cli.history.report import print_report, progress_bar

    mapping, interrupt = parse_mapping(rules or []), Interrupt()
    interrupt.install()
    try:
        with interrupt.raising(), ExitStack() as copies, progress_bar() as progress:
            found = [(name, Path(copies.enter_context(readable_again(file)))) for name, file in named(files)]
            folder = temporary or Path(gettempdir())
            request = importing.Request(found, form or format_of(files[0]), mapping, processes, folder)
            report = importing.run(request, load_settings(), progress)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; what is loaded stays, and the same import again loads the rest")
        raise typer.Exit(130) from None
    print_report(report)
    raise typer.Exit(1 if report.loaded.left else 0)


@commands.command()
def sessionize(
    file: File,
    window: Annotated[str, typer.Option(help="as session(gap=30m) or stagger(range=1m)")] = "session(gap=30m)",
    form: Annotated[Format, typer.Option("--format", help="of the lines")] = Format.jsonl,
    out_of_orderness: Annotated[str, typer.Option(help="how far the watermark stays behind")] = "10s",
    allowed_lateness: Annotated[str, typer.Option(help="how long a closed session can still change")] = "5m",
    max_duration: Annotated[str | None, typer.Option(help="the longest session, as 24h")] = None,
    boundary: Annotated[Boundary, typer.Option(help="whether a click at exactly the gap joins")] = Boundary.inclusive,
    emit: Annotated[Emit, typer.Option(help="each session once, or every + and − row")] = Emit.final,
    late: Annotated[Path | None, typer.Option(help="where late clicks are written")] = None,
) -> None:
    """Cut a file's clicks into sessions, with no server; JSON lines on standard output.

    One watermark for the whole input: the greatest event time less --out-of-orderness. A line {"watermark": TIME} among
    the first 10,000 moves it instead, and nothing else does then. A line may carry `arrival`, the clock of arrival.
    """
    defined = _window(window, max_duration, boundary)
    rules = Rules(out_of_orderness_us=duration_of(out_of_orderness), allowed_lateness_us=duration_of(allowed_lateness))
    rejected: list[str] = []
    with ExitStack() as files:
        lines = files.enter_context(open_source(file))
        emissions = sessionizing.read(read_lines(lines, form, rules, rejected), defined, rules)
        if late is not None:
            emissions = sessionizing.tee_late(emissions, form, files.enter_context(late.open("wb")))
        write = sessionizing.write_final if emit is Emit.final else sessionizing.write_changelog
        write(emissions, sessionizing.Final(defined, rules), sys.stdout.buffer)
    for line in rejected:
        Console(stderr=True).print(f"rejected {line}", markup=False, highlight=False)


def _window(text: str, max_duration: str | None, boundary: Boundary) -> Window:
    window = parse_window(text)
    if isinstance(window, SessionWindow):
        if max_duration is not None:
            window = replace(window, max_duration_us=duration_of(max_duration))
        return window.exclusive() if boundary is Boundary.exclusive else window
    if max_duration is not None or boundary is Boundary.exclusive:
        raise typer.BadParameter("--max-duration and --boundary are for session windows")
    return window


@commands.command()
def backtest(
    file: File,
    window: Annotated[list[str], typer.Option(help="a definition; at least two, the first is compared with")],
    form: Annotated[Format, typer.Option("--format", help="of the lines")] = Format.jsonl,
    out_of_orderness: Annotated[str, typer.Option(help="how far the watermark stays behind")] = "10s",
    allowed_lateness: Annotated[str, typer.Option(help="how long a closed session can still change")] = "5m",
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """What another definition of a session would do: the same clicks under each, side by side."""
    rules = replace(
        load_settings().rules(),
        out_of_orderness_us=duration_of(out_of_orderness),
        allowed_lateness_us=duration_of(allowed_lateness),
    )
    rejected: list[str] = []
    columns = backtesting.backtest(file, form, window, rules, rejected)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(columns) + b"\n")
    else:
        backtesting.print_columns(columns)
    for line in rejected:
        Console(stderr=True).print(f"rejected {line}", markup=False, highlight=False, soft_wrap=True)


@commands.command()
def score(
    truth: Annotated[str, typer.Argument(help="what `clickloom generate --truth` wrote")],
    sessions: Annotated[str | None, typer.Option(help="JSON lines of sessionize, instead of the database's")] = None,
    late: Annotated[str | None, typer.Option(help="with --sessions: the late clicks as JSON lines")] = None,
    wait: Annotated[float, typer.Option(min=0, help="seconds to give the pipeline to finish")] = 0.0,
) -> None:
    """Compare what the pipeline made of generated traffic with the truth; exit 1 if anything deviates."""
    if late is not None and sessions is None:
        raise typer.BadParameter("--late belongs to --sessions; the database has its own late clicks")
    known = scoring.read_whole_truth(truth)
    if sessions is None:
        found = scoring.score_database(known, load_settings().database_url, wait_s=wait)
    else:
        found = scoring.score_files(known, sessions, late)
    scoring.print_score(found)
    raise typer.Exit(0 if found.perfect else 1)
