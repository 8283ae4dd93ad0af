"""Rows of `clicks` as COPY's binary format has them, out of Arrow's columns: no value of them is one of Python's.

What a packed value is, `services/persister/packing.py` says; a test holds the two to the same bytes.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute
from sqlalchemy import Column, Numeric
from sqlalchemy.dialects.postgresql import JSONB

from clickloom.tables import clicks
from services.persister.click_rows import FIXED
from services.persister.packing import JSONB_VERSION, NULL, numeric

_TOLD = [column for column in clicks.columns if column.name not in FIXED.names]
_END = pa.scalar(b"", pa.binary())


def packed_rows(fixed: npt.NDArray[np.void], table: Any) -> memoryview:
    """Rows, one behind the other: what FIXED has packed of them, and the columns of an Arrow table of the same rows.

    A column that the table does not have is NULL. Raises pyarrow.ArrowInvalid if they take more than 2 GB.
    """
    parts = [_fixed_size(fixed)]
    for column in _TOLD:
        known = column.name in table.column_names
        parts += _packed(column, table[column.name].combine_chunks()) if known else [NULL]
    rows = compute.binary_join_element_wise(*_together(parts), _END)
    return memoryview(rows.buffers()[2])


def _together(parts: Iterable[Any]) -> Iterator[Any]:
    """What all rows have in the same place, as one."""
    for constant, some in groupby(parts, lambda part: isinstance(part, bytes)):
        if constant:
            yield pa.scalar(b"".join(some), pa.binary())
        else:
            yield from some


def _fixed_size(values: npt.NDArray[Any]) -> Any:
    """The bytes of each value."""
    found = pa.Array.from_buffers(pa.binary(values.itemsize), len(values), [None, pa.py_buffer(values)])
    return found.cast(pa.binary())


def _packed(column: Column[Any], values: Any) -> list[Any]:
    """The parts of the column's packed values."""
    if values.null_count == len(values):
        return [NULL]
    if isinstance(column.type, Numeric):
        return [_numerics(values)]
    found = values.cast(pa.binary())
    if isinstance(column.type, JSONB):
        found = compute.binary_join_element_wise(pa.scalar(JSONB_VERSION), found, _END)
    sizes = np.asarray(compute.fill_null(compute.binary_length(found), -1), ">i4")
    return [_fixed_size(sizes), compute.fill_null(found, b"")]


def _numerics(values: Any) -> Any:
    """Amounts are few."""
    distinct = values.dictionary_encode()
    amounts = pa.array(map(numeric, distinct.dictionary.to_pylist()), pa.binary())
    return compute.fill_null(amounts.take(distinct.indices), NULL)
