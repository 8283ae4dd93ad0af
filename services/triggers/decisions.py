"""Which triggers fire for which sessions, and what their webhooks say. Pure."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from clickloom.session import Session
from clickloom.shown import shown, shown_open
from clickloom.times import from_datetime, iso
from clickloom.triggers.conditions import Moment
from clickloom.triggers.trigger import Trigger
from clickloom.wire import Changelog, EntryId


class Fired(NamedTuple):
    """A trigger and the session that it fires for, as it was just then."""

    trigger: Trigger
    session: Session
    on: Moment  # whether the session had closed by then
    watermark_us: int


def closing(triggers: Collection[Trigger], entry: EntryId, changelog: Changelog) -> Iterator[Fired]:
    """What fires for the + rows of an entry of the changelog.

    Not for sessions that closed before their trigger was there, nor for those of a person who is being erased.
    """
    told_us = entry[0] * 1_000
    waiting = [trigger for trigger in triggers if from_datetime(trigger.enabled_at) <= told_us]
    for session in changelog.plus if waiting else ():
        if any(person.owns(session.key) for person in changelog.erased):
            continue
        for trigger in waiting:
            if trigger.due_us(session) is not None:
                yield Fired(trigger, session, "closed", changelog.watermark_us)


def body_of(fired: Fired, *, now_us: int) -> str:
    """The webhook's body, in the form of Standard Webhooks."""
    window = fired.trigger.window
    is_open = fired.on == "open"
    session = shown_open(window, fired.session, fired.watermark_us) if is_open else shown(window, fired.session)
    rule = {"id": fired.trigger.trigger_id, "name": fired.trigger.name}
    told: dict[str, Any] = {"rule": rule, "session": session}
    whole = {"type": f"session.{fired.on}", "timestamp": iso(now_us), "data": told}
    return msgspec.json.encode(whole).decode()


def of_window(triggers: Sequence[Trigger], window: str, on: Moment | None = None) -> list[Trigger]:
    """The triggers of a window; of those that wait for a moment, if one is given."""
    return [trigger for trigger in triggers if trigger.window == window and on in (None, trigger.on)]
