"""`GET /v1/status`: the operator's part, and what was turned away, by who may see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient
from redis.asyncio import Redis

from clickloom.keys import Keys
from clickloom.layout import PERSISTER, lay_out
from clickloom.settings import Settings
from services.api.status import StatusAnswer
from tests.services.api.conftest import Make, serving
from tests.services.api.ingest.test_native import problem
from tests.services.api.test_description import description

PATH = "/v1/status"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
async def laid_out(settings: Settings, keys: Keys) -> None:
    await lay_out(settings.redis_url, keys=keys, partitions=settings.partitions, windows=settings.parsed_windows())


@pytest.fixture
def turned_away(database: "psycopg.Connection[Any]") -> None:
    """Of the shop one rejected event just now and one two hours ago, of the blog one; late clicks likewise."""
    for number, (site, ago) in enumerate((("shop", 0), ("shop", 2), ("blog", 0), (None, 0))):
        at = NOW - timedelta(hours=ago, seconds=number)
        database.execute(
            "INSERT INTO rejected_events (stream, entry_ms, entry_seq, entry_row, rejected_at, site_id, source, code,"
            " message, payload) VALUES ('rejected:{0}', %s, 0, 0, %s, %s, 'http', 'invalid_field', 'no user_id', 'x')",
            [number, at, site],
        )
        if site is not None:
            database.execute(
                'INSERT INTO late_clicks (stream, entry_ms, entry_seq, entry_row, arrived_at, "window", event_id,'
                " site_id, user_id, device_id, client_event, client_timestamp, watermark, late_by_us, reason, details)"
                " VALUES ('s', %s, 0, 0, %s, 'visits', 'e', %s, '64', 'pc', 'cart', %s, %s, 2500000, %s, '{}')",
                [number, at, site, at, at, f"too late: by {number} s"],
            )


async def test_windows_memory_and_readers_are_told_with_what_is_wrong(
    api: AsyncClient, redis: Redis, keys: Keys
) -> None:
    await redis.xadd(keys.clicks(3), {"b": "x"})
    await redis.hset(keys.progress("visits", 2), mapping={"watermark_us": 1_700_000_000_000_000})
    system = (await api.get(PATH)).json()["system"]
    visits = next(window for window in system["windows"] if window["window"] == "visits")
    assert (visits["watermark"], visits["lag"], visits["served"]) == ("2023-11-14T22:13:20Z", 1, 0)
    assert visits["watermark_lag_sec"] > 86_400
    assert {row["reader"] for row in system["readers"]} == {"visits", "minutes", PERSISTER}
    assert 0 < system["memory_level"] < 1
    assert system["ingest_closed"] is None
    assert any("start a sessionizer" in trouble for trouble in system["troubles"])


@pytest.mark.usefixtures("turned_away")
async def test_late_and_rejected_are_counted_by_reason_of_the_last_hour_and_day(api: AsyncClient) -> None:
    answer = (await api.get(PATH)).json()
    assert answer["late"]["by_reason"] == [{"window": "visits", "reason": "too late", "last_hour": 2, "last_day": 3}]
    assert answer["rejected"]["by_reason"] == [{"code": "invalid_field", "last_hour": 3, "last_day": 4}]
    assert [row["site_id"] for row in answer["rejected"]["latest"]] == ["shop", "blog", None, "shop"]
    assert answer["late"]["latest"][0]["late_by_sec"] == 2.5
    assert "user_id" not in answer["late"]["latest"][0]
    assert "payload" not in answer["rejected"]["latest"][0]
    one = (await api.get(PATH, params={"site_id": "blog"})).json()
    assert one["late"]["by_reason"][0]["last_day"] == one["rejected"]["by_reason"][0]["last_day"] == 1


@pytest.mark.usefixtures("turned_away")
async def test_a_key_of_some_sites_is_told_of_these_and_nothing_of_the_system(make: Make, locked: Settings) -> None:
    shop, all_sites = await make("read", "shop"), await make("read")
    admin = await make("read", "shop", scopes=["admin"])
    async with serving(locked) as api:

        async def asked(key: str, **more: str) -> Any:
            return await api.get(PATH, headers={"authorization": f"Bearer {key}"}, params=more)

        answer = (await asked(shop)).json()
        assert answer["system"] is None
        assert answer["late"]["by_reason"][0]["last_day"] == 2
        assert [row["site_id"] for row in answer["rejected"]["latest"]] == ["shop", "shop"]
        problem(await asked(shop, site_id="blog"), 403)
        assert (await asked(all_sites)).json()["system"] is not None
        answer = (await asked(admin)).json()
        assert (answer["system"] is not None, answer["late"]["by_reason"][0]["last_day"]) == (True, 2)
        assert (await api.get(PATH)).status_code == 401


async def test_without_postgres_the_rest_is_told(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    async with serving(nowhere) as api:
        answer = (await api.get(PATH)).json()
    assert (answer["late"], answer["rejected"], answer["system"]["persister_runs"]) == (None, None, None)
    assert any("Postgres does not answer" in trouble for trouble in answer["system"]["troubles"])


async def test_the_example_is_an_answer(api: AsyncClient) -> None:
    schemas = (await description(api))["components"]["schemas"]
    example = schemas["StatusAnswer"]["example"]
    StatusAnswer.model_validate(example)
    answer = (await api.get(PATH)).json()
    assert set(example) == set(answer)
    assert set(example["system"]) == set(answer["system"])
    assert set(example["system"]["readers"][0]) == set(answer["system"]["readers"][0])
    assert set(example["system"]["windows"][0]) == set(answer["system"]["windows"][0])


async def test_what_cannot_be_asked_is_refused(api: AsyncClient) -> None:
    assert "there are site_id" in problem(await api.get(PATH, params={"colour": "red"}), 422)["detail"]
