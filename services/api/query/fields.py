"""The fields of a session that questions can name: to filter by, and to break numbers down by.

A field is read from a table that has it: `sessions` has all, `session_rollups` a few.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause

from clickloom.breakdowns import EXPERIMENT
from clickloom.session_fields import duration_class, entry_page, referrer_host

Kind = Literal["text", "number", "truth", "events"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `read` makes it of a table that has the columns that it `needs`."""

    name: str
    kind: Kind
    needs: frozenset[str]
    read: Callable[[FromClause], ColumnElement[Any]]

    def is_in(self, table: FromClause) -> bool:
        return self.needs <= set(table.c.keys())


def _column(name: str, kind: Kind) -> Field:
    return Field(name, kind, frozenset({name}), lambda table: table.c[name])


def _all_fields() -> Mapping[str, Field]:
    texts = [
        *("site_id", "device_type", "begin_navigation", "end_navigation", "user_id", "device_id", "session_id"),
        *("entry_url", "referrer", "utm_source", "utm_medium", "utm_campaign", "currency", "closed_by"),
    ]
    found = [
        *(_column(name, "text") for name in texts),
        Field("entry_page", "text", frozenset({"entry_url"}), entry_page),
        Field("referrer_host", "text", frozenset({"referrer"}), referrer_host),
        *(_column(name, "number") for name in ("duration_sec", "events", "orders", "revenue", "version")),
        Field("duration_class", "number", frozenset({"duration_sec", "timeagg"}), duration_class),
        *(_column(name, "truth") for name in ("converted", "bounced")),
        Field("event", "events", frozenset({"path"}), lambda table: table.c.path),
    ]
    return {field.name: field for field in found}


FIELDS = _all_fields()


def find_field(name: str) -> Field | None:
    """The field of that name; every experiment has one, `experiment:<name>`. None: there is none."""
    if name.startswith(EXPERIMENT) and name != EXPERIMENT:
        return _experiment(name)
    return FIELDS.get(name)


def _experiment(name: str) -> Field:
    key = name.removeprefix(EXPERIMENT)
    return Field(name, "text", frozenset({"experiments"}), lambda table: table.c.experiments[key].astext)
