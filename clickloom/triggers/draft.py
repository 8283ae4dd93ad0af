"""A trigger as somebody asks for it, over HTTP or on the command line: checked here, and nowhere else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from clickloom.errors import RejectedInput
from clickloom.triggers.conditions import Conditions, Moment
from clickloom.triggers.target import target_of
from clickloom.triggers.trigger import Trigger, new_secret
from clickloom.windows.spec import SessionWindow, Window

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]*$")]
Site = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00\x1f]*$")]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2_048, pattern=r"^[^\x00]*$")]


class Question(BaseModel):
    """For which sessions."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[str, StringConstraints(max_length=32, pattern=r"^[^\x00]*$")] = "visits"
    sites: Annotated[list[Site], Field(max_length=100, description="none: all that the key is of")] = []
    on: Annotated[Moment, Field(description="when the session closes; or already while it is open")] = "closed"
    conditions: Conditions

    def check(self, windows: Sequence[Window]) -> None:
        """Raises RejectedInput, whose code is the field."""
        known = {window.name: window for window in windows}
        window = known.get(self.window)
        if window is None:
            raise RejectedInput("window", f"{self.window!r} is not defined; one of {', '.join(known)}")
        gap_us = window.gap_us if isinstance(window, SessionWindow) else None
        if fault := self.conditions.fault(self.on, gap_us=gap_us):
            raise RejectedInput("conditions", fault)


class Draft(Question):
    name: Annotated[Name, Field(description="for people")]
    url: Annotated[Url, Field(description="where the webhook goes: https, or http")]
    enabled: bool = True

    def trigger(self, *, sites: tuple[str, ...], now: datetime) -> Trigger:
        """The trigger, with an id and a secret of its own."""
        return Trigger(
            trigger_id=uuid4(),
            name=self.name,
            sites=sites,
            window=self.window,
            on=self.on,
            conditions=self.conditions,
            url=self.url,
            secret=new_secret(),
            enabled=self.enabled,
            trouble=None,
            created_at=now,
            enabled_at=now,
        )


def check_url(url: str, *, private: bool) -> None:
    """Raises RejectedInput, whose code is the field."""
    try:
        target_of(url, private=private)
    except RejectedInput as error:
        raise RejectedInput("url", str(error)) from error
