"""Commands that run the system, or look into one that runs.

What takes long to load, and only one command needs, that command imports.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.layout import add_reader, forget_reader
from clickloom.settings import Settings, load_settings
from clickloom.status.archive import ARCHIVE
from clickloom.status.reading import read_status
from clickloom.status.status import Status
from services.cli import check as checking
from services.cli import retention as keeping
from services.cli import status as showing
from services.cli import tail as tailing
from services.cli.archive import forget_archive
from services.cli.demo_history import DAYS
from services.cli.options import duration_of, moment_of
from services.cli.settings_page import settings_page

commands = typer.Typer()
readers = typer.Typer(no_args_is_help=True, help="Who is registered to read the streams.")
commands.add_typer(readers, name="readers")
checks = typer.Typer(no_args_is_help=True, help="Hold what is in Postgres against a recount.")
commands.add_typer(checks, name="check")


@commands.command()
def up(
    demo: Annotated[bool, typer.Option(help="with generated traffic")] = False,
    rate: Annotated[float, typer.Option(help="events a second of the generated traffic; its past has a tenth")] = 1.0,
    days: Annotated[
        int, typer.Option("--demo-days", min=0, max=366, help="the past that a new demo begins with")
    ] = DAYS,
    port: Annotated[int | None, typer.Option(help="the API's port")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="where the servers keep their data")] = None,
) -> None:
    """Run everything on this machine: Valkey, PostgreSQL, and the services. REDIS_URL and DATABASE_URL replace them."""
    from services.cli.up import up as run_everything

    run_everything(_settings(port=port, data_dir=data_dir, demo_shop=demo or None), demo=demo, rate=rate, days=days)


@commands.command()
def migrate() -> None:
    """Bring the database's schema to what this version needs."""
    import migrations

    migrations.upgrade(load_settings().database_url)


@commands.command()
def ledger(
    begin: Annotated[str | None, typer.Option("--from", help="ISO time; a day before --to if not given")] = None,
    end: Annotated[str | None, typer.Option("--to", help="ISO time, exclusive; now if not given")] = None,
    window: Annotated[str | None, typer.Option(help="only this one")] = None,
    site: Annotated[str | None, typer.Option(help="only this one's clicks")] = None,
    wait: Annotated[float, typer.Option(min=0, help="seconds to give what is on its way")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
    every: Annotated[str | None, typer.Option(help="count again and again, as 15m, and tell METRICS_PORT")] = None,
) -> None:
    """Whether every click that came in is where it should be; exit 1 if it does not balance.

    Also if --wait is given and something is still on its way after that time.
    """
    from services.cli import ledger as accounting
    from services.cli.audit import audit

    if every is not None:
        audit(duration_of(every), window=window, site_id=site)
        return
    span = (moment_of(begin) if begin else None, moment_of(end) if end else None)
    found = asyncio.run(accounting.read(load_settings(), *span, window=window, site_id=site, wait_s=wait))
    if as_json:
        sys.stdout.write(found.model_dump_json(by_alias=True, indent=2) + "\n")
    else:
        accounting.print_ledger(found)
    raise typer.Exit(0 if found.balanced and (found.settled or not wait) else 1)


@commands.command()
def erase(
    user: Annotated[str, typer.Option(help="the user_id")],
    site: Annotated[str | None, typer.Option(help="only on this one")] = None,
    wait: Annotated[float, typer.Option(min=0, help="seconds to give the services for what is on its way")] = 60.0,
) -> None:
    """Erase a person: clicks, sessions, late clicks, rejected events and open sessions, on all devices.

    Sessionizers and persister must run. What comes after the command was given is new, and stays. If it fails, or is
    cut short, give it again. docs/operations.md says what it does not reach.
    """
    from services.cli.erase import erase_person

    erased = asyncio.run(erase_person(load_settings(), user, site, within_s=wait))
    console = Console(highlight=False, soft_wrap=True)
    gone = f"{erased.clicks:,} clicks, {erased.sessions:,} sessions, {erased.late:,} late clicks"
    console.print(f"erased {gone}, {erased.rejected:,} rejected events")


@commands.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would be dropped")] = False,
) -> None:
    """Drop what is older than the …_RETENTION_DAYS say; the persister does so by itself, every ten minutes."""
    settings = load_settings()
    keeping.print_retention(settings, keeping.apply(settings, dry_run=dry_run), dry_run=dry_run)


@checks.command()
def rollups() -> None:
    """Whether rollups and breakdowns are what a recount of sessions gives; exit 1 and the differences if not."""
    found, days = checking.read(load_settings())
    checking.print_check(found)
    checking.print_days(days)
    raise typer.Exit(1 if found.different or days.different else 0)


@commands.command()
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


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, with the times in full")] = False,
) -> None:
    """Show every stream and its readers: length, lag, owner, watermark, last commit; and what is wrong."""
    found = asyncio.run(_status())
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        showing.print_status(found, Console(highlight=False, soft_wrap=True))


async def _status() -> Status:
    settings = load_settings()
    async with open_redis(settings.redis_url) as redis:
        return await read_status(redis, settings)


@readers.command()
def add(name: Annotated[str, typer.Argument(help="of your own; not a window's")]) -> None:
    """Let the streams wait for a reader of your own: until it is removed, nothing that they hold or get is trimmed.

    Or until its consumer group, which begins at the first entry of each stream, is moved on (XGROUP SETID). A backup
    does so while it copies one store after the other.
    """
    asyncio.run(_add(name))


async def _add(name: str) -> None:
    settings = load_settings()
    async with open_redis(settings.redis_url) as redis:
        await add_reader(redis, Keys(settings.namespace), name)


@commands.command("settings")
def list_settings() -> None:
    """Print every setting with its default, as docs/settings.md has them."""
    sys.stdout.write(settings_page())


@readers.command()
def remove(name: Annotated[str, typer.Argument(help="as `clickloom status` shows it")]) -> None:
    """Let the streams wait for a reader no more; what it has not read may be trimmed.

    Of a window this also forgets the sessions that are still open. Rows in Postgres stay. `archive` is the archive of
    ARCHIVE_URL, which has a place in Postgres where what it has not written waits.
    """
    console = Console(highlight=False, soft_wrap=True)
    if name == ARCHIVE:
        forget_archive(load_settings().database_url)
        console.print("nothing is kept for the archive any more; its files stay", markup=False)
        return
    kept = asyncio.run(_remove(name))
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
