"""Files of clicks, line by line, for replay and sessionize."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast
from zlib import crc32

from clickloom.click import Click, parse_click
from clickloom.combined import parse_combined


class Format(StrEnum):
    combined = "combined"
    jsonl = "jsonl"


@contextmanager
def open_source(file: str) -> Iterator[BinaryIO]:
    """`-` is standard input; `.gz` is unpacked."""
    if file == "-":
        yield sys.stdin.buffer
    elif file.endswith(".gz"):
        with gzip.open(file) as lines:
            yield cast("BinaryIO", lines)
    else:
        with Path(file).open("rb") as lines:
            yield lines


def parse_line(line: bytes, number: int, form: Format) -> Click:
    """A line as a click in the client's form. Raises RejectedInput."""
    if form is Format.combined:
        return parse_combined(line.decode("utf-8", "replace").rstrip("\r\n"), number)
    click = parse_click(line)
    if click.event_id is None:  # the same file read again is the same events
        click.event_id = f"line-{number}-{crc32(line):08x}"
    return click
