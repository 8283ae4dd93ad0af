"""Lines of COPY into files, one an hour, in bounded memory however many there are."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, Protocol

from clickloom.errors import InvalidInput
from clickloom.keys import SEPARATOR
from clickloom.lake.columns import JSON_DELIMITER, Format, Kind, LakeColumn, folder_of
from clickloom.lake.hours import Lines
from clickloom.lake.places import Place

# Text of the rows of one row group of Parquet: 100,000 clicks or more, and what is held in memory of a file.
GROUP_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the lake."""

    path: str
    rows: int


class Writer(Protocol):
    """Writes one file."""

    delimiter: bytes  # between the hour and the rest of a line

    def write(self, file: BinaryIO, lines: Iterable[bytes]) -> int:
        """All lines; how many there were. Raises InvalidInput if the format has no place for one."""
        ...


def writer_of(form: Format, columns: Sequence[LakeColumn]) -> Writer:
    if form is Format.parquet:
        return ParquetWriter(columns)
    header = ",".join(column.name for column in columns).encode() + b"\n" if form is Format.csv else b""
    return PlainWriter(header, JSON_DELIMITER.encode() if form is Format.jsonl else b",")


def write_hours(rows: Lines, writer: Writer, place: Place, *, table: str, name: str) -> Iterator[Written]:
    """Rows ordered by hour, each behind its hour: a file `name` in the folder of each hour that there is.

    Raises ServerUnavailable if the place cannot be written; the files before that stay. The rows are closed either way,
    for their connection is good for nothing else before.
    """
    with closing(rows):
        divided = (row.partition(writer.delimiter)[::2] for row in rows)
        for hour, found in groupby(divided, key=itemgetter(0)):
            path = f"{table}/{folder_of(hour.decode())}/{name}"
            with place.open(path) as file:
                count = writer.write(file, map(itemgetter(1), found))
            yield Written(path, count)


class PlainWriter:
    """CSV and JSON lines, as Postgres writes them."""

    def __init__(self, header: bytes, delimiter: bytes) -> None:
        self._header = header
        self.delimiter = delimiter

    def write(self, file: BinaryIO, lines: Iterable[bytes]) -> int:
        count = 0
        file.write(self._header)
        for some in _groups(lines):
            file.write(b"".join(some))
            count += len(some)
        return count


class ParquetWriter:
    """Parquet, zstd; CSV of Postgres is parsed and turned into columns by Arrow."""

    delimiter = b","

    def __init__(self, columns: Sequence[LakeColumn]) -> None:
        import pyarrow as pa  # not before it is needed: it takes time and memory to load

        self._columns = columns
        self._schema = pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])

    def write(self, file: BinaryIO, lines: Iterable[bytes]) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = 0
        with pq.ParquetWriter(file, self._schema, compression="zstd") as parquet:
            for some in _groups(lines):
                try:
                    parquet.write_table(self._table(b"".join(some)))
                except pa.ArrowInvalid as error:
                    raise InvalidInput(f"a row is not as its column in Parquet must be: {error}") from error
                count += len(some)
        return count

    def _table(self, text: bytes) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=[column.name for column in self._columns], use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={column.name: _csv_type(column) for column in self._columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,  # Postgres quotes an empty text, and writes nothing for NULL
                true_values=["t"],
                false_values=["f"],
            ),
        )
        arrays = [_split(array, column) for array, column in zip(table.columns, self._columns, strict=True)]
        return pa.table(arrays, schema=self._schema)


def _groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines, some megabytes of them at a time."""
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= GROUP_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _csv_type(column: LakeColumn) -> Any:
    import pyarrow as pa

    return pa.string() if column.kind in (Kind.texts, Kind.bigints) else arrow_type(column)


def arrow_type(column: LakeColumn) -> Any:
    import pyarrow as pa

    if column.kind is Kind.decimal:
        return pa.decimal128(column.precision, column.scale)
    return {
        Kind.text: pa.string(),
        Kind.moment: pa.timestamp("us", "UTC"),
        Kind.integer: pa.int32(),
        Kind.bigint: pa.int64(),
        Kind.boolean: pa.bool_(),
        Kind.texts: pa.list_(pa.string()),
        Kind.bigints: pa.list_(pa.int64()),
    }[column.kind]


def _split(array: Any, column: LakeColumn) -> Any:
    """A list out of its text, in which ingest lets nobody have the separator."""
    if column.kind not in (Kind.texts, Kind.bigints):
        return array
    import pyarrow as pa
    from pyarrow import compute

    some = compute.split_pattern(array, SEPARATOR)
    none = pa.scalar([], some.type)
    return compute.if_else(compute.equal(array, ""), none, some).cast(arrow_type(column))
