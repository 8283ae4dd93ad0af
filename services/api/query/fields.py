"""The fields of a session that questions can name: to filter by, and to break numbers down by.

A field is read from a table that has it: `sessions` has all, `session_rollups` a few.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, func, literal_column

Kind = Literal["text", "number", "truth", "events"]

EXPERIMENT = "experiment:"  # before the name of an experiment: a field for each


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


def _entry_page(table: FromClause) -> ColumnElement[Any]:
    """Without host, query and fragment: `/products/7` of `https://shop.example/products/7?utm_source=letter`."""
    path = func.substring(table.c.entry_url, "^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)")
    return func.coalesce(func.nullif(path, ""), literal_column("'/'")).label("entry_page")


def _referrer_host(table: FromClause) -> ColumnElement[Any]:
    """`google.com` of `https://www.google.com/search`."""
    return func.lower(func.substring(table.c.referrer, "^[a-zA-Z][a-zA-Z0-9+.-]*://(?:www\\.)?([^/?#:]+)"))


def _all_fields() -> Mapping[str, Field]:
    texts = [
        *("site_id", "device_type", "begin_navigation", "end_navigation", "user_id", "device_id", "session_id"),
        *("entry_url", "referrer", "utm_source", "utm_medium", "utm_campaign", "currency", "closed_by"),
    ]
    found = [
        *(_column(name, "text") for name in texts),
        Field("entry_page", "text", frozenset({"entry_url"}), _entry_page),
        Field("referrer_host", "text", frozenset({"referrer"}), _referrer_host),
        *(_column(name, "number") for name in ("duration_sec", "events", "orders", "revenue", "version")),
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
