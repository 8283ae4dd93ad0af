"""`clickloom keys`: who may send events and ask questions."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import AccessKey, Kind, Scope, id_of, make_key
from clickloom.access_table import keep_key, read_keys, revoke_key
from clickloom.database import open_database
from clickloom.errors import ServerUnavailable
from clickloom.settings import load_settings

commands = typer.Typer(no_args_is_help=True, help="Keys of the API: who may send events and ask questions.")

_ORIGIN = re.compile(r"https?://[^/\s*]+")
_MAX_SITE = 64


@commands.command()
def create(
    kind: Annotated[Kind, typer.Argument(help="write: events in, stands in the page; read: questions, a secret")],
    name: Annotated[str, typer.Option(help="for people: whose it is")],
    site: Annotated[list[str] | None, typer.Option(help="the site; several for a read key, all if none")] = None,
    origin: Annotated[list[str] | None, typer.Option(help="of pages that may use a write key; any if none")] = None,
    scope: Annotated[Scope | None, typer.Option(help="of a read key: read, or admin, for persons and triggers")] = None,
) -> None:
    """Make a key and print it. A read key is shown this once only."""
    sites, origins = site or [], [_origin(text) for text in origin or []]
    if kind == "write":
        _check_write(sites, scope)
    elif origins:
        raise typer.BadParameter("a read key is a secret and has no place in a page: leave --origin out")
    scopes: list[Scope] = [] if kind == "write" else [scope or "read"]
    text, key = make_key(kind, name=name, sites=sites, origins=origins, scopes=scopes, created_at=datetime.now(UTC))
    asyncio.run(_keep(key))
    typer.echo(text)


def _check_write(sites: list[str], scope: Scope | None) -> None:
    if len(sites) != 1 or not 0 < len(sites[0]) <= _MAX_SITE or not sites[0].isprintable():
        raise typer.BadParameter(f"a write key is of one site, up to {_MAX_SITE} characters: --site NAME")
    if scope is not None:
        raise typer.BadParameter("a write key can only send events: leave --scope out")


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no origin, as https://shop.example, without a path")
    return text.lower()


async def _keep(key: AccessKey) -> None:
    async with _database() as engine:
        await keep_key(engine, key)


@commands.command(name="list")
def list_keys() -> None:
    """Show every key that is not revoked; of a read key only how it begins."""
    table = Table("key", "name", "sites", "origins", "scopes", "created", box=None, pad_edge=False)
    for key in asyncio.run(_read()):
        created = key.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        listed = (", ".join(key.sites) or "all", ", ".join(key.origins) or "any", ", ".join(key.scopes))
        table.add_row(key.text or f"{key.key_id}…", key.name, *listed, created)
    Console(highlight=False, soft_wrap=True, markup=False).print(table)


async def _read() -> list[AccessKey]:
    async with _database() as engine:
        return await read_keys(engine)


@commands.command()
def revoke(key: Annotated[str, typer.Argument(help="the key, or how `list` shows it")]) -> None:
    """Take a key back; the API refuses it within seconds. Exit 1 if there is no such key."""
    key_id = id_of(key)
    if not asyncio.run(_revoke(key_id)):
        typer.echo(f"clickloom: no key begins with {key_id}; `clickloom keys list` shows them", err=True)
        raise typer.Exit(1)
    typer.echo(f"{key_id}… opens nothing any more")


async def _revoke(key_id: str) -> bool:
    async with _database() as engine:
        return await revoke_key(engine, key_id, datetime.now(UTC))


@asynccontextmanager
async def _database() -> AsyncIterator[AsyncEngine]:
    engine = open_database(load_settings().database_url, application_name="clickloom-keys")
    try:
        yield engine
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise ServerUnavailable(f"the PostgreSQL of DATABASE_URL does not answer: {reason}") from error
    except ProgrammingError as error:
        raise ServerUnavailable("the database's schema is not this version's: run `clickloom migrate`") from error
    finally:
        await engine.dispose()
