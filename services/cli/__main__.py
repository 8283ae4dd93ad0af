"""The `clickloom` command: all its commands, and how it ends."""

import os
import sys
from typing import NoReturn

import typer
from redis.exceptions import RedisError
from rich.console import Console

from clickloom.errors import ClickloomError
from services.cli import (
    access_commands,
    file_commands,
    lake_commands,
    rejected_commands,
    system_commands,
    trigger_commands,
)
from services.generator.__main__ import generate

app = typer.Typer(name="clickloom", no_args_is_help=True, help="Turns clicks into sessions while they happen.")
app.add_typer(system_commands.commands)
app.add_typer(file_commands.commands)
app.add_typer(lake_commands.commands)
app.add_typer(access_commands.commands, name="keys")
app.add_typer(rejected_commands.commands, name="rejected")
app.add_typer(trigger_commands.commands, name="triggers")
app.command("generate")(generate)


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
