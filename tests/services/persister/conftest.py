"""A persister inside the test, on real servers."""

from collections.abc import AsyncIterator, Callable

import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.settings import Settings
from services.persister.partitions import Connection
from services.persister.reader import StreamReader, sources

Readers = dict[str, StreamReader]  # by stream
NewReaders = Callable[[], Readers]


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator["AsyncConnectionPool[Connection]"]:
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        settings.database_url, min_size=1, max_size=4, open=False
    )
    async with pool:
        yield pool


@pytest.fixture
def new_readers(settings: Settings, keys: Keys, redis: Redis, pool: "AsyncConnectionPool[Connection]") -> NewReaders:
    """Readers of every stream, as another process has them."""
    found = sources(keys, partitions=settings.partitions, windows=settings.parsed_windows())
    return lambda: {source.stream: StreamReader(source, redis=redis, pool=pool, buffer_rows=200) for source in found}


@pytest.fixture
def readers(new_readers: NewReaders) -> Readers:
    return new_readers()


async def persist(readers: Readers) -> None:
    """Write everything that is in the streams."""
    for reader in readers.values():
        while await reader.step():
            pass
