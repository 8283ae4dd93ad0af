"""The triggers inside the test, on real servers, with a real receiver."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.triggers.table import keep_trigger
from clickloom.triggers.trigger import Trigger
from clickloom.wire import FIELD, Changelog, encode
from services.triggers.firing_rows import Connection
from services.triggers.reader import ChangelogReader
from tests.services.triggers.receiver import Receiver, receiving

Pool = AsyncConnectionPool[Connection]
Keep = Callable[..., Awaitable[None]]
Tell = Callable[[Changelog], Awaitable[None]]
NewReader = Callable[[], ChangelogReader]


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    pool: Pool = AsyncConnectionPool(settings.database_url, min_size=1, max_size=6, open=False)
    async with pool:
        yield pool


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def keep(engine: AsyncEngine) -> Keep:
    async def keep(*triggers: Trigger) -> None:
        for one in triggers:
            await keep_trigger(engine, one)

    return keep


@pytest.fixture
def stream(keys: Keys) -> str:
    return keys.sessions("visits", 1)


@pytest.fixture
def tell(redis: Redis, stream: str) -> Tell:
    """Puts an entry into the changelog, as a commit does."""

    async def tell(changelog: Changelog) -> None:
        await redis.xadd(stream, {FIELD: encode(changelog)})

    return tell


@pytest.fixture
def new_reader(redis: Redis, pool: Pool, stream: str) -> NewReader:
    """A reader of the changelog, as another process has it."""
    return lambda: ChangelogReader(stream, "visits", redis=redis, pool=pool)


async def judge(reader: ChangelogReader) -> None:
    """All that is in the changelog."""
    while await reader.step():
        pass
