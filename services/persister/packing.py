"""Values and rows as COPY's binary format has them: made here in one go, where a driver would look at each value.

A packed value is its length and its bytes. https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from psycopg.types.numeric import DecimalBinaryDumper

from clickloom.times import SECOND_US

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
JSONB_VERSION = b"\x01"

PG_EPOCH_US = 946_684_800 * SECOND_US  # Postgres counts µs from the beginning of 2000
ROWS_AT_ONCE = 1_000  # in one write

_TEXT_OID, _BIGINT_OID, _INTEGER_OID = 25, 20, 23
_LENGTHS = [struct.pack(">i", length) for length in range(512)]


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
    return NULL if value is None else packed(JSONB_VERSION + msgspec.json.encode(value))


def numeric(value: Decimal | None) -> bytes:
    return NULL if value is None else _numeric(str(value))


@lru_cache(maxsize=10_000)
def _numeric(value: str) -> bytes:
    """By its text: 1.5 and 1.50 are equal, and not the same."""
    return packed(bytes(DecimalBinaryDumper(Decimal).dump(Decimal(value)) or b""))


def text_arrays(arrays: Sequence[Sequence[str]]) -> list[bytes]:
    """Arrays of names."""
    known = {value: name(value) for value in set(chain.from_iterable(arrays))}
    members = [b"".join(map(known.__getitem__, values)) for values in arrays]
    return [_array(_TEXT_OID, len(values), part) for values, part in zip(arrays, members, strict=True)]


def bigint_arrays(arrays: Sequence[Sequence[int]]) -> list[bytes]:
    """Raises OverflowError for a value beyond 64 bits."""
    return _number_arrays(_BIGINT_OID, np.dtype(">i8"), arrays)


def integer_arrays(arrays: Sequence[Sequence[int]]) -> list[bytes]:
    """Of 32 bits each."""
    return _number_arrays(_INTEGER_OID, np.dtype(">i4"), arrays)


def _number_arrays(oid: int, kind: "np.dtype[Any]", arrays: Sequence[Sequence[int]]) -> list[bytes]:
    """Each number behind its size."""
    ends = np.cumsum([0, *map(len, arrays)]).tolist()
    members = np.empty(ends[-1], [("size", ">i4"), ("value", kind)])
    members["size"] = kind.itemsize
    members["value"] = np.fromiter(chain.from_iterable(arrays), np.int64, ends[-1])
    size, whole = members.itemsize, members.tobytes()
    return [_array(oid, end - first, whole[first * size : end * size]) for first, end in pairwise(ends)]


def _array(oid: int, count: int, members: bytes) -> bytes:
    """One dimension from 1 on, without NULL; none at all if it is empty."""
    return _array_head(oid, count, len(members)) + members


@lru_cache(maxsize=10_000)
def _array_head(oid: int, count: int, size: int) -> bytes:
    if not count:
        return packed(struct.pack(">3i", 0, 0, oid))
    return struct.pack(">6i", 20 + size, 1, 0, oid, count, 1)


class FixedColumns:
    """The columns of a fixed size that a table begins with, each behind its size, of many rows at once.

    count: of all columns, which a row begins with. kinds: numpy's, in big-endian order, by name.
    """

    def __init__(self, count: int, kinds: Mapping[str, str]) -> None:
        self.names = frozenset(kinds)
        fields = [("columns", ">i2")]
        for column, kind in kinds.items():
            fields += [(f"size of {column}", ">i4"), (column, kind)]
        self._empty = np.zeros((), fields)
        self._empty["columns"] = count
        for column in kinds:
            self._empty[f"size of {column}"] = self._empty[column].itemsize

    def array(self, length: int, values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.void]:
        """The begin of each row; a value without a dimension is all rows'. Raises OverflowError."""
        rows = np.full(length, self._empty, self._empty.dtype)
        for column, found in values.items():
            rows[column] = _fitting(column, found, rows.dtype[column])
        return rows

    def rows(self, length: int, values: Mapping[str, npt.NDArray[Any]]) -> list[bytes]:
        """The same, as bytes."""
        rows = self.array(length, values)
        packed_rows: list[bytes] = rows.view(f"V{rows.itemsize}").tolist()
        return packed_rows


def _fitting(column: str, values: npt.NDArray[Any], kind: "np.dtype[Any]") -> npt.NDArray[Any]:
    """As they are: numpy would cut off what is too large."""
    if kind.kind == "i" and values.size:
        bounds = np.iinfo(kind)
        if values.min() < bounds.min or values.max() > bounds.max:
            raise OverflowError(f"{column} is beyond what the table holds: {values.min()} to {values.max()}")
    return values


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


def joined(rows: Sequence[bytes]) -> Iterator[bytes]:
    """One behind the other, as many at a time as a write takes."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        yield b"".join(rows[first : first + ROWS_AT_ONCE])
