"""`/v1/triggers/{trigger_id}/deliveries`: what has fired, and whether it was delivered."""

import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from clickloom.triggers.firings import Firing, Place, State, read_firings, retry_dead
from services.api.problems import Problem, documented, documented_parameter, wrong_parameter
from services.api.readers import UNREADABLE
from services.api.resources import resources_of
from services.api.triggers.answers import DeliveryList, RetryAnswer, delivery_answer
from services.api.triggers.managers import UNKNOWN, Managed, managed_trigger

router = APIRouter(tags=["triggers"])

_PROBLEMS = {
    **UNREADABLE,
    **UNKNOWN,
    **documented_parameter("state", "Input should be 'pending', 'delivered' or 'dead'"),
    **documented(503, "PostgreSQL does not answer; ask again"),
}
WebhookId = Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$", description="as the header `webhook-id`")]


class Filters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: Annotated[State | None, Field(description="all if not given")] = None
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before", max_length=256)] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@router.get("/v1/triggers/{trigger_id}/deliveries", summary="What has fired, newest first", responses=_PROBLEMS)
async def list_deliveries(
    request: Request, managed: Managed, trigger_id: UUID, filters: Annotated[Filters, Query()]
) -> DeliveryList:
    engine = resources_of(request).engine
    trigger = await managed_trigger(engine, trigger_id, managed)
    before = None if filters.cursor is None else _place(filters.cursor)
    found = await read_firings(
        engine, [trigger.trigger_id], state=filters.state, before=before, at_most=filters.limit + 1
    )
    page, more = found[: filters.limit], len(found) > filters.limit
    return DeliveryList(
        deliveries=[delivery_answer(one) for one in page], next_cursor=_cursor(page[-1]) if more else None
    )


@router.post("/v1/triggers/{trigger_id}/deliveries/retry", summary="Send all that is dead again", responses=_PROBLEMS)
async def retry_all(request: Request, managed: Managed, trigger_id: UUID) -> RetryAnswer:
    """From the first attempt on, with the ids that they had."""
    engine = resources_of(request).engine
    trigger = await managed_trigger(engine, trigger_id, managed)
    return RetryAnswer(retried=await retry_dead(engine, [trigger.trigger_id]))


@router.post("/v1/triggers/{trigger_id}/deliveries/{webhook_id}/retry", summary="Send one again", responses=_PROBLEMS)
async def retry_one(request: Request, managed: Managed, trigger_id: UUID, webhook_id: WebhookId) -> RetryAnswer:
    """404 unless it is dead."""
    engine = resources_of(request).engine
    trigger = await managed_trigger(engine, trigger_id, managed)
    retried = await retry_dead(engine, [trigger.trigger_id], UUID(webhook_id.removeprefix("msg_")))
    if not retried:
        raise Problem(404, f"no webhook {webhook_id} of this trigger is dead")
    return RetryAnswer(retried=retried)


def _cursor(firing: Firing) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((firing.fired_at, firing.firing_id))).decode()


def _place(cursor: str) -> Place:
    try:
        at, firing_id = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[datetime, UUID])
    except (ValueError, msgspec.MsgspecError) as error:
        told = "not one of ours; give `next_cursor` of the page before, as it is"
        raise wrong_parameter("cursor", told) from error
    return at, firing_id
