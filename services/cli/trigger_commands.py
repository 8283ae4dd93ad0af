"""`clickloom triggers`: rules over sessions that send webhooks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.database import open_database
from clickloom.errors import ServerUnavailable
from clickloom.settings import Settings, load_settings
from clickloom.triggers.draft import Draft, Question
from clickloom.triggers.firings import STATES, Firing, count_firings, read_firings, retry_dead
from clickloom.triggers.history import DryRun, dry_run
from clickloom.triggers.table import change_trigger, delete_trigger, find_trigger, keep_trigger, read_triggers
from clickloom.triggers.trigger import Trigger
from services.cli.options import moment_of
from services.cli.trigger_questions import checked, conditions_of

commands = typer.Typer(no_args_is_help=True, help="Triggers: webhooks for sessions that close, or stay open, as told.")
T = TypeVar("T")

If = Annotated[
    list[str], typer.Option("--if", metavar="NAME=VALUE", help="a condition, as bounced=true; all given must hold")
]
Site = Annotated[list[str] | None, typer.Option(help="the site; several, all if none")]
On = Annotated[str, typer.Option(help="closed: when the session closes; open: already before")]
Window = Annotated[str, typer.Option(help="the window's name")]
Id = Annotated[UUID, typer.Argument(metavar="ID", help="as `clickloom triggers list` shows it")]


@commands.command()
def create(
    name: Annotated[str, typer.Option(help="for people")],
    url: Annotated[str, typer.Option(help="where the webhook goes")],
    conditions: If,
    site: Site = None,
    window: Window = "visits",
    on: On = "closed",
) -> None:
    """Make a trigger; print its id, and the secret that its webhooks are signed with, which is shown this once."""
    settings = load_settings()
    asked = {"name": name, "url": url, "sites": site or [], "window": window, "on": on}
    draft = checked(Draft, {**asked, "conditions": conditions_of(conditions)}, settings)
    trigger = draft.trigger(sites=tuple(draft.sites), now=datetime.now(UTC))
    _ask(settings, lambda engine: keep_trigger(engine, trigger))
    typer.echo(f"{trigger.trigger_id} {trigger.secret}")


@commands.command(name="list")
def list_triggers() -> None:
    """Show every trigger, and how its webhooks fare."""
    found, counts = _ask(load_settings(), _listed)
    table = Table("id", "name", "sites", "on", "if", "url", "enabled", *STATES, box=None, pad_edge=False)
    for one in found:
        told = one.conditions.model_dump(exclude_none=True)
        shown = ", ".join(f"{name}={value}" for name, value in told.items())
        enabled = "yes" if one.enabled else f"no: {one.trouble}" if one.trouble else "no"
        sums = [f"{counts[one.trigger_id][state]:,}" for state in STATES]
        who = (str(one.trigger_id), one.name, ", ".join(one.sites) or "all", f"{one.window} {one.on}")
        table.add_row(*who, shown, one.url, enabled, *sums)
    Console(highlight=False, soft_wrap=True, markup=False).print(table)


async def _listed(engine: AsyncEngine) -> tuple[list[Trigger], dict[UUID, dict[str, int]]]:
    found = await read_triggers(engine)
    return found, await count_firings(engine, [one.trigger_id for one in found])


@commands.command()
def enable(trigger_id: Id) -> None:
    """Fire for what closes from now on; what waits to be sent is sent."""
    _switch(trigger_id, enabled=True)


@commands.command()
def disable(trigger_id: Id) -> None:
    """Fire and send no more; what waits to be sent stays."""
    _switch(trigger_id, enabled=False)


def _switch(trigger_id: UUID, *, enabled: bool) -> None:
    async def switch(engine: AsyncEngine) -> bool:
        trigger = await find_trigger(engine, trigger_id)
        if trigger is None:
            return False
        since = datetime.now(UTC) if enabled else trigger.enabled_at
        return await change_trigger(engine, replace(trigger, enabled=enabled, enabled_at=since, trouble=None))

    _found(_ask(load_settings(), switch), trigger_id)


@commands.command()
def delete(trigger_id: Id) -> None:
    """Delete it with all that it has fired, also what is not delivered."""
    _found(_ask(load_settings(), lambda engine: delete_trigger(engine, trigger_id)), trigger_id)


def _found(there: bool, trigger_id: UUID) -> None:
    if not there:
        raise typer.BadParameter(f"there is no trigger {trigger_id}")


@commands.command(name="dry-run")
def try_out(
    conditions: If,
    site: Site = None,
    window: Window = "visits",
    on: On = "closed",
    begin: Annotated[str | None, typer.Option("--from", help="ISO time; a week before --to if not given")] = None,
    end: Annotated[str | None, typer.Option("--to", help="ISO time, exclusive; now if not given")] = None,
) -> None:
    """How often it would have fired for the sessions that are in Postgres, by the day of their begin."""
    settings = load_settings()
    asked = {"sites": site or [], "window": window, "on": on, "conditions": conditions_of(conditions)}
    question = checked(Question, asked, settings)
    until = moment_of(end) if end else datetime.now(UTC)
    since = moment_of(begin) if begin else until - timedelta(days=7)
    sites = tuple(question.sites)
    told = (question.window, sites, question.conditions, since, until)
    _print_dry_run(_ask(settings, lambda engine: dry_run(engine, *told)))


def _print_dry_run(found: DryRun) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"would have fired for {found.fired:,} sessions")
    for day, count in sorted(found.days.items()):
        console.print(f"{day}  {count:>9,}")
    if found.examples:
        console.print(f"as {', '.join(map(str, found.examples))}")


@commands.command()
def dead(limit: Annotated[int, typer.Option(min=1, help="the newest")] = 100) -> None:
    """Show webhooks that could not be delivered and are not tried any more."""
    table = Table("fired", "trigger", "webhook", "attempts", "answer", box=None, pad_edge=False)
    found, firings = _ask(load_settings(), lambda engine: _dead(engine, limit))
    names = {one.trigger_id: one.name for one in found}
    for firing in firings:
        fired = firing.fired_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        told = (names[firing.trigger_id], f"msg_{firing.firing_id.hex}", str(firing.attempts), firing.answer or "")
        table.add_row(fired, *told)
    Console(highlight=False, soft_wrap=True, markup=False).print(table)


async def _dead(engine: AsyncEngine, limit: int) -> tuple[list[Trigger], list[Firing]]:
    found = await read_triggers(engine)
    ids = [one.trigger_id for one in found]
    return found, await read_firings(engine, ids, state="dead", at_most=limit)


@commands.command()
def retry(
    trigger_id: Annotated[UUID | None, typer.Option("--trigger", help="only of this one")] = None,
) -> None:
    """Send what is dead again, from the first attempt on, with the ids that it had."""

    async def again(engine: AsyncEngine) -> int:
        known = [one.trigger_id for one in await read_triggers(engine)]
        return await retry_dead(engine, known if trigger_id is None else [trigger_id])

    typer.echo(f"{_ask(load_settings(), again):,} webhooks are sent again")


def _ask(settings: Settings, question: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    return asyncio.run(_asked(settings, question))


async def _asked(settings: Settings, question: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    async with _database(settings) as engine:
        return await question(engine)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = open_database(settings.database_url, application_name="clickloom-triggers-command")
    try:
        yield engine
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
    except ProgrammingError as error:
        raise ServerUnavailable("the database's schema is not this version's: run `clickloom migrate`") from error
    finally:
        await engine.dispose()
