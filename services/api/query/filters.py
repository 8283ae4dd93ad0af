"""Filters as nested lists, in the shape of Plausible's Stats API, version 2.

    ["is", "device_type", ["mobile", "tablet"]]
    ["and", [["contains", "entry_page", ["/beer/"]], ["not", ["is", "event", ["beer_checkout"]]]]]

Several values of one condition are joined by "or". Pure: what a person wrote becomes a tree, and the tree SQL.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Text, and_, bindparam, cast, false, func, not_, or_
from sqlalchemy.dialects.postgresql import ARRAY

from clickloom.breakdowns import EXPERIMENT
from services.api.query.fields import FIELDS, Field, find_field

MOST_CONDITIONS = 50
MOST_VALUES = 100
MOST_CHARACTERS = 2_048
DEEPEST = 8

Value = str | int | Decimal | bool | None


class InvalidFilter(ValueError):
    """What was written is no filter. `where` says which part of it, as `filters[0][1]`."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message


@dataclass(frozen=True, slots=True)
class Condition:
    operator: str
    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    operator: str  # and · or · not
    parts: tuple["Filter", ...]


Filter = Condition | Combination
NO_FILTER = Combination("and", ())

_TEXT_OPERATORS = ("is", "is_not", "contains", "contains_not", "matches", "matches_not")
_NUMBER_OPERATORS = ("is", "is_not", "at_least", "at_most", "more_than", "less_than")
OPERATORS: dict[str, tuple[str, ...]] = {
    "text": _TEXT_OPERATORS,
    "number": _NUMBER_OPERATORS,
    "truth": ("is", "is_not"),
    "events": ("is", "is_not"),  # any of them happened; none did
}
_COMBINING = ("and", "or", "not")


class Vocabulary(NamedTuple):
    """The fields that a filter may name."""

    find: Callable[[str], Field | None]
    names: tuple[str, ...]  # for people


OF_SESSIONS = Vocabulary(find_field, (*FIELDS, f"{EXPERIMENT}<name>"))


def parse_filters(written: Sequence[Any], where: str = "filters", fields: Vocabulary = OF_SESSIONS) -> Filter:
    """All of these must hold. Raises InvalidFilter."""
    parser = _Parser(fields)
    return Combination("and", tuple(parser.parse(part, f"{where}[{at}]", 1) for at, part in enumerate(written)))


def fields_of(tree: Filter) -> set[str]:
    """The names of all fields that the filter asks for."""
    if isinstance(tree, Condition):
        return {tree.field.name}
    return set().union(*map(fields_of, tree.parts))


def can_read(tree: Filter, table: FromClause) -> bool:
    """Whether the table has all that the filter asks for."""
    if isinstance(tree, Condition):
        return tree.field.is_in(table)
    return all(can_read(part, table) for part in tree.parts)


class _Parser:
    def __init__(self, fields: Vocabulary) -> None:
        self._fields = fields
        self._conditions = 0

    def parse(self, written: Any, where: str, depth: int) -> Filter:
        if not isinstance(written, list) or not written:
            raise InvalidFilter(where, 'a filter is a list, as ["is", "device_type", ["mobile"]]')
        if depth > DEEPEST:
            raise InvalidFilter(where, f"nested more than {DEEPEST} deep")
        if written[0] in _COMBINING:
            return self._combination(written, where, depth)
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise InvalidFilter(where, f"more than {MOST_CONDITIONS} conditions")
        return _condition(written, where, self._fields)

    def _combination(self, written: list[Any], where: str, depth: int) -> Combination:
        operator, *rest = written
        if len(rest) != 1 or not isinstance(rest[0], list) or not rest[0]:
            raise InvalidFilter(where, f"{operator} is followed by one list")
        if operator == "not":
            return Combination("not", (self.parse(rest[0], f"{where}[1]", depth + 1),))
        parts = (self.parse(part, f"{where}[1][{at}]", depth + 1) for at, part in enumerate(rest[0]))
        return Combination(operator, tuple(parts))


def _condition(written: list[Any], where: str, fields: Vocabulary) -> Condition:
    if len(written) != 3:
        raise InvalidFilter(where, "a condition has three parts: operator, field, list of values")
    operator, name, values = written
    field = fields.find(name) if isinstance(name, str) and "\0" not in name else None
    if field is None:
        raise InvalidFilter(f"{where}[1]", f"{name!r} is no field; one of {', '.join(fields.names)}")
    if operator not in OPERATORS[field.kind]:
        possible = ", ".join((*OPERATORS[field.kind], *_COMBINING))
        raise InvalidFilter(f"{where}[0]", f"{operator!r} is no operator for {name}; one of {possible}")
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_VALUES:
        raise InvalidFilter(f"{where}[2]", f"the values are a list of 1 to {MOST_VALUES}")
    checked = tuple(_value(value, operator, field, f"{where}[2][{at}]") for at, value in enumerate(values))
    return Condition(operator, field, checked)


def _value(value: Any, operator: str, field: Field, where: str) -> Value:
    if value is None and field.kind == "text" and operator in ("is", "is_not"):
        return None
    if field.kind == "truth":
        if isinstance(value, bool):
            return value
        raise InvalidFilter(where, f"{field.name} is true or false")
    if field.kind == "number":
        return _number(value, field, where)
    if not isinstance(value, str) or "\0" in value or len(value) > MOST_CHARACTERS:
        raise InvalidFilter(where, f"a value of {field.name} is text of up to {MOST_CHARACTERS} characters")
    return value


def _number(value: Any, field: Field, where: str) -> Decimal:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 10**15:
        return Decimal(str(value))
    raise InvalidFilter(where, f"a value of {field.name} is a number")


def condition_on(table: FromClause, tree: Filter) -> ColumnElement[bool]:
    """The filter as SQL over a table that has all that it asks for."""
    if isinstance(tree, Condition):
        return _CONDITIONS[tree.field.kind](tree.field.read(table), tree)
    parts = [condition_on(table, part) for part in tree.parts]
    if tree.operator == "not":
        return not_(func.coalesce(parts[0], false()))
    return or_(*parts) if tree.operator == "or" else and_(True, *parts)


def _on_text(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    """A session without the field is not any text, and is `is_not` of all of them."""
    found = or_(*(_one_text(column, condition.operator.removesuffix("_not"), value) for value in condition.values))
    return not_(func.coalesce(found, false())) if condition.operator.endswith("_not") else found


def _one_text(column: ColumnElement[Any], operator: str, value: Value) -> ColumnElement[bool]:
    if value is None:
        return column.is_(None)
    if operator == "contains":
        return column.contains(str(value), autoescape=True)
    return column.regexp_match(str(value)) if operator == "matches" else column == value


def _on_number(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    compare = {
        "at_least": column.__ge__,
        "at_most": column.__le__,
        "more_than": column.__gt__,
        "less_than": column.__lt__,
    }
    if condition.operator in compare:
        return or_(*map(compare[condition.operator], condition.values))
    return column.not_in(condition.values) if condition.operator == "is_not" else column.in_(condition.values)


def _on_truth(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    return column.not_in(condition.values) if condition.operator == "is_not" else column.in_(condition.values)


def _on_events(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    """Of a path's first 100 events, which are all that a session keeps."""
    any_of = column.op("&&", is_comparison=True)(cast(bindparam(None, list(condition.values)), ARRAY(Text)))
    return not_(any_of) if condition.operator == "is_not" else any_of


_CONDITIONS = {"text": _on_text, "number": _on_number, "truth": _on_truth, "events": _on_events}
