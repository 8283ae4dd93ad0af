"""`clickloom rejected`: events that were refused."""

import asyncio
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from clickloom.settings import load_settings
from services.cli import rejected
from services.cli.options import moment_of

commands = typer.Typer(no_args_is_help=True, help="Events that were refused, with the reason.")

SHOWN_CHARS = 80

Code = Annotated[str | None, typer.Option(help="only of this code, as time_in_future")]
Source = Annotated[str | None, typer.Option(help="only from this source, as http")]
Begin = Annotated[str | None, typer.Option("--from", help="ISO time: refused at or after it")]
End = Annotated[str | None, typer.Option("--to", help="ISO time: refused before it")]


@commands.command(name="list")
def list_rejected(
    code: Code = None,
    source: Source = None,
    begin: Begin = None,
    end: End = None,
    limit: Annotated[int, typer.Option(min=1, help="how many, the newest")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, with all that was kept")] = False,
) -> None:
    """Show refused events, the newest first, but those that were sent again."""
    rows = rejected.list_rejected(load_settings(), _choice(code, source, begin, end), limit)
    if as_json:
        for row in rows:
            told = {name: getattr(row, name) for name in ("rejected_at", "site_id", "source", "code", "message")}
            told["payload"] = row.payload.decode(errors="backslashreplace")
            sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        return
    table = Table("refused at", "site", "source", "code", "message", "what came", box=None, pad_edge=False)
    for row in rows:
        came = row.payload[:SHOWN_CHARS].decode(errors="backslashreplace")
        at = row.rejected_at.isoformat(" ", "seconds")
        table.add_row(at, row.site_id or "", row.source, row.code, row.message, came)
    Console(highlight=False, markup=False).print(table)


@commands.command()
def retry(
    code: Code = None,
    source: Source = None,
    begin: Begin = None,
    end: End = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be accepted")] = False,
) -> None:
    """Send refused events again, after what refused them was put right: those that are events now go in, once.

    One whose time is long past is late, unless a session could still change.
    """
    outcome = asyncio.run(rejected.retry(load_settings(), _choice(code, source, begin, end), dry=dry_run))
    went = "would be accepted" if dry_run else "are in the stream"
    typer.echo(f"{outcome.accepted:,} {went}, {outcome.refused.total():,} are refused as before")
    for reason, count in outcome.refused.most_common(10):
        typer.echo(f"  {count:,} × {reason}")


def _choice(code: str | None, source: str | None, begin: str | None, end: str | None) -> rejected.Choice:
    return rejected.Choice(code, source, moment_of(begin) if begin else None, moment_of(end) if end else None)
