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
EVENT = {"user_id": 64, "device_id": "computer", "client_event": "a", "client_timestamp": "2021-02-26T13:31:00"}


async def test_it_lives_and_can_serve(api: AsyncClient) -> None:
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    assert (await api.get("/readyz")).json() == {"status": "ok", "ingest": "open", "queries": "open"}


async def test_without_redis_it_lives_but_says_soon_that_it_cannot_serve_and_without_postgres_that_it_cannot_answer(
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
            ready = await api.get("/readyz")
            assert ready.status_code == 200, "a load balancer must not cut ingest off"
            assert ready.json()["queries"].startswith("postgres: ")
            assert (await api.post("/v1/events", json=EVENT)).status_code == 202
            assert (await api.get("/healthz")).status_code == 200
            answer = await api.get("/v1/sessions")
            assert "ask again" in problem(answer, 503)["detail"]
            assert int(answer.headers["retry-after"]) > 0
    async with serving(moved) as api:
        neither = problem(await api.get("/readyz"), 503)
        assert neither["detail"].startswith("redis: ")
        assert neither["queries"].startswith("postgres: ")


async def fault(api: AsyncClient) -> str:
    asked = time.monotonic()
    detail = problem(await api.get("/readyz"), 503)["detail"]
    assert time.monotonic() - asked < SOON_S
    return str(detail)


async def test_a_database_without_the_schema_is_told(settings: Settings, store_folder: Path) -> None:
    with embedded_postgres(store_folder) as url:
        bare = settings.model_copy(update={"database_url": url.replace("/clickloom?", "/postgres?")})
        async with serving(bare) as api:
            assert "stream_cursors" in (await api.get("/readyz")).json()["queries"]


async def test_the_metrics_are_prometheus_text(api: AsyncClient) -> None:
    await api.post("/v1/events", json={})
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'clickloom_events_rejected_total{code="invalid_field"}' in answer.text
    [level] = re.findall(r"^clickloom_redis_memory_level (\S+)$", answer.text, re.MULTILINE)
    assert 0 < float(level) < 1
