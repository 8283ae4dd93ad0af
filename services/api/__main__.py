"""Wires the API: uvicorn on the configured address."""

import asyncio

import uvicorn

from clickloom.connect import fix_layout, open_redis
from clickloom.keys import Keys
from clickloom.lifecycle import listen, run_service
from clickloom.settings import Settings
from services.api.app import create_app


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    async with open_redis(settings.redis_url) as redis:
        await fix_layout(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
    listener = listen(settings.host, settings.port)
    # Open event streams never end by themselves: give requests a moment, then cut.
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    run_service("api", serve)
