"""What a service without an API of its own answers whoever watches it."""

import time
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from clickloom.duties import PROGRESS_WITHIN_S, ROUND_WITHIN_S, Duties
from clickloom.errors import ServerUnavailable
from clickloom.lifecycle import listen
from clickloom.watch import watched

HOST = "127.0.0.1"


def free_port() -> int:
    with listen(HOST, 0) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def duties() -> Duties:
    return Duties()


@pytest.fixture
async def client(duties: Duties) -> AsyncIterator[AsyncClient]:
    port = free_port()
    async with watched(duties, host=HOST, port=port), AsyncClient(base_url=f"http://{HOST}:{port}") as client:
        yield client


async def test_it_is_ready_as_long_as_its_duties_are_done(client: AsyncClient, duties: Duties) -> None:
    duties.done("serve", time.monotonic())
    assert (await client.get("/readyz")).status_code == 200
    duties.done("serve", time.monotonic() - PROGRESS_WITHIN_S - 1)
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["detail"] == "serve: not done for 31 s"
    assert (await client.get("/healthz")).status_code == 200, "to start it anew would not help"


async def test_it_does_not_live_if_its_loop_does_not_even_come_round(client: AsyncClient, duties: Duties) -> None:
    duties.done("serve", time.monotonic() - ROUND_WITHIN_S - 1)
    assert (await client.get("/healthz")).status_code == 503


async def test_its_metrics_tell_how_long_ago_each_duty_was_done(client: AsyncClient, duties: Duties) -> None:
    duties.done("serve", time.monotonic() - 7)
    lines = (await client.get("/metrics")).text.splitlines()
    [line] = [line for line in lines if line.startswith('clickloom_duty_age_seconds{duty="serve"}')]
    assert 7 <= float(line.split()[1]) < 20


async def test_it_says_what_can_be_asked(client: AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.json()["detail"]) == (404, "ask for /healthz, /readyz or /metrics")


async def test_a_port_that_is_taken_is_refused_with_its_settings_name(duties: Duties) -> None:
    with listen(HOST, 0) as taken:
        taken.listen()
        with pytest.raises(ServerUnavailable, match="set METRICS_PORT"):
            async with watched(duties, host=HOST, port=taken.getsockname()[1]):
                pass


async def test_nothing_listens_unless_it_is_told_to(duties: Duties) -> None:
    async with watched(duties, host="no address", port=0):
        pass
