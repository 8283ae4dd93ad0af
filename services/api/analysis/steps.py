"""The steps of a funnel: what was asked, and what that means. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.api.analysis.click_fields import OF_CLICKS
from services.api.analysis.scope import Text
from services.api.problems import wrong_parameter
from services.api.query.filters import Filter, InvalidFilter, parse_filters

MOST_STEPS = 10
MOST_EVENTS = 20  # of one step


class StepRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event: Text | list[Text] = Field(description="a name, or several of which any is meant")
    filters: list[JsonValue] = Field(
        [], description=f"on fields of the click, as nested lists: {', '.join(OF_CLICKS.names)}"
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Any of the events; with a filter only their clicks that it holds for."""

    events: tuple[str, ...]
    filter: Filter | None


def steps_of(requests: Sequence[StepRequest]) -> tuple[Step, ...]:
    """Raises Problem, which names the step's member."""
    return tuple(_step(request, f"steps[{at}]") for at, request in enumerate(requests))


def _step(request: StepRequest, where: str) -> Step:
    events = [request.event] if isinstance(request.event, str) else request.event
    if not 1 <= len(events) <= MOST_EVENTS:
        raise wrong_parameter(f"{where}.event", f"a name, or a list of 1 to {MOST_EVENTS}")
    try:
        tree = parse_filters(request.filters, f"{where}.filters", OF_CLICKS) if request.filters else None
    except InvalidFilter as error:
        raise wrong_parameter(error.where, error.message) from error
    return Step(tuple(dict.fromkeys(events)), tree)
