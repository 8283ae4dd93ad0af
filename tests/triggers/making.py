"""Triggers for tests, in a line."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from clickloom.triggers.conditions import Conditions
from clickloom.triggers.trigger import Trigger, new_secret

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def trigger(*, on: str = "closed", url: str = "http://127.0.0.1:1/", **more: Any) -> Trigger:
    """Of every site, under the window `visits`; what is no field of a trigger is a condition."""
    fields = {name: more.pop(name) for name in list(more) if name in Trigger.__dataclass_fields__}
    told = {
        "trigger_id": uuid4(),
        "name": "a test's",
        "sites": (),
        "window": "visits",
        "conditions": Conditions(**(more or {"min_events": 1})),
        "secret": new_secret(),
        "enabled": True,
        "trouble": None,
        "created_at": LONG_AGO,
        "enabled_at": LONG_AGO,
    }
    return Trigger(on=on, url=url, **{**told, **fields})  # type: ignore[arg-type]  # by name
