"""Files of clicks, line by line."""

import gzip
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, NamedTuple, cast

import msgspec

from clickloom.click import Click, normalise, parse_click, parse_object, time_of
from clickloom.combined import parse_combined
from clickloom.errors import InvalidInput, RejectedInput
from clickloom.times import now_us
from clickloom.windows.rules import Rules


class Format(StrEnum):
    combined = "combined"
    jsonl = "jsonl"


@contextmanager
def open_source(file: str) -> Iterator[BinaryIO]:
    """`-` is standard input; `.gz` is unpacked. Raises OSError, and InvalidInput from reading a broken .gz file."""
    if file == "-":
        yield sys.stdin.buffer
    elif file.endswith(".gz"):
        with gzip.open(file) as lines:
            try:
                yield cast("BinaryIO", lines)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise InvalidInput(f"{file}: no whole .gz file: {error}") from error
    else:
        with Path(file).open("rb") as lines:
            yield lines


@contextmanager
def readable_again(file: str) -> Iterator[str]:
    """A path that can be read more than once; standard input is kept in a temporary file."""
    if file != "-":
        yield file
        return
    with NamedTemporaryFile(prefix="clickloom-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield copy.name


def parse_line(line: bytes, form: Format) -> Click:
    """A line as a click in the client's form. Raises RejectedInput."""
    if form is Format.combined:
        return parse_combined(line.decode("utf-8", "replace").rstrip("\r\n"))
    return parse_click(line)


def numbered(click: Click, line: bytes, number: int) -> Click:
    """With an event id of the line's number, if it has none: the same file read again is the same events."""
    if click.event_id is None:
        click.event_id = f"line-{number}-{zlib.crc32(line):08x}"
    return click


class ArrivedClick(Click, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A click of a file that also says when it arrived."""

    arrival: str | int | None = None


class Mark(msgspec.Struct, forbid_unknown_fields=True):
    """A line that says how far the input is, instead of what happened."""

    watermark: str | int


class Line(NamedTuple):
    """One line of a file that is read by itself, with no server: a click, or a watermark."""

    raw: bytes
    click: Click | None
    arrival_us: int | None = None
    watermark_us: int | None = None


_decode_arrived = msgspec.json.Decoder(ArrivedClick).decode
_decode_mark = msgspec.json.Decoder(Mark).decode


def read_lines(lines: BinaryIO, form: Format, rules: Rules, rejected: list[str]) -> Iterator[Line]:
    """The file's clicks and watermarks; what is neither goes to `rejected`, with its line and the reason."""
    started_us = now_us()
    for number, raw in enumerate(lines, start=1):
        try:
            yield _read(raw, number, form, rules, started_us)
        except RejectedInput as error:
            rejected.append(f"line {number}: {error.code}: {error}")


def _read(raw: bytes, number: int, form: Format, rules: Rules, started_us: int) -> Line:
    click: Click
    arrival_us = None
    if form is Format.combined:
        click = parse_line(raw, form)
    elif raw.lstrip().startswith(b'{"watermark"'):
        return Line(raw, None, watermark_us=time_of("watermark", parse_object(raw, _decode_mark).watermark))
    else:
        arrived = parse_object(raw, _decode_arrived)
        if arrived.arrival is not None:
            arrival_us = time_of("arrival", arrived.arrival)
        click = arrived
    numbered(click, raw, number)
    received_us = started_us if arrival_us is None else arrival_us
    normalise(click, received_us=received_us, future_bound_us=rules.future_bound_us, new_event_id=str)
    return Line(raw, click, arrival_us)
