"""What there is to choose from."""

from typing import Any

import psycopg
from httpx import AsyncClient

from clickloom.settings import Settings
from tests.services.api.conftest import Make, serving

INSERT = (
    b"INSERT INTO ledger (minute, site_id, partition, received, rejected) VALUES"
    b" ('2026-11-24 10:00Z', 'shop', 0, 5, 0),"
    b" ('2026-11-24 10:07Z', 'shop', 1, 5, 0), ('2026-11-23 09:00Z', 'blog', 0, 1, 1)"
)
SHOP = {"site_id": "shop", "newest": "2026-11-24T10:07:00Z"}
BLOG = {"site_id": "blog", "newest": "2026-11-23T09:00:00Z"}


async def test_sites_are_those_from_which_events_came(
    api: AsyncClient, database: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    assert (await api.get("/v1/sites")).json() == {"sites": [], "together": True}
    database.execute(INSERT)
    assert (await api.get("/v1/sites")).json() == {"sites": [BLOG, SHOP], "together": True}


async def test_a_key_of_some_sites_sees_these_with_events_or_without(
    make: Make, locked: Settings, database: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    database.execute(INSERT)
    some, one = await make("read", "shop", "new"), await make("read", "blog")
    async with serving(locked) as api:
        answer = await api.get("/v1/sites", headers={"authorization": f"Bearer {some}"})
        assert answer.json() == {"sites": [{"site_id": "new", "newest": None}, SHOP], "together": False}
        answer = await api.get("/v1/sites", headers={"authorization": f"Bearer {one}"})
        assert answer.json() == {"sites": [BLOG], "together": True}
        assert (await api.get("/v1/windows")).status_code == 401


async def test_windows_are_in_the_order_of_the_setting(api: AsyncClient) -> None:
    assert (await api.get("/v1/windows")).json() == {"windows": ["visits", "minutes"]}
