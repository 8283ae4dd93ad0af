"""Triggers and what they have fired, as the API shows them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from clickloom.triggers.conditions import Moment
from clickloom.triggers.firings import Firing, State
from clickloom.triggers.history import DryRun
from clickloom.triggers.trigger import Trigger

_EXAMPLE: dict[str, JsonValue] = {
    "trigger_id": "53b41eea-6b8a-4662-afaf-95a40b777597",
    "name": "a cart is left",
    "sites": ["shop"],
    "window": "visits",
    "on": "open",
    "conditions": {"event": "beer_cart", "without": "beer_checkout", "within": "10m"},
    "url": "https://shop.example/hooks/coupon",
    "enabled": True,
    "trouble": None,
    "created_at": "2021-02-26T16:52:00Z",
    "firings": {"pending": 0, "delivered": 12, "dead": 0},
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw5kMd4Y3ZCDs="


class FiringCounts(BaseModel):
    """Of those that are kept, by how their webhooks fare."""

    pending: int = 0
    delivered: int = 0
    dead: int = 0


class TriggerAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    trigger_id: UUID
    name: str
    sites: list[str] = Field(description="none: all")
    window: str
    on: Moment
    conditions: dict[str, JsonValue] = Field(description="those that were given")
    url: str
    enabled: bool
    trouble: str | None = Field(description="why it is not enabled, if nobody said so: the receiver answered 410")
    created_at: datetime
    firings: FiringCounts


class NewTriggerAnswer(TriggerAnswer):
    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "secret": _SECRET}})

    secret: str = Field(description="what its webhooks are signed with; shown this once")


class TriggerList(BaseModel):
    triggers: list[TriggerAnswer]


class DayAnswer(BaseModel):
    day: date
    fired: int


class DryRunAnswer(BaseModel):
    fired: int = Field(description="sessions for which it would have fired")
    days: list[DayAnswer] = Field(description="by the day (UTC) of their begin, the newest first")
    examples: list[UUID] = Field(description="session_uid of the newest, 5 at most")


class DeliveryAnswer(BaseModel):
    """A firing, and how its webhook fares."""

    webhook_id: str = Field(description="the header `webhook-id`, the same at each attempt")
    session_uid: UUID
    fired_at: datetime
    state: State
    attempts: int
    next_attempt_at: datetime | None = Field(description="if it is pending")
    settled_at: datetime | None = Field(description="when it was delivered, or given up")
    answer: str | None = Field(description="of the last attempt: a status, or why there was none")


class DeliveryList(BaseModel):
    deliveries: list[DeliveryAnswer]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")


class RetryAnswer(BaseModel):
    retried: int = Field(description="webhooks that were dead and are pending again")


def trigger_members(trigger: Trigger, counts: dict[str, int]) -> dict[str, object]:
    names = ("trigger_id", "name", "window", "on", "url", "enabled", "trouble", "created_at")
    members = {name: getattr(trigger, name) for name in names}
    conditions = trigger.conditions.model_dump(exclude_none=True)
    return {**members, "sites": list(trigger.sites), "conditions": conditions, "firings": counts}


def dry_run_answer(found: DryRun) -> DryRunAnswer:
    days = [DayAnswer(day=day, fired=count) for day, count in sorted(found.days.items(), reverse=True)]
    return DryRunAnswer(fired=found.fired, days=days, examples=found.examples)


def delivery_answer(firing: Firing) -> DeliveryAnswer:
    names = ("session_uid", "fired_at", "state", "attempts", "settled_at", "answer")
    return DeliveryAnswer(
        webhook_id=webhook_id(firing.firing_id),
        next_attempt_at=firing.due_at if firing.state == "pending" else None,
        **{name: getattr(firing, name) for name in names},
    )


def webhook_id(firing_id: UUID) -> str:
    return f"msg_{firing_id.hex}"
