"""Whether the process lives and can serve, and its metrics."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from services.api.problems import documented, problem_response
from services.api.resources import Resources, resources_of

router = APIRouter(tags=["operations"])

ANSWER_WITHIN_S = 2


@router.get("/healthz", summary="The process lives")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get(
    "/readyz", summary="Events can be taken: Redis answers", responses=documented(503, "redis: no answer within 2 s")
)
async def readyz(request: Request) -> JSONResponse:
    """What a load balancer asks. Ready is who can take events, for only those are lost if nobody takes them.

    Without PostgreSQL ingest and live numbers go on, and queries answer 503 themselves: no reason to cut a process
    off, and all of them would be. Nor is it one that ingest is closed for want of memory in Redis: it answers 503
    itself, with Retry-After. `queries` and `ingest` say either; `open` is the good word."""
    resources = resources_of(request)
    redis, postgres = await asyncio.gather(_fault(_ask_redis(resources)), _fault(_ask_postgres(resources)))
    queries = f"postgres: {postgres}" if postgres else "open"
    if redis:
        return problem_response(503, f"redis: {redis}", queries=queries)
    return JSONResponse({"status": "ok", "ingest": resources.pressure.trouble or "open", "queries": queries})


async def _fault(question: Coroutine[Any, Any, None]) -> str:
    """Why there is no answer; empty if there is one."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await question
    except TimeoutError:
        return f"no answer within {ANSWER_WITHIN_S} s"
    except (RedisError, SQLAlchemyError, OSError) as error:
        return str(error).splitlines()[0]
    return ""


async def _ask_redis(resources: Resources) -> None:
    await resources.redis.ping()


async def _ask_postgres(resources: Resources) -> None:
    async with resources.engine.connect() as connection:
        await connection.execute(text("SELECT 1 FROM stream_cursors LIMIT 1"))


@router.get("/metrics", summary="Prometheus metrics of this process")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
