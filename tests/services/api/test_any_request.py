"""Requests of every kind that the API's description allows, and of many that it does not: none is our fault."""

import asyncio
import os
import sys
from pathlib import Path

from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.connect import fix_layout
from clickloom.keys import Keys
from clickloom.settings import Settings

ROOT = Path(__file__).parents[3]
EXAMPLES = 6  # an operation and phase


async def test_no_request_ends_in_an_error_of_the_server(
    api: AsyncClient, redis: Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    await fix_layout(redis, keys=keys, partitions=settings.partitions)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.base_url}/openapi.json",
        "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--seed", "1", "--request-timeout", "20", "--exclude-path-regex", "^/v1/live/",  # which do not end
    ]  # fmt: skip
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.services.api.aws_json", "PYTHONPATH": str(ROOT)}
    done = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=hooks, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await done.communicate()
    assert done.returncode == 0, told.decode()
    assert (await api.get("/readyz")).status_code == 200
