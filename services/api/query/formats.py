"""The format of an answer, chosen by the request's Accept header (RFC 9110): JSON unless it asks for another.

JSON is each route's own shape. The other formats hold rows and nothing else, and are made of an Arrow table.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Request, Response

from services.api.problems import Problem, documented

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """By its media type; of two that are as welcome the first is taken."""

    json = "application/json"
    ndjson = "application/x-ndjson"
    csv = "text/csv"
    parquet = "application/vnd.apache.parquet"
    arrow = "application/vnd.apache.arrow.stream"


JSON_TEXT = {"content": "json"}  # metadata of a text column that holds JSON: NDJSON shows what it holds

_NOT_THESE = f"nothing that Accept asks for can be given; it can be {', '.join(Format)}"
_ROWS = {form.value: {"schema": {"type": "string", "format": "binary"}} for form in Format if form is not Format.json}
# For a route's description, beside its JSON.
OTHER_FORMATS: dict[int | str, dict[str, Any]] = {200: {"content": _ROWS}, **documented(406, _NOT_THESE)}


def choose_format(accept: str) -> Format:
    """Raises Problem: 406 if it wants none of ours."""
    ranges = dict(filter(None, map(_range, accept.split(","))))
    if not accept.strip():
        return Format.json
    best = max(Format, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) > 0:
        return best
    raise Problem(406, _NOT_THESE)


def _range(written: str) -> tuple[str, float] | None:
    """`text/csv;q=0.5` → (text/csv, 0.5); what cannot be read is as if it were not there."""
    name, *parameters = (part.strip().lower() for part in written.split(";"))
    quality = next((found.removeprefix("q=") for found in parameters if found.startswith("q=")), "1")
    try:
        return (name, min(float(quality), 1.0)) if name else None
    except ValueError:
        return None


def _quality(form: Format, ranges: Mapping[str, float]) -> float:
    """The most exact range that the format is in says how welcome it is."""
    kind = form.value.partition("/")[0]
    return next((ranges[name] for name in (form.value, f"{kind}/*", "*/*") if name in ranges), 0.0)


def asked_format(request: Request) -> Format:
    return choose_format(", ".join(request.headers.getlist("accept")))


Asked = Annotated[Format, Depends(asked_format)]


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> "pa.Table":
    """Rows as a table, whose types are those of the values."""
    import pyarrow as pa  # not before it is needed: it takes time and memory to load

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(column) for column in columns], names=list(names))


async def table_response(table: "pa.Table", form: Format, headers: Mapping[str, str] | None = None) -> Response:
    """The rows in any format but JSON."""
    body = await asyncio.to_thread(_WRITERS[form], table)
    return Response(body, media_type=form.value, headers={"Vary": "Accept", **(headers or {})})


def json_response(content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """What msgspec can write, with decimals as text."""
    body = msgspec.json.encode(content)
    return Response(body, media_type=Format.json.value, headers={"Vary": "Accept", **(headers or {})})


def plain_decimal(value: Decimal) -> str:
    """Without an exponent, and without zeros at its end."""
    return format(value.normalize(), "f")


def _write_ndjson(table: "pa.Table") -> bytes:
    """An object a line, as the route's JSON shows a row."""
    names = table.column_names
    columns = [_values(field, column) for field, column in zip(table.schema, table.columns, strict=True)]
    return msgspec.json.Encoder().encode_lines(
        [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    )


def _values(field: "pa.Field", column: "pa.ChunkedArray") -> list[Any]:
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    if field.metadata and field.metadata.get(b"content") == b"json":
        return [None if value is None else msgspec.Raw(value) for value in values]
    if pa.types.is_decimal(field.type):
        return [None if value is None else plain_decimal(value) for value in values]
    return values


def _write_csv(table: "pa.Table") -> bytes:
    """With a line of names. No value is an empty cell, an empty text `""`."""
    import pyarrow as pa
    from pyarrow import csv

    shown = [_cells(column) for column in table.columns]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(shown, names=table.column_names), sink)
    return bytes(sink.getvalue())


def _cells(column: "pa.ChunkedArray") -> Any:
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_string(kind):
        # A stranger's text must be no formula to the spreadsheet that opens the file.
        return compute.replace_substring_regex(column, r"\A([=+\-@\t\r])", r"'\1")
    if pa.types.is_timestamp(kind):
        return compute.strftime(column, "%Y-%m-%dT%H:%M:%S" + ("Z" if kind.tz else ""))
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else plain_decimal(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        values = column.to_pylist()
        return pa.array([None if value is None else msgspec.json.encode(value).decode() for value in values])
    return column


def _write_parquet(table: "pa.Table") -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _write_arrow(table: "pa.Table") -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


_WRITERS: dict[Format, Callable[["pa.Table"], bytes]] = {
    Format.ndjson: _write_ndjson,
    Format.csv: _write_csv,
    Format.parquet: _write_parquet,
    Format.arrow: _write_arrow,
}
