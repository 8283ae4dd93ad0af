"""Whether the process lives and can serve, and its metrics."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from services.api.problems import problem_response
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="The process lives")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Redis and PostgreSQL answer")
async def readyz(request: Request) -> JSONResponse:
    faults = await _faults(resources_of(request))
    if faults:
        return problem_response(503, "; ".join(f"{store}: {fault}" for store, fault in faults.items()))
    return JSONResponse({"status": "ok"})


async def _faults(resources: Resources) -> dict[str, str]:
    faults = {}
    try:
        await resources.redis.ping()
    except (RedisError, OSError) as error:
        faults["redis"] = str(error)
    try:
        async with resources.engine.connect() as connection:
            await connection.execute(text("SELECT 1 FROM stream_cursors LIMIT 1"))
    except (SQLAlchemyError, OSError) as error:
        faults["postgres"] = str(error).splitlines()[0]
    return faults


@router.get("/metrics", summary="Prometheus metrics of this process")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
