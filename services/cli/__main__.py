"""The `clickloom` command: its options, and what they call."""

import asyncio
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from redis.exceptions import RedisError
from rich.console import Console

import migrations
from clickloom.connect import open_redis
from clickloom.errors import ClickloomError
from clickloom.keys import Keys
from clickloom.layout import forget_reader
from clickloom.settings import Settings, load_settings
from clickloom.times import parse_duration, parse_time, to_datetime
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow, Window, parse_window
from services.cli import backtest as backtesting
from services.cli import ledger as accounting
from services.cli import replay as replaying
from services.cli import score as scoring
from services.cli import sessionize as sessionizing
from services.cli import status as showing
from services.cli import tail as tailing
from services.cli.source import Format, open_source, read_lines
from services.cli.up import up as run_everything
from services.generator.__main__ import generate

app = typer.Typer(name="clickloom", no_args_is_help=True, help="Turns clicks into sessions while they happen.")
app.command("generate")(generate)
readers = typer.Typer(no_args_is_help=True, help="Who is registered to read the streams.")
app.add_typer(readers, name="readers")


class Boundary(StrEnum):
    inclusive = "inclusive"
    exclusive = "exclusive"


class Emit(StrEnum):
    final = "final"
    changelog = "changelog"


File = Annotated[str, typer.Argument(help="a path, `-` for standard input; .gz is unpacked")]


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="with generated traffic")] = False,
    rate: Annotated[float, typer.Option(help="events a second of the generated traffic")] = 20.0,
    port: Annotated[int | None, typer.Option(help="the API's port")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="where the servers keep their data")] = None,
) -> None:
    """Run everything on this machine: Valkey, PostgreSQL, and the services. REDIS_URL and DATABASE_URL replace them."""
    run_everything(_settings(port=port, data_dir=data_dir), demo=demo, rate=rate)


@app.command()
def migrate() -> None:
    """Bring the database's schema to what this version needs."""
    migrations.upgrade(load_settings().database_url)


@app.command()
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


@app.command()
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
    rules = Rules(out_of_orderness_us=_duration(out_of_orderness), allowed_lateness_us=_duration(allowed_lateness))
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
            window = replace(window, max_duration_us=_duration(max_duration))
        return window.exclusive() if boundary is Boundary.exclusive else window
    if max_duration is not None or boundary is Boundary.exclusive:
        raise typer.BadParameter("--max-duration and --boundary are for session windows")
    return window


@app.command()
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
        out_of_orderness_us=_duration(out_of_orderness),
        allowed_lateness_us=_duration(allowed_lateness),
    )
    rejected: list[str] = []
    columns = backtesting.backtest(file, form, window, rules, rejected)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(columns) + b"\n")
    else:
        backtesting.print_columns(columns)
    for line in rejected:
        Console(stderr=True).print(f"rejected {line}", markup=False, highlight=False, soft_wrap=True)


@app.command()
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


@app.command()
def ledger(
    begin: Annotated[str | None, typer.Option("--from", help="ISO time; a day before --to if not given")] = None,
    end: Annotated[str | None, typer.Option("--to", help="ISO time, exclusive; now if not given")] = None,
    window: Annotated[str | None, typer.Option(help="only this one")] = None,
    site: Annotated[str | None, typer.Option(help="only this one's clicks")] = None,
    wait: Annotated[float, typer.Option(min=0, help="seconds to give what is on its way")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Whether every click that came in is where it should be; exit 1 if it does not balance.

    Also if --wait is given and something is still on its way after that time.
    """
    span = (_moment(begin) if begin else None, _moment(end) if end else None)
    found = asyncio.run(accounting.read(load_settings(), *span, window=window, site_id=site, wait_s=wait))
    if as_json:
        sys.stdout.write(found.model_dump_json(by_alias=True, indent=2) + "\n")
    else:
        accounting.print_ledger(found)
    raise typer.Exit(0 if found.balanced and (found.settled or not wait) else 1)


@app.command()
def tail(
    stream: Annotated[tailing.Stream, typer.Argument(help="which stream")],
    window: Annotated[str, typer.Option(help="of sessions")] = "visits",
    from_start: Annotated[bool, typer.Option(help="from the first entry that is kept")] = False,
    count: Annotated[int, typer.Option(min=0, help="lines to print; 0: without end")] = 0,
) -> None:
    """Print a stream as JSON lines."""
    asyncio.run(_tail(stream, window, from_start, count))


async def _tail(stream: tailing.Stream, window: str, from_start: bool, count: int) -> None:
    settings = load_settings()
    printed = 0
    async with open_redis(settings.redis_url) as redis:
        async for line in tailing.tail(redis, stream, window=window, from_start=from_start, settings=settings):
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
            printed += 1
            if printed == count:
                return


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, with the times in full")] = False,
) -> None:
    """Show every stream and its readers: length, lag, owner, watermark, last commit; and what is wrong."""
    found = asyncio.run(_status())
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        showing.print_status(found, Console(highlight=False, soft_wrap=True))


async def _status() -> showing.Status:
    settings = load_settings()
    async with open_redis(settings.redis_url) as redis:
        return await showing.read_status(redis, settings)


@readers.command()
def remove(name: Annotated[str, typer.Argument(help="as `clickloom status` shows it")]) -> None:
    """Let the streams wait for a reader no more; what it has not read may be trimmed.

    Of a window this also forgets the sessions that are still open. Rows in Postgres stay.
    """
    kept = asyncio.run(_remove(name))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{name} is no reader any more", markup=False)
    if kept:
        console.print(
            f"{', '.join(kept)} stay, for the persister has not written all of them: put {name} back into WINDOWS of"
            " the persister, and remove it again when `clickloom status` shows no lag",
            markup=False,
        )


async def _remove(name: str) -> list[str]:
    settings = load_settings()
    async with open_redis(settings.redis_url) as redis:
        return await forget_reader(redis, Keys(settings.namespace), name)


def _settings(**overrides: object) -> Settings:
    return load_settings(**{name: value for name, value in overrides.items() if value is not None})


def _moment(text: str) -> datetime:
    try:
        return to_datetime(parse_time(text))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time, as 2021-02-26T13:31:00Z") from error


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def main() -> None:
    """Run the command; an error of ours, or a file that is not there, is one line, not a traceback."""
    try:
        app()
    except ClickloomError as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"the Redis of REDIS_URL does not answer: {error}")
    except BrokenPipeError:  # as by `| head`: who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename} cannot be opened: {error.strerror}" if error.filename else str(error))


def _fail(reason: str) -> NoReturn:
    Console(stderr=True).print(f"clickloom: {reason}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
