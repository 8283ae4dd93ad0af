"""Postgres is away for a while: ingest and sessions go on, nothing is trimmed, and all of it is written afterwards."""

import time
from pathlib import Path

import psycopg
from httpx import AsyncClient
from redis.asyncio import Redis

import migrations
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.streams import readers_of
from services.cli.embedded import embedded_postgres
from tests.processes import Start, until
from tests.services.api.conftest import serving

SOON_S = 5  # the stores answer at once that they are not there


async def send(api: AsyncClient, begin: int) -> None:
    for number in range(begin, begin + 20):
        event = {"user_id": number, "device_id": "computer", "client_event": "beer_products"}
        sent = await api.post("/v1/events", json={**event, "client_timestamp": "2021-02-26T13:31:00"})
        assert sent.status_code == 202, sent.text


async def test_meanwhile_ingest_and_sessionizer_go_on_and_queries_say_soon_that_they_cannot(
    start: Start, redis: Redis, settings: Settings, keys: Keys, store_folder: Path
) -> None:
    async def stand() -> tuple[int, dict[str, int | None]]:
        """Entries in the streams of clicks, and each reader's greatest lag."""
        lags: dict[str, int | None] = {}
        for number in range(settings.partitions):
            for reader in await readers_of(redis, keys.clicks(number)):
                lags[reader.name] = max(lags.get(reader.name) or 0, reader.lag or 0)
        return sum([int(await redis.xlen(keys.clicks(number))) for number in range(settings.partitions)]), lags

    async def all_trimmed() -> bool:
        entries, lags = await stand()
        return entries == 0 and set(lags.values()) == {0}

    with embedded_postgres(store_folder) as url:
        migrations.upgrade(url)
    async with serving(settings.model_copy(update={"database_url": url})) as api:
        with embedded_postgres(store_folder):
            sessionizer, persister = (
                start(service, DATABASE_URL=url, LIVE_RETENTION="0s") for service in ("sessionizer", "persister")
            )
            await sessionizer.logged("partitions.taken")
            await send(api, 0)
            await until(all_trimmed, what="the first clicks to be written and trimmed")
            assert (await api.get("/v1/sessions")).status_code == 200

        await send(api, 20)
        asked = time.monotonic()
        answer = await api.get("/v1/sessions")
        assert answer.status_code == 503
        assert "PostgreSQL does not answer" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - asked < SOON_S
        held, _ = await stand()
        await persister.logged("store.away", times=6)  # some seconds, in which trimming has its turn

        async def sessionized() -> bool:
            _, lags = await stand()
            return lags["visits"] == lags["minutes"] == 0

        await until(sessionized, what="the sessionizer to go on")
        assert (await stand())[0] == held > 0

        with embedded_postgres(store_folder):
            await persister.logged("store.back")
            await until(all_trimmed, what="the rest to be written and trimmed")
            assert (await api.get("/v1/sessions")).status_code == 200
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(*), count(DISTINCT user_id) FROM clicks").fetchone() == (40, 40)
            assert (persister.stop(), sessionizer.stop()) == (0, 0)
