"""The columns of a table in the lake, and how Postgres writes its rows for each format. Pure.

Rows come out of Postgres by COPY, as lines behind their hour: nothing of a row is touched in Python, one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg import sql
from sqlalchemy import BigInteger, Boolean, Integer, Numeric, Table
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from clickloom.keys import SEPARATOR
from clickloom.tables import clicks, sessions


class Format(StrEnum):
    parquet = "parquet"
    csv = "csv"
    jsonl = "jsonl"


class Kind(StrEnum):
    """What a column is in the lake."""

    text = "text"  # uuids and JSON too: neither is a type that every reader knows
    moment = "moment"  # UTC, µs
    integer = "integer"
    bigint = "bigint"
    boolean = "boolean"
    decimal = "decimal"
    texts = "texts"
    bigints = "bigints"


@dataclass(frozen=True, slots=True)
class LakeColumn:
    name: str
    kind: Kind
    precision: int = 0  # of a decimal
    scale: int = 0


DIGITS, DECIMALS = 38, 6  # of a sum of revenues: as many digits as a decimal of Parquet has
_MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_HOUR = "YYYYMMDDHH24"
# Characters that no JSON text holds, so that COPY quotes none of it.
JSON_QUOTE, JSON_DELIMITER = "\x01", "\x02"


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table of Postgres, and the moment by whose hour its rows lie in folders."""

    table: Table
    moment: str
    order: tuple[str, ...]  # of the rows within an hour: the same rows always make the same file

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> list[LakeColumn]:
        return [_column(column.name, column.type) for column in self.table.columns]


CLICKS = LakeTable(clicks, "arrived_at", ("entry_ms", "entry_seq", "partition", "entry_row"))
SESSIONS = LakeTable(sessions, "begin_session", ("window", "begin_session", "session_uid"))
LAKE_TABLES = {found.name: found for found in (CLICKS, SESSIONS)}


def _column(name: str, kind: Any) -> LakeColumn:
    if isinstance(kind, Numeric):
        return LakeColumn(name, Kind.decimal, kind.precision or DIGITS, DECIMALS if kind.scale is None else kind.scale)
    if isinstance(kind, ARRAY):
        return LakeColumn(name, Kind.bigints if isinstance(kind.item_type, BigInteger) else Kind.texts)
    known = {TIMESTAMP: Kind.moment, Boolean: Kind.boolean, BigInteger: Kind.bigint, Integer: Kind.integer}
    return LakeColumn(name, next((known[base] for base in known if isinstance(kind, base)), Kind.text))


def copy_rows(
    columns: Sequence[LakeColumn], form: Format, *, moment: str, source: sql.Composable, order: Sequence[str]
) -> sql.Composed:
    """COPY of the rows of `source` (what stands behind FROM), hour by hour of `moment`; each behind its hour."""
    shown = sql.SQL(", ").join(_shown(column, form) for column in columns)
    hour = sql.SQL("to_char({} AT TIME ZONE 'UTC', {})").format(sql.Identifier(moment), _HOUR)
    ordered = sql.SQL(", ").join(map(sql.Identifier, order))
    if form is not Format.jsonl:
        return sql.SQL("COPY (SELECT {}, {} FROM {} ORDER BY 1, {}) TO STDOUT (FORMAT csv)").format(
            hour, shown, source, ordered
        )
    return sql.SQL(
        "COPY (SELECT {}, (SELECT row_to_json(line) FROM (SELECT {}) AS line) FROM {} ORDER BY 1, {})"
        " TO STDOUT (FORMAT csv, QUOTE {}, DELIMITER {})"
    ).format(hour, shown, source, ordered, JSON_QUOTE, JSON_DELIMITER)


def _shown(column: LakeColumn, form: Format) -> sql.Composable:
    name = sql.Identifier(column.name)
    if form is Format.jsonl:
        return sql.SQL("{0}::text AS {0}").format(name) if column.kind is Kind.text else name
    if column.kind in (Kind.texts, Kind.bigints):
        if form is Format.csv:
            return sql.SQL("to_json({})").format(name)
        return sql.SQL("array_to_string({}, {})").format(name, SEPARATOR)
    if column.kind is Kind.moment and form is Format.csv:
        return sql.SQL("to_char({} AT TIME ZONE 'UTC', {})").format(name, _MOMENT)
    return name


def folder_of(hour: str) -> str:
    """`year=2021/month=02/day=26/hour=13` of 2021022613: Hive's way to name folders, in the order of Firehose's."""
    return f"year={hour[:4]}/month={hour[4:6]}/day={hour[6:8]}/hour={hour[8:10]}"
