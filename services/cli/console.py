"""What `clickloom up` prints: every process's lines behind its name, and one line that says what to open."""

import sys
from itertools import cycle

import structlog
from rich.console import Console
from rich.text import Text

log = structlog.get_logger()

_COLOURS = ("cyan", "yellow", "magenta", "blue", "green")


class PrefixedOutput:
    """Lines of several processes, each behind the process's name in a colour of its own."""

    def __init__(self, names: list[str]) -> None:
        self._console = Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False, emoji=False)
        width = max(map(len, names))
        self._prefixes = {
            name: (f"{name:{width}} │ ", colour) for name, colour in zip(names, cycle(_COLOURS), strict=False)
        }

    def line(self, name: str, text: str) -> None:
        self._console.print(Text.assemble(self._prefixes[name], text), soft_wrap=True)

    def ready(self, address: str, hints: list[str]) -> None:
        self._console.print()
        self._console.print(Text(f"Clickloom is ready: open {address}", style="bold green"), soft_wrap=True)
        for hint in hints:
            self._console.print(Text(f"  {hint}", style="dim"), soft_wrap=True)
        self._console.print()


class PlainOutput:
    """Lines as they are: each is one JSON object, with the service's name in it."""

    def line(self, name: str, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def ready(self, address: str, hints: list[str]) -> None:
        log.info("up.ready", open=address, hints=hints)


Output = PrefixedOutput | PlainOutput


def output_of(log_format: str, names: list[str]) -> Output:
    """As the services' logs are: for people, or JSON as it comes."""
    return PlainOutput() if log_format == "json" else PrefixedOutput(names)
