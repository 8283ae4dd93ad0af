"""A client of an API process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from httpx import AsyncClient, HTTPError

from tests.processes import Process, until


@asynccontextmanager
async def asking(api: Process) -> AsyncIterator[AsyncClient]:
    """Waits until the API, started with PORT=0, can serve."""
    listening = await api.logged("api.listening")
    url = "http://127.0.0.1:" + listening.split("http://127.0.0.1:")[1].split()[0]
    async with AsyncClient(base_url=url, timeout=60) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except HTTPError:
                return False

        await until(ready)
        yield client
