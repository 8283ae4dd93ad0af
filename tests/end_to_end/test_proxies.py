"""Whose word is taken for a sender's address: seen by whom a limit is counted for."""

from httpx import AsyncClient

from tests.end_to_end.api import asking
from tests.processes import Start
from tests.services.api.ingest.test_native import EVENT


async def sent_for(client: AsyncClient, address: str) -> int:
    answer = await client.post("/v1/events", json=EVENT, headers={"x-forwarded-for": address})
    return answer.status_code


async def test_a_trusted_proxy_tells_the_address(start: Start) -> None:
    api = start("api", PORT="0", RATE_LIMIT_ADDRESS="1/1h", TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1")
    async with asking(api) as client:
        assert [await sent_for(client, address) for address in ("1.1.1.1", "1.1.1.1", "2.2.2.2")] == [202, 429, 202]
        assert await sent_for(client, "2.2.2.2, 10.1.1.1") == 429, "the last that is no proxy of ours"


async def test_nobody_else_does(start: Start) -> None:
    async with asking(start("api", PORT="0", RATE_LIMIT_ADDRESS="1/1h")) as client:
        assert [await sent_for(client, address) for address in ("1.1.1.1", "2.2.2.2")] == [202, 429]
