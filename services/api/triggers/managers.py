"""Who may manage triggers: read keys with the scope `admin`, for their sites."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.triggers.table import find_trigger
from clickloom.triggers.trigger import Trigger
from services.api.problems import Problem, documented
from services.api.readers import Credentials, sites_for


def managed_sites(request: Request, credentials: Credentials) -> tuple[str, ...]:
    """The sites whose triggers the request's key may manage; none means all. Raises Problem."""
    return sites_for(request, credentials, "admin")


Managed = Annotated[tuple[str, ...], Depends(managed_sites)]
UNKNOWN = documented(404, "no trigger 53b41eea-6b8a-4662-afaf-95a40b777597")


def granted(managed: tuple[str, ...], wanted: list[str]) -> tuple[str, ...]:
    """The sites that a trigger gets which asks for these; all of the key's if it asks for none. Raises Problem."""
    if managed and not set(wanted) <= set(managed):
        others = " and ".join(sorted(set(wanted) - set(managed)))
        raise Problem(403, f"this key is of the site {' and '.join(managed)}, not of {others}")
    return tuple(wanted) or managed


def is_managed(trigger: Trigger, managed: tuple[str, ...]) -> bool:
    """Whether all that the trigger sees is the key's."""
    return not managed or (bool(trigger.sites) and set(trigger.sites) <= set(managed))


async def managed_trigger(engine: AsyncEngine, trigger_id: UUID, managed: tuple[str, ...]) -> Trigger:
    """Raises Problem if there is none, or it is not the key's."""
    trigger = await find_trigger(engine, trigger_id)
    if trigger is None or not is_managed(trigger, managed):
        raise Problem(404, f"no trigger {trigger_id}")
    return trigger
