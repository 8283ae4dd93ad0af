"""`GET /v1/sites` and `GET /v1/windows`: what there is to choose from."""

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from clickloom.tables import ledger
from services.api.problems import documented
from services.api.readers import UNREADABLE, Readable
from services.api.resources import resources_of

router = APIRouter(tags=["query"])

_AWAY = documented(503, "PostgreSQL does not answer; ask again")


class Site(BaseModel):
    site_id: str
    newest: datetime | None = Field(description="the minute in which its newest events came in; null: none yet")


class Sites(BaseModel):
    sites: list[Site]
    together: bool = Field(description="whether the key may ask about all of them at once, naming none")


class Windows(BaseModel):
    windows: list[str]


@router.get("/v1/sites", summary="The sites that the key may ask about", responses={**UNREADABLE, **_AWAY})
async def list_sites(request: Request, sites: Readable) -> Sites:
    """Of a key of all sites those from which events have come; of another its own, events or not."""
    statement = select(ledger.c.site_id, func.max(ledger.c.minute)).group_by(ledger.c.site_id)
    if sites:
        statement = statement.where(ledger.c.site_id.in_(sites))
    async with resources_of(request).engine.connect() as connection:
        rows = (await connection.execute(statement)).all()
    newest: dict[str, datetime] = dict(map(tuple, rows))
    found = [Site(site_id=site, newest=newest.get(site)) for site in sorted(newest.keys() | set(sites))]
    return Sites(sites=found, together=len(sites) < 2)


@router.get("/v1/windows", summary="The names of the windows", responses=UNREADABLE)
async def list_windows(request: Request, _: Readable) -> Windows:
    """In the order of WINDOWS."""
    return Windows(windows=list(resources_of(request).windows))
