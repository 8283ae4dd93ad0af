"""Every example of docs/client.md runs against a real API."""

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.connect import fix_layout
from clickloom.keys import Keys
from clickloom.settings import Settings
from tests.services.api.conftest import Keep
from tests.services.api.query.test_sessions import DAY
from tests.sessions import session

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_an_example_runs(
    api: AsyncClient, keep: Keep, redis: Redis, keys: Keys, settings: Settings, example: str
) -> None:
    await fix_layout(redis, keys=keys, partitions=settings.partitions)
    await keep(session(DAY, device_type="mobile", converted=True))
    shown: list[Any] = []
    names: dict[str, Any] = {"print": lambda *values: shown.append(values)}
    code = "from clickloom.client import Client\n" + example.replace("http://127.0.0.1:8080", str(api.base_url))
    await asyncio.to_thread(exec, code, names)
    if inspect.iscoroutinefunction(names.get("watch")):
        await names["watch"]()
    assert shown
