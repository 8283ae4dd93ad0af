"""Wires the API: uvicorn on the configured address."""

import asyncio
import contextlib
import gc
from collections.abc import Iterator

import structlog
import uvicorn

from clickloom.connect import fix_layout, open_redis
from clickloom.durability import check_durable
from clickloom.keys import Keys
from clickloom.lifecycle import listen, run_service
from clickloom.settings import Settings
from services.api.app import create_app

log = structlog.get_logger()

REQUESTS_END_WITHIN_S = 5


class Server(uvicorn.Server):
    """uvicorn, but signals stay ours: `run_service` turns them into the stop event."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    async with open_redis(settings.redis_url) as redis:
        await fix_layout(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
        if settings.ingest_durability == "disk":
            await check_durable(redis)
    listener = listen(settings.host, settings.port)
    app = create_app(settings, stop=stop)  # ends the open event streams, which never end by themselves
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=REQUESTS_END_WITHIN_S,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )
    server = Server(config)
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # looking for cycles took a fifth of the time of ingest
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listener]))
        log.info("api.listening", url=f"http://{settings.host}:{listener.getsockname()[1]}")
        await stop.wait()
        server.should_exit = True


if __name__ == "__main__":
    run_service("api", serve)
