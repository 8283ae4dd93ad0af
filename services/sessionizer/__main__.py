"""Wires the sessionizer: a worker for every window and partition."""

import asyncio
import gc
import os
import socket

from clickloom.connect import fix_layout, open_redis
from clickloom.keys import Keys
from clickloom.lifecycle import run_service
from clickloom.settings import Settings
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.store import PartitionStore
from services.sessionizer.worker import PartitionWorker


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    keys = Keys(settings.namespace)
    owner = f"{socket.gethostname()}-{os.getpid()}"
    policy = CommitPolicy(
        interval_us=settings.commit_interval_us, sessions=settings.commit_sessions, lease_us=settings.lease_us
    )
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # sessions hold no cycles: looking through a million of them finds nothing
    async with open_redis(settings.redis_url) as redis, asyncio.TaskGroup() as workers:
        await fix_layout(redis, keys=keys, partitions=settings.partitions)
        for window in settings.parsed_windows():
            for number in range(settings.partitions):
                store = PartitionStore(
                    redis, keys=keys, window=window.name, partition=number, lease_us=settings.lease_us
                )
                worker = PartitionWorker(store, window=window, number=number, rules=settings.rules(), policy=policy)
                workers.create_task(worker.run(owner, stop))


if __name__ == "__main__":
    run_service("sessionizer", serve)
