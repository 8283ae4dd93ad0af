"""docker-compose.yml as it is: everything is killed, cut off, scaled and restarted, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.conftest import Keys
from tests.compose.stack import Stack
from tests.end_to_end.test_web_log import CLICKS, SESSIONS

pytestmark = pytest.mark.compose

SERVICES = ("api", "sessionizer", "persister", "triggers")
OURS = (*SERVICES, "proxy")
SENT = 40  # events that are taken after a thing was broken


@contextmanager
def nothing_lost(stack: Stack, keys: Keys) -> Iterator[None]:
    """While the block breaks something, and after it, events are taken, and all of them arrive and balance."""
    before = stack.received(keys.read)
    with stack.sending(keys.write) as sent:
        yield
        already = len(sent)
        stack.until(lambda: len(sent) >= already + SENT, what="events to be taken again")
    # One that had to be sent again may have come twice.
    assert stack.received(keys.read) >= before + len(sent)


def test_the_web_log_becomes_its_sessions(web_log: Stack, keys: Keys) -> None:
    assert web_log.received(keys.read) == CLICKS + 1, "one line is no click"
    assert len(web_log.sessions(keys.read, window="visits", site_id="default")) == SESSIONS


def test_a_container_can_do_next_to_nothing(clickloom: Stack) -> None:
    for service in OURS:
        [container] = clickloom.containers(service)
        found = clickloom.inspect(container)
        assert found["HostConfig"]["ReadonlyRootfs"]
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["Config"]["User"] == "10001:10001"


def test_a_sessionizer_that_is_killed_comes_again(clickloom: Stack, keys: Keys) -> None:
    [container] = clickloom.containers("sessionizer")
    before = clickloom.inspect(container)["State"]
    with nothing_lost(clickloom, keys):
        os.kill(before["Pid"], signal.SIGKILL)  # not `docker kill`, after which none comes

        def came_again() -> bool:
            again = clickloom.inspect(container)["State"]["StartedAt"] != before["StartedAt"]
            return again and clickloom.health(container) == "healthy"

        clickloom.until(came_again, what="it to be healthy again")


def test_more_of_each_share_the_work(clickloom: Stack, keys: Keys) -> None:
    with nothing_lost(clickloom, keys):
        clickloom.up("--no-recreate", "--scale", "sessionizer=3", "--scale", "persister=2", "--scale", "api=2")
        clickloom.until(lambda: len(clickloom.owners()) == 3, what="three sessionizers to have a share each")


def test_one_api_goes_and_the_other_takes_the_events(clickloom: Stack, keys: Keys) -> None:
    first, _ = clickloom.containers("api")
    with nothing_lost(clickloom, keys):
        clickloom.run("docker", "stop", first)
    clickloom.run("docker", "start", first)


def test_the_stores_are_restarted(clickloom: Stack, keys: Keys) -> None:
    with nothing_lost(clickloom, keys):
        clickloom.compose("restart", "valkey", "postgres")
    clickloom.until(clickloom.healthy, what="all to be healthy again")


def test_who_is_cut_off_says_so_and_the_others_take_over(clickloom: Stack, keys: Keys) -> None:
    container = clickloom.containers("sessionizer")[0]
    name = clickloom.inspect(container)["Config"]["Hostname"]
    network = ("clickloom-test_stores", container)
    with nothing_lost(clickloom, keys):
        clickloom.run("docker", "network", "disconnect", *network)
        clickloom.until(lambda: name not in clickloom.owners(), what="the others to take over")
        clickloom.until(lambda: clickloom.health(container) == "unhealthy", what="it to be unhealthy")
        clickloom.run("docker", "network", "connect", *network)
        clickloom.until(lambda: clickloom.health(container) == "healthy", what="it to be healthy again")


def test_an_upgrade_replaces_all_while_events_are_taken(clickloom: Stack, keys: Keys) -> None:
    before = {one for service in SERVICES for one in clickloom.containers(service)}
    with nothing_lost(clickloom, keys):
        clickloom.run("deploy/upgrade")
    after = {one for service in SERVICES for one in clickloom.containers(service)}
    assert len(after) == len(before)
    assert not after & before


def test_a_backup_brings_back_what_was_there_then(web_log: Stack, keys: Keys, tmp_path: Path) -> None:
    with web_log.sending(keys.write) as sent:
        early = len(sent)
        web_log.run("deploy/backup", str(tmp_path / "backup"))
        assert len(sent) > early, "it holds nobody up"
    late = web_log.received(keys.read)
    with web_log.sending(keys.write):
        pass
    web_log.run("deploy/restore", str(tmp_path / "backup"))
    assert web_log.received(keys.read) <= late
    assert len(web_log.sessions(keys.read, window="visits", site_id="default")) == SESSIONS


def test_all_of_it_ends_cleanly(clickloom: Stack) -> None:
    containers = [container for service in OURS for container in clickloom.containers(service)]
    clickloom.compose("stop")
    assert {clickloom.inspect(container)["State"]["ExitCode"] for container in containers} == {0}


def test_the_examples_passwords_are_refused_in_public(clickloom: Stack) -> None:
    given = ("-e", "REDIS_URL=redis://:change-me@valkey:6379/0", "-e", "PUBLISH=0.0.0.0:8080")
    told = clickloom.run("docker", "compose", "run", "--rm", "-T", "--no-deps", *given, "migrate", fails=True)
    assert "REDIS_URL: has the example's password" in told
