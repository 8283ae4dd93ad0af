"""The fields of a click that a funnel's step can name in its filters."""

from sqlalchemy import func

from clickloom.breakdowns import EXPERIMENT
from services.api.query.fields import Field, Kind
from services.api.query.filters import Vocabulary

PROPERTY = "properties."  # before the name of a property: a field for each

_TEXTS = (
    *("page_url", "referrer", "utm_source", "utm_medium", "utm_campaign", "device_type", "order_id", "currency"),
    "event_id",
)


def _column(name: str, kind: Kind) -> Field:
    return Field(name, kind, frozenset({name}), lambda table: table.c[name])


_FIELDS = {field.name: field for field in [*(_column(name, "text") for name in _TEXTS), _column("revenue", "number")]}


def find_click_field(name: str) -> Field | None:
    """The field of that name; every property and experiment has one. None: there is none."""
    for prefix, column in ((PROPERTY, "properties"), (EXPERIMENT, "experiments")):
        if name.startswith(prefix) and name != prefix:
            return _member(name, column, name.removeprefix(prefix))
    return _FIELDS.get(name)


def _member(name: str, column: str, key: str) -> Field:
    """As text, also if the member is a number: `7`, `true`."""
    return Field(name, "text", frozenset({column}), lambda table: func.jsonb_extract_path_text(table.c[column], key))


OF_CLICKS = Vocabulary(find_click_field, (*_FIELDS, f"{PROPERTY}<key>", f"{EXPERIMENT}<name>"))
