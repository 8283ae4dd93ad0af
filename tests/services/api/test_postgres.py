"""The API's connections to Postgres: who they are, how long a query may take, and what becomes of them."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
from httpx import AsyncClient

import migrations
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres
from tests.conftest import Select
from tests.services.api.conftest import serving
from tests.services.api.ingest.test_native import problem

OURS = "FROM pg_stat_activity WHERE application_name = 'clickloom-api' AND datname = current_database()"


async def test_its_connections_bear_its_name_and_are_no_more_than_the_pool_holds(
    settings: Settings, select: Select
) -> None:
    async with serving(settings.model_copy(update={"database_pool": 2})) as api:
        answers = await asyncio.gather(*(api.get("/v1/sessions") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert 1 <= len(select(f"SELECT 1 {OURS}")) <= 2


async def test_a_query_that_takes_too_long_is_stopped_and_says_so(
    settings: Settings, database: "psycopg.Connection[Any]"
) -> None:
    """Another has locked what it asks for; any other reason is the same to it."""
    async with serving(settings.model_copy(update={"query_timeout_us": 1_000_000})) as api:
        with database.transaction():
            database.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            answer = await api.get("/v1/sessions")
        assert "QUERY_TIMEOUT" in problem(answer, 503)["detail"]


async def test_after_its_connections_were_cut_the_next_query_is_answered(api: AsyncClient, select: Select) -> None:
    assert (await api.get("/v1/sessions")).status_code == 200
    assert select(f"SELECT pg_terminate_backend(pid, 5000) {OURS}")
    assert (await api.get("/v1/sessions")).status_code == 200


async def test_after_a_restart_of_postgres_the_next_query_is_answered(settings: Settings, store_folder: Path) -> None:
    with embedded_postgres(store_folder) as url:
        migrations.upgrade(url)
    async with serving(settings.model_copy(update={"database_url": url})) as api:
        for _ in range(2):
            with embedded_postgres(store_folder):
                assert (await api.get("/v1/sessions")).status_code == 200
            assert problem(await api.get("/v1/sessions"), 503)["detail"] == "PostgreSQL does not answer; ask again"
