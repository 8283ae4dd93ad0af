"""Each service stops when it is told to, and says in one line why it cannot start."""

import pytest

from tests.processes import Start


@pytest.mark.parametrize("service", ["sessionizer", "persister", "api"])
async def test_a_service_ends_with_0_when_it_is_asked_to(start: Start, service: str) -> None:
    process = start(service, PORT="0")
    await process.logged("service.started")
    assert process.stop() == 0
    assert "service.stopped" in process.output


@pytest.mark.parametrize("service", ["sessionizer", "persister", "api"])
async def test_a_setting_that_cannot_work_ends_a_service_with_one_line_that_names_it(
    start: Start, service: str
) -> None:
    process = start(service, PARTITIONS="none")
    assert await process.ended() == 1
    assert "PARTITIONS" in process.output
    assert len(process.output.splitlines()) == 1


@pytest.mark.parametrize("service", ["sessionizer", "persister", "api", "generator"])
async def test_a_redis_that_is_not_there_ends_a_service_with_one_line_that_names_the_setting(
    start: Start, service: str
) -> None:
    process = start(service, REDIS_URL="unix:///nowhere.sock", PORT="0")
    assert await process.ended() == 1
    assert "the Redis of REDIS_URL does not answer" in process.output.splitlines()[-1]
    assert len(process.output.splitlines()) == 2, "that it started, and why it ended"
