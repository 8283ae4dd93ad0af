"""The answer to a question in SQL: read in portions, and shown as JSON or as a table. Pure but for the reading."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from services.api.query.formats import JSON_TEXT, plain_decimal

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 32 * 2**20  # of an answer, as Postgres writes it
_PORTION = 100  # rows; each has at most 256 KiB (`ask.fits`)
_JSON = ("json", "jsonb")


@dataclass(frozen=True, slots=True)
class ColumnOfAnswer:
    name: str
    type: str  # as Postgres names it
    base: str  # without length and precision; of an array, of what


@dataclass(slots=True)
class SqlAnswer:
    columns: list[ColumnOfAnswer] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    truncated: bool = False

    def rows_as_json(self) -> list[list[Any]]:
        """Numerics as text, JSON as itself."""
        shows = [_show_json if column.type in _JSON else _show for column in self.columns]
        return [[show(value) for show, value in zip(shows, row, strict=True)] for row in self.rows]

    def table(self) -> "pa.Table":
        import pyarrow as pa

        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        arrays = [_array(column, values) for column, values in zip(self.columns, columns, strict=True)]
        fields = [
            pa.field(column.name, array.type, metadata=JSON_TEXT if column.type in _JSON else None)
            for column, array in zip(self.columns, arrays, strict=True)
        ]
        return pa.table(arrays, schema=pa.schema(fields))


async def read_answer(connection: "psycopg.AsyncConnection[Any]", limit: int) -> SqlAnswer:
    """What the cursor `answer` gives, up to so many rows and MOST_BYTES."""
    answer, size = SqlAnswer(), 0
    while True:
        portion = min(_PORTION, limit + 1 - len(answer.rows))
        cursor = await connection.execute(b"FETCH FORWARD %d FROM answer" % portion)
        answer.columns = answer.columns or _columns(cursor)
        rows = await cursor.fetchall()
        size += _size(cursor)
        if size > MOST_BYTES or len(answer.rows) + len(rows) > limit:
            answer.rows += rows[: 0 if size > MOST_BYTES else limit - len(answer.rows)]
            answer.truncated = True
            return answer
        answer.rows += rows
        if len(rows) < portion:
            return answer


def _columns(cursor: "psycopg.AsyncCursor[Any]") -> list[ColumnOfAnswer]:
    found = []
    for column in cursor.description or ():
        known = psycopg.adapters.types.get(column.type_code)
        found.append(ColumnOfAnswer(column.name, column.type_display, known.name if known else ""))
    return found


def _size(cursor: "psycopg.AsyncCursor[Any]") -> int:
    result = cursor.pgresult
    assert result is not None
    places = product(range(result.ntuples), range(result.nfields))
    return sum(len(result.get_value(*place) or b"") for place in places)


def _show(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_decimal(value) if value.is_finite() else str(value)
    return list(map(_show, value)) if isinstance(value, list) else value


def _show_json(value: str | None) -> Any:
    return None if value is None else msgspec.Raw(value.encode())


def _array(column: ColumnOfAnswer, values: Sequence[Any]) -> "pa.Array":
    import pyarrow as pa

    kinds = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "timestamptz": pa.timestamp("us", "UTC"),
        "timestamp": pa.timestamp("us"),
        "date": pa.date32(),
    }
    kind = kinds.get(column.base, pa.string())
    if column.type.endswith("[]"):
        return pa.array(values, pa.list_(kind)) if column.base != "numeric" else _decimals(values, pa.list_(kind))
    return _decimals(values, kind) if column.base == "numeric" else pa.array(values, kind)


def _decimals(values: Sequence[Any], text: "pa.DataType") -> "pa.Array":
    """As decimals if they can be, else as text: a numeric of Postgres may be longer, or no number."""
    import pyarrow as pa

    if any(value is not None for value in values):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass
    return pa.array(list(map(_show, values)), text)
