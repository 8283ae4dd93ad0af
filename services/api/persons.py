"""`DELETE /v1/users/{user_id}`: a person is erased."""

from dataclasses import asdict, astuple
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.erased import Erased
from clickloom.erasure import erase, person_of
from clickloom.errors import InvalidInput, InvalidSetting, ServerUnavailable
from clickloom.keys import Keys
from services.api.ingest.privacy import Privacy
from services.api.problems import Problem, documented, documented_parameter, wrong_parameter
from services.api.readers import UNREADABLE, Credentials, one_site, sites_for
from services.api.resources import resources_of

router = APIRouter(tags=["persons"])

WITHIN_S = 60.0


class ErasedAnswer(BaseModel):
    """How many rows are gone."""

    clicks: int
    sessions: int
    late: int = Field(description="late clicks")
    rejected: int = Field(description="rejected events whose payload names the user")


def erasable_sites(request: Request, credentials: Credentials) -> tuple[str, ...]:
    """The sites whose persons the request's key may erase; none means all. Raises Problem."""
    return sites_for(request, credentials, "admin")


_PROBLEMS = {
    **UNREADABLE,
    **documented_parameter("user_id", "'' cannot be one: 1 to 128 characters, as events have it"),
    **documented(503, "not erased yet: persister has not read clicks:{3} so far; ask again"),
}


@router.delete(
    "/v1/users/{user_id:path}", summary="Erase a person: clicks, sessions, open ones too", responses=_PROBLEMS
)
async def erase_user(
    request: Request,
    sites: Annotated[tuple[str, ...], Depends(erasable_sites)],
    user_id: str,
    site_id: Annotated[str | None, Query(description="only on this one", max_length=64)] = None,
) -> ErasedAnswer:
    """Answers when nothing of what came before the request is left: give it a minute. 503 says who is not so far;
    ask again then. It needs a read key with the scope `admin`."""
    resources = resources_of(request)
    site_id = one_site(sites, site_id)
    try:
        erased = await erase_person(
            resources.redis, resources.engine, resources.keys, resources.privacy, user_id, site_id, within_s=WITHIN_S
        )
    except InvalidInput as error:
        field, _, message = str(error).partition(": ")
        raise wrong_parameter(f"{field}_id", message) from error
    except (ServerUnavailable, InvalidSetting, RedisError) as error:
        raise Problem(503, str(error), headers={"Retry-After": "1"}) from error
    return ErasedAnswer(**asdict(erased))


async def erase_person(
    redis: Redis, engine: AsyncEngine, keys: Keys, privacy: Privacy, user: str, site: str | None, *, within_s: float
) -> Erased:
    """As the id is given, in which rejected events and replayed files have it; and as ingest keeps it, if it hashes.

    Raises InvalidInput; ServerUnavailable if a reader is away.
    """
    persons = [person_of(form, site) for form in dict.fromkeys([user, privacy.hashed(user)])]
    erased = [await erase(redis, engine, keys, person, within_s=within_s) for person in persons]
    return Erased(*map(sum, zip(*map(astuple, erased), strict=True)))
