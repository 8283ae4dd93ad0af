"""Real servers out of wheels, one of each a test process; a namespace and a database of its own for every test."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from clickloom.connect import open_database, open_redis
from clickloom.keys import Keys
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres, embedded_valkey
from tests.processes import Start, starting


@dataclass(frozen=True)
class Stores:
    redis_url: str
    postgres_url: str  # of the template database


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("stores")
    for parent in (folder, *folder.parents):  # PostgreSQL runs as a user of its own when the tests run as root
        if parent.owner() == "root" and os.geteuid() == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    with ExitStack() as stack:
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey", {"save": ""}))
        postgres_url = stack.enter_context(embedded_postgres(folder))
        migrations.upgrade(postgres_url)
        yield Stores(redis_url, postgres_url)


@pytest.fixture
def database_url(stores: Stores) -> Iterator[str]:
    """A database of the test's own, already migrated."""
    name = f"test_{uuid4().hex}"
    server = stores.postgres_url.replace("/clickloom?", "/postgres?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE clickloom')
        yield stores.postgres_url.replace("/clickloom?", f"/{name}?")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def settings(stores: Stores, database_url: str) -> Settings:
    return Settings(
        redis_url=stores.redis_url,
        database_url=database_url,
        namespace=uuid4().hex,
        partitions=4,
        out_of_orderness_us=60_000_000,
    )


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings.namespace)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    async with open_redis(settings.redis_url) as client:
        yield client


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = open_database(settings.database_url, application_name="clickloom-tests")
    yield engine
    await engine.dispose()


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process takes them."""
    return dict(
        os.environ,
        REDIS_URL=settings.redis_url,
        DATABASE_URL=settings.database_url,
        NAMESPACE=settings.namespace,
        PARTITIONS=str(settings.partitions),
        OUT_OF_ORDERNESS="60s",
    )


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts services as processes on the test's own namespace and database."""
    with starting(environment, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def access_log() -> Path:
    path = Path(__file__).parents[2] / "shared" / "data" / "apache_logs.txt"
    if not path.exists():
        pytest.skip(f"left out: {path} is not there")
    return path
