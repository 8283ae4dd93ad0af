"""The command that writes files for the lake."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from clickloom.lake.columns import Format
from clickloom.settings import load_settings
from services.cli import export as exporting
from services.cli.options import moment_of

commands = typer.Typer()


class Exported(StrEnum):
    clicks = "clicks"
    sessions = "sessions"


@commands.command()
def export(
    place: Annotated[str, typer.Argument(metavar="DIR|S3://…", help="a folder, or s3://bucket/prefix")],
    table: Annotated[Exported, typer.Option(help="what to write")] = Exported.clicks,
    form: Annotated[Format, typer.Option("--format", help="of the files")] = Format.parquet,
    begin: Annotated[
        str | None, typer.Option("--from", help="whole hour, as an ISO time; the first if not given")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="whole hour, as an ISO time, exclusive; this hour if not given")
    ] = None,
) -> None:
    """Write clicks, by the hour of their arrival, or sessions, by the hour of their begin, to files.

    One file an hour, in folders TABLE/year=…/month=…/day=…/hour=…; an hour that is written again takes the place of
    the file before. For a bucket: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.
    """
    span = {"begin": moment_of(begin) if begin else None, "end": moment_of(end) if end else None}
    files = exporting.export(load_settings(), place, table=table, form=form, **span)
    exporting.print_written(files, Console(highlight=False, soft_wrap=True))
