"""What a session must be like for a trigger to fire. Pure: the same over a session that closes and over history."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from clickloom.session import Session
from clickloom.times import SECOND_US, parse_duration

Moment = Literal["closed", "open"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00\x1f]*$")]
Utm = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]
Count = Annotated[int, Field(ge=0, le=10**9)]

LONGEST_WITHIN_US = 24 * 3_600 * SECOND_US
# What of an open session can be true now and not when it closes.
_ONLY_CLOSED = ("bounced", "converted", "max_duration_sec", "max_events", "end_event")


class Conditions(BaseModel):
    """All that are given must hold; at least one must be given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bounced: bool | None = None
    converted: bool | None = None
    min_duration_sec: Count | None = None
    max_duration_sec: Annotated[Count | None, Field(description="`duration < 20 s` is 19")] = None
    min_events: Count | None = None
    max_events: Count | None = None
    begin_event: Annotated[Text | None, Field(description="the first")] = None
    end_event: Annotated[Text | None, Field(description="the last")] = None
    event: Annotated[Text | None, Field(description="happened")] = None
    without: Annotated[Text | None, Field(description="did not happen after `event`, nor `event` again")] = None
    within: Annotated[str | None, Field(description="for so long after `event`, as 10m", max_length=32)] = None
    device_type: Text | None = None
    utm_source: Utm | None = None
    utm_medium: Utm | None = None
    utm_campaign: Utm | None = None
    experiments: Annotated[dict[Text, Text] | None, Field(description="name → variant; all of them")] = None

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError(f"none is given; possible are {', '.join(type(self).model_fields)}")
        if self.without is not None and self.event is None:
            raise ValueError("`without` needs an `event` after which it does not come")
        if self.within is not None:
            if self.without is None:
                raise ValueError("`within` says how long `without` does not come; give that too")
            if not 0 < parse_duration(self.within) <= LONGEST_WITHIN_US:
                raise ValueError("`within` must be more than 0 and at most 24h")
        return self

    @property
    def within_us(self) -> int | None:
        return None if self.within is None else parse_duration(self.within)

    def fault(self, on: Moment, *, gap_us: int | None) -> str:
        """Why no trigger can have them; empty if one can. `gap_us`: None, if the window has none."""
        if on == "closed":
            return ""
        if gap_us is None:
            return "on open is for windows of kind session; this one's rows close by themselves within its range"
        within_us = self.within_us
        if within_us is None:
            return "on open needs an absence: `event`, `without` and `within`, as beer_cart, beer_checkout, 10m"
        if within_us >= gap_us:
            return f"`within` must be less than the window's gap: the session is over {gap_us // SECOND_US} s after it"
        wrong = [name for name in _ONLY_CLOSED if getattr(self, name) is not None]
        return f"{', '.join(wrong)} can still change in an open session: leave out, or use on closed" if wrong else ""

    def hold(self, session: Session, *, known_until_us: int | None = None) -> bool:
        """Whether the session is like that; known_until_us: of an open one, up to when its events are known."""
        due_us = self.due_us(session)
        return due_us is not None and (known_until_us is None or due_us <= known_until_us)

    def due_us(self, session: Session) -> int | None:
        """The event time at which it is sure that they hold, if nothing more comes; None if they do not.

        The path has the first 100 events: of what is behind, an event did not happen, and an absence is not known.
        """
        if not (self._sizes(session) and self._ends(session) and self._origin(session)):
            return None
        if self.without is None:
            return session.begin_us if self.event is None or self.event in session.path else None
        last_us = session.begin_us + session.path_offsets_us[-1] if session.path_truncated else _AT_THE_END_US
        return min((due_us for due_us in self._absences(session) if due_us <= last_us), default=None)

    def _sizes(self, session: Session) -> bool:
        flags = self.bounced in (None, session.bounced) and self.converted in (None, session.converted)
        duration = _between(self.min_duration_sec, session.duration_sec, self.max_duration_sec)
        return flags and duration and _between(self.min_events, session.events, self.max_events)

    def _ends(self, session: Session) -> bool:
        begins = self.begin_event in (None, session.begin_navigation)
        return begins and self.end_event in (None, session.end_navigation)

    def _origin(self, session: Session) -> bool:
        touch = session.touch
        sources = ((self.utm_source, touch.utm_source), (self.utm_medium, touch.utm_medium))
        pairs = (*sources, (self.utm_campaign, touch.utm_campaign), (self.device_type, session.device_type))
        experiments = (self.experiments or {}).items() <= (touch.experiments or {}).items()
        return experiments and all(wanted in (None, found) for wanted, found in pairs)

    def _absences(self, session: Session) -> Iterator[int]:
        """The event times at which it is sure that `without` did not come after an `event`."""
        within_us = self.within_us
        marks = [
            (session.begin_us + offset_us, name)
            for name, offset_us in zip(session.path, session.path_offsets_us, strict=True)
            if name in (self.event, self.without)
        ]
        for (moment_us, name), (next_us, _) in pairwise([*marks, (_NEVER_US, "")]):
            due_us = _AT_THE_END_US if within_us is None else moment_us + within_us
            if name == self.event and next_us > due_us:
                yield due_us


_AT_THE_END_US = 2**62  # when the session is over, and not before
_NEVER_US = 2**63


def _between(least: int | None, value: int, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)
