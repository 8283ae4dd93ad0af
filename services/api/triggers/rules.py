"""`/v1/triggers`: make, list, change and delete triggers, and try them out over history."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request
from psycopg.errors import QueryCanceled
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError

from clickloom.errors import RejectedInput
from clickloom.triggers.conditions import Conditions
from clickloom.triggers.draft import Draft, Name, Question, Url, check_url
from clickloom.triggers.firings import count_firings
from clickloom.triggers.history import dry_run
from clickloom.triggers.table import change_trigger, delete_trigger, keep_trigger, read_triggers
from clickloom.triggers.trigger import Trigger
from services.api.problems import TOO_SLOW, Problem, documented, documented_parameter, wrong_parameter
from services.api.readers import UNREADABLE
from services.api.resources import Resources, resources_of
from services.api.triggers.answers import (
    DryRunAnswer,
    NewTriggerAnswer,
    TriggerAnswer,
    TriggerList,
    dry_run_answer,
    trigger_members,
)
from services.api.triggers.managers import UNKNOWN, Managed, granted, is_managed, managed_trigger

router = APIRouter(tags=["triggers"])

LONGEST = timedelta(days=366)
USUAL = timedelta(days=7)

_AWAY = documented(503, "PostgreSQL does not answer; ask again")
_WRONG = documented_parameter("conditions", "`without` needs an `event` after which it does not come")
_PROBLEMS = {**UNREADABLE, **_WRONG, **_AWAY}
_CART = {"event": "beer_cart", "without": "beer_checkout", "within": "10m"}
_DRAFTS = {
    "a cart is left": {
        "value": {"name": "a cart is left", "on": "open", "conditions": _CART, "url": "https://shop.example/coupon"}
    },
    "bounced from a campaign": {
        "value": {
            "name": "bounced from a campaign",
            "conditions": {"bounced": True, "utm_source": "newsletter"},
            "url": "https://shop.example/bounced",
        }
    },
}
_QUESTIONS = {"a cart was left": {"value": {"conditions": {"event": "beer_cart", "without": "beer_checkout"}}}}


class Changed(BaseModel):
    """What is given is changed."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    url: Url | None = None
    conditions: Conditions | None = None
    enabled: bool | None = None


class DryRunQuestion(Question):
    from_: Annotated[datetime | None, Field(alias="from", description="a week before `to` if not given")] = None
    to: Annotated[datetime | None, Field(description="exclusive; now if not given; at most 366 days after")] = None


@router.post("/v1/triggers", status_code=201, summary="Make a trigger", responses=_PROBLEMS)
async def make_trigger(
    request: Request,
    managed: Managed,
    draft: Annotated[Draft, Body(openapi_examples=_DRAFTS)],
) -> NewTriggerAnswer:
    """It fires for sessions that close from now on, and for those that are open. The secret is shown this once."""
    resources = resources_of(request)
    _check(resources, draft, draft.url)
    trigger = draft.trigger(sites=granted(managed, draft.sites), now=datetime.now(UTC))
    await keep_trigger(resources.engine, trigger)
    return NewTriggerAnswer.model_validate({**trigger_members(trigger, {}), "secret": trigger.secret})


@router.get("/v1/triggers", summary="All triggers, the oldest first", responses={**UNREADABLE, **_AWAY})
async def list_triggers(request: Request, managed: Managed) -> TriggerList:
    engine = resources_of(request).engine
    found = [trigger for trigger in await read_triggers(engine) if is_managed(trigger, managed)]
    counts = await count_firings(engine, [trigger.trigger_id for trigger in found])
    members = [trigger_members(trigger, counts[trigger.trigger_id]) for trigger in found]
    return TriggerList(triggers=[TriggerAnswer.model_validate(one) for one in members])


@router.post("/v1/triggers/dry-run", summary="How often it would have fired", responses=_PROBLEMS)
async def try_out(
    request: Request,
    managed: Managed,
    question: Annotated[DryRunQuestion, Body(openapi_examples=_QUESTIONS)],
) -> DryRunAnswer:
    """Over the closed sessions that begin in a stretch of time, as they are now. A path holds the first 100 events; an
    event behind them did not happen, and of an absence nothing is known there."""
    resources = resources_of(request)
    _check(resources, question, None)
    begin, end = _span(question, now=datetime.now(UTC))
    sites = granted(managed, question.sites)
    try:
        async with asyncio.timeout(resources.query_timeout_s):
            found = await dry_run(resources.engine, question.window, sites, question.conditions, begin, end)
    except TimeoutError as error:
        raise Problem(503, TOO_SLOW) from error
    except DBAPIError as error:
        if isinstance(error.orig, QueryCanceled):
            raise Problem(503, TOO_SLOW) from error
        raise
    return dry_run_answer(found)


_NO_UUID = documented_parameter("trigger_id", "Input should be a valid UUID")
_ONE = {**UNREADABLE, **_NO_UUID, **UNKNOWN, **_AWAY}


@router.get("/v1/triggers/{trigger_id}", summary="One trigger", responses=_ONE)
async def get_trigger(request: Request, managed: Managed, trigger_id: UUID) -> TriggerAnswer:
    resources = resources_of(request)
    return await _answer(resources, await managed_trigger(resources.engine, trigger_id, managed))


@router.patch("/v1/triggers/{trigger_id}", summary="Change a trigger", responses={**_ONE, **_WRONG})
async def patch_trigger(request: Request, managed: Managed, trigger_id: UUID, changed: Changed) -> TriggerAnswer:
    """What waits to be sent is sent to the new address. A trigger that is enabled again fires for what closes from then
    on; what it had fired before and could not deliver goes on."""
    resources = resources_of(request)
    before = await managed_trigger(resources.engine, trigger_id, managed)
    told = {name: value for name in Changed.model_fields if (value := getattr(changed, name)) is not None}
    trigger = replace(before, **told)
    if changed.enabled and not before.enabled:
        trigger = replace(trigger, trouble=None, enabled_at=datetime.now(UTC))
    question = Question(window=trigger.window, on=trigger.on, conditions=trigger.conditions)
    _check(resources, question, changed.url)
    if not await change_trigger(resources.engine, trigger):
        raise Problem(404, f"no trigger {trigger_id}")
    return await _answer(resources, trigger)


@router.delete("/v1/triggers/{trigger_id}", status_code=204, summary="Delete a trigger", responses=_ONE)
async def remove_trigger(request: Request, managed: Managed, trigger_id: UUID) -> None:
    """With all that it has fired, also what is not delivered."""
    resources = resources_of(request)
    trigger = await managed_trigger(resources.engine, trigger_id, managed)
    await delete_trigger(resources.engine, trigger.trigger_id)


async def _answer(resources: Resources, trigger: Trigger) -> TriggerAnswer:
    counts = await count_firings(resources.engine, [trigger.trigger_id])
    return TriggerAnswer.model_validate(trigger_members(trigger, counts[trigger.trigger_id]))


def _check(resources: Resources, question: Question, url: str | None) -> None:
    """Raises Problem, naming the field."""
    try:
        question.check(resources.window_definitions)
        if url is not None:
            check_url(url, private=resources.webhook_private)
    except RejectedInput as error:
        raise wrong_parameter(error.code, str(error)) from error


def _span(question: DryRunQuestion, *, now: datetime) -> tuple[datetime, datetime]:
    end = _utc(question.to or now)
    try:
        begin = _utc(question.from_ or end - USUAL)
    except OverflowError as error:
        raise wrong_parameter("to", "is before every session") from error
    if not begin < end:
        raise wrong_parameter("from", "must be before `to`")
    if end - begin > LONGEST:
        raise wrong_parameter("from", "must be at most 366 days before `to`; ask for one year after the other")
    return begin, end


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
