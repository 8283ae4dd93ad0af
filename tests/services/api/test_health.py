"""Whether the process says truly that it lives and can serve."""

import os
import re
import signal
import time
from pathlib import Path

from httpx import AsyncClient

import migrations
from clickloom.settings import Settings
from services.cli.embedded import embedded_postgres, embedded_valkey
from tests.services.api.conftest import serving
from tests.services.api.ingest.test_native import problem

SOON_S = 6


async def test_it_lives_and_can_serve(api: AsyncClient) -> None:
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    assert (await api.get("/readyz")).json() == {"status": "ok", "ingest": "open"}


async def test_without_redis_or_postgres_it_lives_but_says_soon_that_it_cannot_serve(
    settings: Settings, store_folder: Path
) -> None:
    with embedded_valkey(store_folder / "valkey", {"save": ""}) as redis_url:
        with embedded_postgres(store_folder) as database_url:
            migrations.upgrade(database_url)
            moved = settings.model_copy(update={"redis_url": redis_url, "database_url": database_url})
            async with serving(moved) as api:
                assert (await api.get("/readyz")).status_code == 200
                server = int((store_folder / "valkey" / "valkey.pid").read_text())
                os.kill(server, signal.SIGSTOP)
                assert await fault(api) == "redis: no answer within 2 s"
                os.kill(server, signal.SIGCONT)
                assert (await api.get("/readyz")).status_code == 200
        async with serving(moved) as api:
            assert (await fault(api)).startswith("postgres: ")
            assert (await api.get("/healthz")).status_code == 200
            answer = await api.get("/v1/sessions")
            assert "ask again" in problem(answer, 503)["detail"]
            assert int(answer.headers["retry-after"]) > 0
    async with serving(moved) as api:
        both = await fault(api)
        assert "redis: " in both
        assert "postgres: " in both


async def fault(api: AsyncClient) -> str:
    asked = time.monotonic()
    detail = problem(await api.get("/readyz"), 503)["detail"]
    assert time.monotonic() - asked < SOON_S
    return str(detail)


async def test_a_database_without_the_schema_is_not_ready(settings: Settings, store_folder: Path) -> None:
    with embedded_postgres(store_folder) as url:
        bare = settings.model_copy(update={"database_url": url.replace("/clickloom?", "/postgres?")})
        async with serving(bare) as api:
            assert "stream_cursors" in problem(await api.get("/readyz"), 503)["detail"]


async def test_the_metrics_are_prometheus_text(api: AsyncClient) -> None:
    await api.post("/v1/events", json={})
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'clickloom_events_rejected_total{code="invalid_field"}' in answer.text
    [level] = re.findall(r"^clickloom_redis_memory_level (\S+)$", answer.text, re.MULTILINE)
    assert 0 < float(level) < 1
