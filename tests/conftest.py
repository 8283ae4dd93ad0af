"""Real servers out of wheels, one of each a test process; a namespace and a database of its own for every test."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from clickloom.connect import open_redis
from clickloom.database import open_database
from clickloom.keys import Keys
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres, embedded_valkey
from tests.processes import Start, starting

Select = Callable[..., list[tuple[Any, ...]]]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@dataclass(frozen=True)
class Stores:
    redis_url: str
    postgres_url: str  # of the template database


@contextmanager
def folder_for_stores() -> Iterator[Path]:
    """Not one of pytest's folders: those are closed to PostgreSQL, which does not run as root even if the tests do,
    each time that another pytest starts on the machine."""
    with TemporaryDirectory(prefix="clickloom-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """A shell ignores SIGINT for what it runs in the background, and `nohup` SIGHUP; processes that tests start would
    inherit that, and then not hear what a test sends them."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.default_int_handler)


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    with ExitStack() as stack:
        folder = stack.enter_context(folder_for_stores())
        redis_url = stack.enter_context(embedded_valkey(folder / "valkey", {"save": ""}))
        postgres_url = stack.enter_context(embedded_postgres(folder))
        migrations.upgrade(postgres_url)
        yield Stores(redis_url, postgres_url)


@pytest.fixture
def store_folder() -> Iterator[Path]:
    """For stores of the test's own, which it stops and starts."""
    with folder_for_stores() as folder:
        yield folder


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
        auth="off",
    )


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings.namespace)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    async with open_redis(settings.redis_url) as client:
        yield client


@pytest.fixture
def database(database_url: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def select(database: "psycopg.Connection[tuple[Any, ...]]") -> Select:
    """The rows of a query."""

    def select(query: str, *values: Any) -> list[tuple[Any, ...]]:
        return database.execute(query.encode(), values or None).fetchall()

    return select


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
        AUTH="off",
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
