"""Which sessions a question is about: what the requests for funnels, paths and retention share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from sqlalchemy import ColumnElement, and_

from clickloom.tables import sessions
from services.api.problems import Problem, documented, documented_parameter
from services.api.query.date_ranges import NAMED, Stretch
from services.api.query.filters import Filter, condition_on
from services.api.query.scope import parse_scope
from services.api.query.windows import check_window
from services.api.readers import UNREADABLE
from services.api.resources import Resources

Text = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]

_UNKNOWN = "'colour' is no field; one of site_id, device_type, …"
PROBLEMS = {
    **UNREADABLE,
    **documented_parameter("filters[0][1]", _UNKNOWN),
    **documented(503, "PostgreSQL does not answer; ask again"),
}


class ScopeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    site_id: Text | None = Field(None, description="if none: all sites that the key opens, together")
    window: Text = "visits"
    date_range: Text | Annotated[list[Text], Field(min_length=2, max_length=2)] = Field(
        "30d",
        description=f"{', '.join(NAMED)}, or [first, last]: dates, both with their whole day, or times, of which the"
        " second is exclusive. A session is of the time at which it began",
    )
    timezone: Text = Field("UTC", description="of the IANA's names; it cuts days, weeks and months")
    filters: list[JsonValue] = Field(
        [], description="on fields of sessions, as nested lists: [operator, field, [value, …]], and, or, not"
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that makes sense."""

    window: str
    sites: tuple[str, ...]  # none: all
    stretch: Stretch
    zone: ZoneInfo
    filter: Filter

    def holds(self, *, begin: datetime | None = None, end: datetime | None = None) -> ColumnElement[bool]:
        """Which rows of `sessions` it is about; of another time than its own, if one is given."""
        at = sessions.c
        parts = [
            at.window == self.window,
            at.begin_session >= (begin or self.stretch.begin),
            at.begin_session < (end or self.stretch.end),
            condition_on(sessions, self.filter),
        ]
        if self.sites:
            parts.append(at.site_id.in_(self.sites))
        return and_(*parts)


def scope_of(request: ScopeRequest, resources: Resources, sites: tuple[str, ...], now: datetime) -> Scope:
    """sites: those of the key, none: all. Raises Problem, which names the member and what is possible."""
    check_window(resources, request.window)
    zone, stretch, tree = parse_scope(request.date_range, request.timezone, request.filters, now)
    return Scope(request.window, _sites(sites, request.site_id), stretch, zone, tree)


def _sites(sites: tuple[str, ...], site_id: str | None) -> tuple[str, ...]:
    if site_id is None:
        return sites
    if sites and site_id not in sites:
        raise Problem(403, f"this key is of the site {' and '.join(sites)}, not of {site_id}")
    return (site_id,)


def resolved(request: ScopeRequest, scope: Scope) -> dict[str, Any]:
    """The request with everything that was left out, for the answer's `query`."""
    ends = [scope.stretch.begin.isoformat(), scope.stretch.end.isoformat()]
    return {**request.model_dump(by_alias=True), "date_range": ends}
