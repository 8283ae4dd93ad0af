"""Wires the sessionizer: a store, the keeper of its leases, and the worker that reads, applies and commits."""

import asyncio
import gc
import os
import secrets
import socket

from clickloom.connect import open_redis
from clickloom.duties import Duties
from clickloom.keys import Keys
from clickloom.layout import lay_out
from clickloom.lifecycle import run_service
from clickloom.pressure import Pressure
from clickloom.settings import Settings
from clickloom.watch import watched
from services.sessionizer.keeper import Keeper
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.store import Store
from services.sessionizer.trimming import Trimmer
from services.sessionizer.worker import Worker


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    keys = Keys(settings.namespace)
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # sessions hold no cycles: looking through a million of them finds nothing
    windows = settings.parsed_windows()
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=windows)
    duties = Duties()
    async with (
        watched(duties, host=settings.host, port=settings.metrics_port),
        open_redis(settings.redis_url, retries=0) as redis,  # a commit must not be sent twice
    ):
        store = Store(redis, keys=keys, lease_us=settings.lease_us)
        keeper = Keeper(
            store,
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            windows={window.name: window for window in windows},
            partitions=settings.partitions,
            rules=settings.rules(),
            policy=CommitPolicy(interval_us=settings.commit_interval_us, sessions=settings.commit_sessions),
            lease_us=settings.lease_us,
            duties=duties,
        )
        trimmer = Trimmer(
            redis,
            keys=keys,
            pressure=Pressure(redis, settings.redis_high_water),
            retention_us=settings.stream_retention_us,
            live_us=settings.live_retention_us,
        )
        await Worker(store, keeper, trimmer, stop=stop, lease_us=settings.lease_us, duties=duties).run()


if __name__ == "__main__":
    run_service("sessionizer", serve)
