"""Which sessions a list is of: query parameters with the names of the session record, and the conditions they are."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, and_

from clickloom.breakdowns import EXPERIMENT
from clickloom.tables import sessions
from services.api.problems import wrong_parameter
from services.api.query.fields import FIELDS, find_field
from services.api.query.filters import (
    MOST_CHARACTERS,
    MOST_VALUES,
    Combination,
    Condition,
    Filter,
    InvalidFilter,
    condition_on,
    parse_filters,
)
from services.api.query.keyset import LONGEST_CURSOR


def without_nul(text: str) -> str:
    """PostgreSQL has no place for that one character."""
    if "\0" in text:
        raise ValueError("a NUL character has no place in it")
    return text


Name = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]
Text = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS), AfterValidator(without_nul)]
Texts = Annotated[list[Text], Field(max_length=MOST_VALUES)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Order = Literal[
    "-begin_session", "begin_session",
    "-duration_sec", "duration_sec",
    "-events", "events",
    "-orders", "orders",
    "-revenue", "revenue",
]  # fmt: skip


def in_utc(moment: datetime) -> datetime:
    """UTC if it names no zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(in_utc)]


def _variant(written: str) -> str:
    if not all(written.partition(":")[::2]):
        raise ValueError("write it as name:variant, as button:red")
    return written


_TEXTS = ("device_type", "session_id", "begin_navigation", "end_navigation", "entry_url", "referrer")
_MORE_TEXTS = ("utm_source", "utm_medium", "utm_campaign", "currency", "closed_by", "event")


class SessionFilters(BaseModel):
    """Each leaves out what it does not say; of a parameter that is given several times any one will do."""

    model_config = ConfigDict(extra="forbid")

    window: Name = "visits"
    site_id: Name | None = None
    user_id: Name | None = None
    device_id: Name | None = None
    from_: Annotated[Moment | None, Field(alias="from", description="begin of session, inclusive")] = None
    to: Annotated[Moment | None, Field(description="begin of session, exclusive")] = None
    device_type: Texts = []
    session_id: Texts = []
    begin_navigation: Annotated[Texts, Field(description="the first event")] = []
    end_navigation: Annotated[Texts, Field(description="the last event")] = []
    event: Annotated[Texts, Field(description="an event that is in the path")] = []
    entry_url: Texts = []
    referrer: Texts = []
    utm_source: Texts = []
    utm_medium: Texts = []
    utm_campaign: Texts = []
    experiment: Annotated[
        list[Annotated[Text, AfterValidator(_variant)]],
        Field(max_length=MOST_VALUES, description="`button:red`: that saw this variant of the experiment"),
    ] = []
    currency: Texts = []
    closed_by: Texts = []
    converted: bool | None = None
    bounced: bool | None = None
    min_duration_sec: Count | None = None
    max_duration_sec: Count | None = None
    min_events: Count | None = None
    max_events: Count | None = None
    filters: Annotated[
        str | None,
        Field(
            max_length=20_000,
            description="a list of filters as JSON, as the ones of queries",
            examples=['[["contains", "entry_page", ["/beer"]]]'],
        ),
    ] = None
    order: Order = "-begin_session"
    fields: Annotated[str | None, Field(max_length=1_000, description="names of fields, between commas")] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before", max_length=LONGEST_CURSOR)] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=10_000, description="up to 1,000 as JSON, else up to 10,000")] = 100

    def question(self) -> dict[str, Any]:
        """All that says which sessions there are, and in which order."""
        return self.model_dump(exclude={"fields", "cursor", "limit"})

    def on_site(self, site_id: str | None) -> Self:
        return self.model_copy(update={"site_id": site_id})


def condition_of(asked: SessionFilters) -> ColumnElement[bool]:
    """As SQL over `sessions`. Raises Problem."""
    at = sessions.c
    parts = [at.window == asked.window]
    who = {name: getattr(asked, name) for name in ("site_id", "user_id", "device_id")}
    parts += [at[name] == value for name, value in who.items() if value is not None]
    if asked.from_ is not None:
        parts.append(at.begin_session >= asked.from_)
    if asked.to is not None:
        parts.append(at.begin_session < asked.to)
    return and_(*parts, condition_on(sessions, Combination("and", (*_conditions(asked), _nested(asked.filters)))))


def _conditions(asked: SessionFilters) -> list[Filter]:
    found: list[Filter] = []
    for name in _TEXTS + _MORE_TEXTS:
        if values := getattr(asked, name):
            found.append(Condition("is", FIELDS[name], tuple(values)))
    for name in ("converted", "bounced"):
        if (value := getattr(asked, name)) is not None:
            found.append(Condition("is", FIELDS[name], (value,)))
    for name in ("duration_sec", "events"):
        for operator, bound in (("at_least", f"min_{name}"), ("at_most", f"max_{name}")):
            if (value := getattr(asked, bound)) is not None:
                found.append(Condition(operator, FIELDS[name], (Decimal(value),)))
    return found + _experiments(asked.experiment)


def _experiments(written: list[str]) -> list[Filter]:
    """Any of the variants of each experiment."""
    variants: dict[str, list[str]] = {}
    for name, _, variant in (one.partition(":") for one in written):
        variants.setdefault(name, []).append(variant)
    fields = {name: find_field(EXPERIMENT + name) for name in variants}
    return [Condition("is", field, tuple(variants[name])) for name, field in fields.items() if field]


def _nested(written: str | None) -> Filter:
    if written is None:
        return Combination("and", ())
    try:
        return parse_filters(msgspec.json.decode(written, type=list[Any]))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise wrong_parameter("filters", f"no JSON list of filters: {error}") from error
    except InvalidFilter as error:
        raise wrong_parameter(error.where, error.message) from error
