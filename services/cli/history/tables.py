"""Rows of CSV and Parquet files as clicks.

What a click is, `clickloom.click.normalise` alone decides, row by row. Most rows of a table are so plain that there is
nothing to decide: an SQL condition that is stricter than `normalise` finds them, and they never become objects. The
others come out as JSON events.
"""

from collections.abc import Mapping as Types
from dataclasses import dataclass

from clickloom.click import DEFAULT_SITE, DEVICE_CLASSES, REVENUE_DECIMALS, REVENUE_DIGITS
from clickloom.errors import InvalidInput
from services.cli.history.mapping import FIELDS, REQUIRED
from services.cli.history.staged import COLUMNS, name, text

ROW = "clickloom_row"

_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER",
    "UINTEGER",
}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_UNZONED = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_LONGEST = {"site_id": 64, "user_id": 128, "device_id": 128, "client_event": 64, "event_id": 64, "order_id": 128}
_LABELS = {"page_url": 2048, "referrer": 2048, "utm_source": 128, "utm_medium": 128, "utm_campaign": 128}
_OBJECTS = ("experiments", "properties")
_PLAIN_TEXT = r'"[^"\\\x00-\x1f]*"'
_PLAIN_PAIRS = {  # of JSON that is written in the shortest way
    "experiments": rf'"[^"\\\x00-\x1f]+":{_PLAIN_TEXT}',
    "properties": rf"{_PLAIN_TEXT}:({_PLAIN_TEXT}|0|-?[1-9][0-9]{{0,14}}|true|false|null)",
}
_ALWAYS = ("site_id", "time_us", "is_bot")
_ISO = r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z?"
_MILLISECONDS = r"\d{11,15}"  # in a text: of 1973 and later


@dataclass(frozen=True, slots=True)
class Source:
    """A relation with the file's columns, and the number of the row as ROW, from 1."""

    relation: str
    number: int
    columns: Types[str, str]  # field → column
    constants: Types[str, str]  # field → text
    types: Types[str, str]  # column → DuckDB's type

    def kind(self, field: str) -> str:
        """The type of a field's column; of a constant and of a field that there is not, a text."""
        return self.types[self.columns[field]] if field in self.columns else "VARCHAR"

    def has(self, field: str) -> bool:
        return field in self.columns or field in self.constants

    def value(self, field: str) -> str:
        """The field as it is in the file."""
        if field in self.constants:
            return text(self.constants[field])
        return name(self.columns[field]) if field in self.columns else "NULL"

    def text(self, field: str) -> str:
        return f"CAST({self.value(field)} AS VARCHAR)"


def check_types(source: Source, file: str) -> None:
    """Raises InvalidInput for a column that cannot be an id or a name, whatever is in it."""
    for field in _LONGEST:
        kind = source.kind(field)
        if kind not in _INTEGERS | {"VARCHAR", "UUID"} and not kind.startswith("ENUM"):
            column = source.columns[field]
            raise InvalidInput(
                f"{file}: {field} is the column {column}, of type {kind}: write it as text or integer, or name another"
                f" column with --map {field}=COLUMN"
            )


def plain_rows(source: Source, latest_us: int) -> str:
    """The query of the rows that are plainly clicks, as they are staged; `latest_us` is the greatest time allowed.

    Without the columns that the file does not have: to write and to read them would take a third of all.
    """
    values = {field: source.text(field) for field in FIELDS}
    values["site_id"] = f"coalesce({values['site_id']}, '{DEFAULT_SITE}')"
    values["revenue"] = f"TRY_CAST({source.value('revenue')} AS DECIMAL(18, 6))"
    values["time_us"] = _time(source)
    values["is_bot"] = "false"
    known = [column for column in COLUMNS if column in _ALWAYS or source.has(column)]
    shown = [f"{values[column]} AS {column}" for column in known]
    numbers = f"{source.number} AS file, {ROW} AS row"
    staged = f"SELECT {numbers}, {', '.join(shown)} FROM {source.relation} WHERE {_plain(source)}"
    return f"SELECT * FROM ({staged}) WHERE time_us BETWEEN 0 AND {latest_us}"


def other_rows(source: Source, latest_us: int) -> str:
    """The query of the others: `row`, and the JSON event."""
    members = ", ".join(f"'{field}', {_json(source, field)}" for field in FIELDS if source.has(field))
    plain = f"{_plain(source)} AND {_time(source)} BETWEEN 0 AND {latest_us}"
    return f"SELECT {ROW}, json_object({members}) AS event FROM {source.relation} WHERE NOT coalesce({plain}, false)"


def _plain(source: Source) -> str:
    """Never null, and true only of rows that `normalise` takes as they are."""
    conditions = [_short(source, field, longest) for field, longest in _LONGEST.items() if source.has(field)]
    conditions += [_label(source, field, longest) for field, longest in _LABELS.items() if source.has(field)]
    conditions += [_plain_object(source, field) for field in _OBJECTS if source.has(field)]
    classes = ", ".join(map(text, (*DEVICE_CLASSES, "other")))
    for field, condition in (("device_type", f"IN ({classes})"), ("currency", "SIMILAR TO '[A-Za-z]{3}'")):
        if source.has(field):
            conditions.append(_null_or(source, field, f"{source.text(field)} {condition}"))
    conditions += [f"{source.value(field)} IS NULL" for field in ("user_agent", "is_bot") if source.has(field)]
    if source.has("revenue"):
        conditions.append(_null_or(source, "revenue", _plain_revenue(source)))
    return f"coalesce({' AND '.join(conditions)}, false)"


def _short(source: Source, field: str, longest: int) -> str:
    value = source.text(field)
    fits = f"length({value}) BETWEEN 1 AND {longest} AND NOT regexp_matches({value}, '[\\x00-\\x1f]')"
    return f"({fits})" if field in REQUIRED else _null_or(source, field, fits)


def _label(source: Source, field: str, longest: int) -> str:
    value = source.text(field)
    return _null_or(source, field, f"length({value}) <= {longest} AND NOT contains({value}, chr(0))")


def _plain_object(source: Source, field: str) -> str:
    """Flat and short, with each name once."""
    value, pair = source.value(field), _PLAIN_PAIRS[field]
    if source.kind(field) != "VARCHAR":
        return f"{value} IS NULL"
    written = f"length({value}) <= 128 AND regexp_full_match({value}, {text(rf'{{{pair}(,{pair})*}}')})"
    once = (
        f"CASE WHEN contains({value}, ',') THEN len(json_keys({value})) = list_unique(json_keys({value})) ELSE true END"
    )
    return _null_or(source, field, f"{written} AND {once}")


def _null_or(source: Source, field: str, condition: str) -> str:
    return f"({source.value(field)} IS NULL OR ({condition}))"


def _plain_revenue(source: Source) -> str:
    value, kind = source.value("revenue"), source.kind("revenue")
    if kind in _INTEGERS:
        return f"{value} BETWEEN -{10**REVENUE_DIGITS - 1} AND {10**REVENUE_DIGITS - 1}"
    if kind.startswith("DECIMAL"):
        width, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
        return str(width - scale <= REVENUE_DIGITS and scale <= REVENUE_DECIMALS)
    return "false"


def _time(source: Source) -> str:
    """µs; null if it takes more to read it."""
    value, kind = source.value("client_timestamp"), source.kind("client_timestamp")
    if kind == _ZONED:
        return f"CASE WHEN isfinite({value}) THEN epoch_us({value}) END"
    if kind in _UNZONED:
        return f"CASE WHEN isfinite({value}::TIMESTAMP) THEN epoch_us({value}::TIMESTAMP) END"
    if kind in _INTEGERS:
        return f"CASE WHEN {value} BETWEEN 0 AND 100000000000000 THEN {value}::BIGINT * 1000 END"
    if kind == "VARCHAR":
        read = f"epoch_us(TRY_CAST(rtrim({value}, 'Z') AS TIMESTAMP))"
        return f"CASE WHEN regexp_full_match({value}, '{_ISO}') THEN {read} END"
    return "NULL::BIGINT"


def _json(source: Source, field: str) -> str:
    """A value as the event has it: integers in texts are integers, and objects in texts are objects."""
    value, kind = source.value(field), source.kind(field)
    if field == "client_timestamp" and kind == "VARCHAR":
        return f"CASE WHEN regexp_full_match({value}, '{_MILLISECONDS}') THEN {value}::JSON ELSE to_json({value}) END"
    if field == "is_bot":
        return f"coalesce(TRY_CAST({value} AS BOOLEAN)::JSON, to_json({value}), 'false'::JSON)"
    if field in _OBJECTS and kind == "VARCHAR":
        return f"coalesce(TRY_CAST({value} AS JSON), to_json({value}))"
    if field == "site_id":
        return f"coalesce({source.text(field)}, '{DEFAULT_SITE}')"
    if field in _LONGEST or field in _LABELS:
        return source.text(field)
    return f"to_json({value})"
