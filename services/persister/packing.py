"""Values and rows as COPY's binary format has them: made here in one go, where a driver would look at each value.

A packed value is its length and its bytes. https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

import struct
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

import msgspec
from psycopg.types.numeric import DecimalBinaryDumper

from clickloom.times import SECOND_US

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

PG_EPOCH_US = 946_684_800 * SECOND_US  # Postgres counts µs from the beginning of 2000
ROWS_AT_ONCE = 1_000  # in one write

_TEXT_OID, _BIGINT_OID, _INTEGER_OID = 25, 20, 23
_LENGTHS = [struct.pack(">i", length) for length in range(512)]
_JSONB_VERSION = b"\x01"


def packed(value: bytes) -> bytes:
    length = len(value)
    return (_LENGTHS[length] if length < 512 else struct.pack(">i", length)) + value


def text(value: str | None) -> bytes:
    return NULL if value is None else packed(value.encode())


@lru_cache(maxsize=10_000)
def name(value: str) -> bytes:
    """A text that comes again and again: an event's name, a site, a class of device."""
    return text(value)


def jsonb(value: Any) -> bytes:
    return NULL if value is None else packed(_JSONB_VERSION + msgspec.json.encode(value))


def numeric(value: Decimal | None) -> bytes:
    return NULL if value is None else _numeric(str(value))


@lru_cache(maxsize=10_000)
def _numeric(value: str) -> bytes:
    """By its text: 1.5 and 1.50 are equal, and not the same."""
    return packed(bytes(DecimalBinaryDumper(Decimal).dump(Decimal(value)) or b""))


def texts(values: Sequence[str]) -> bytes:
    """An array of names."""
    if not values:
        return _empty_array(_TEXT_OID)
    return packed(struct.pack(">5i", 1, 0, _TEXT_OID, len(values), 1) + b"".join(map(name, values)))


def bigints(values: Sequence[int]) -> bytes:
    """An array. Raises struct.error for a value beyond 64 bits."""
    return _numbers(_BIGINT_OID, 8, "q", values)


def integers(values: Sequence[int]) -> bytes:
    """An array of 32 bits each. Raises struct.error."""
    return _numbers(_INTEGER_OID, 4, "i", values)


def _numbers(oid: int, size: int, code: str, values: Sequence[int]) -> bytes:
    """One dimension from 1 on, without NULL: its own size, then its head, then each number behind its size."""
    count = len(values)
    if not count:
        return _empty_array(oid)
    members = chain.from_iterable(zip(repeat(size), values, strict=False))
    return _number_array(code, count).pack(20 + (4 + size) * count, 1, 0, oid, count, 1, *members)


@lru_cache(maxsize=1_000)
def _number_array(code: str, count: int) -> struct.Struct:
    return struct.Struct(">6i" + f"i{code}" * count)


def _empty_array(oid: int) -> bytes:
    return packed(struct.pack(">3i", 0, 0, oid))


def unpacked(row: bytes) -> list[bytes | None]:
    """The values of a packed row, as bytes."""
    values: list[bytes | None] = []
    at = 2
    while at < len(row):
        (length,) = struct.unpack_from(">i", row, at)
        at += 4
        values.append(None if length < 0 else row[at : at + length])
        at += max(length, 0)
    return values


def blocks(rows: Sequence[bytes]) -> Iterator[bytes]:
    """What COPY … (FORMAT binary) takes."""
    yield HEADER
    for first in range(0, len(rows), ROWS_AT_ONCE):
        yield b"".join(rows[first : first + ROWS_AT_ONCE])
    yield TRAILER
