"""A trigger as it is kept: which sessions it fires for, and where the webhook goes."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from clickloom.session import Session
from clickloom.triggers.conditions import Conditions, Moment

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    trigger_id: UUID
    name: str
    sites: tuple[str, ...]  # none means all
    window: str
    on: Moment
    conditions: Conditions
    url: str
    secret: str
    enabled: bool
    trouble: str | None  # why it is not enabled, if nobody said so
    created_at: datetime
    enabled_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Trigger":
        """A row of the table."""
        return cls(**{**row, "sites": tuple(row["sites"]), "conditions": Conditions.model_validate(row["conditions"])})

    def covers(self, site_id: str) -> bool:
        return not self.sites or site_id in self.sites

    def due_us(self, session: Session) -> int | None:
        """The event time at which it is sure that it fires, if nothing more comes; None if it does not."""
        return self.conditions.due_us(session) if self.covers(session.site_id) else None


def new_secret() -> str:
    """What webhooks are signed with, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
