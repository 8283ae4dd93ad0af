"""Options that several commands have, and how they are read."""

import os
from datetime import datetime
from typing import Annotated

import typer

from clickloom.times import parse_duration, parse_time, to_datetime

File = Annotated[str, typer.Argument(help="a path, `-` for standard input; .gz is unpacked")]


def moment_of(text: str) -> datetime:
    """Raises BadParameter for a text that is no ISO 8601 time."""
    try:
        return to_datetime(parse_time(text))
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time, as 2021-02-26T13:31:00Z") from error


def duration_of(text: str) -> int:
    """µs. Raises BadParameter for a text that is no duration."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def processes_of_machine() -> int:
    """How many can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
