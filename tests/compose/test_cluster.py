"""docker-compose.yml with compose.cluster.yml: the same over three Valkeys, also after they were all away."""

from pathlib import Path

import pytest

from tests.compose.stack import stack
from tests.end_to_end.test_web_log import CLICKS, SESSIONS

pytestmark = pytest.mark.compose

FILES = ("docker-compose.yml", "compose.cluster.yml")


def test_the_web_log_becomes_its_sessions_over_a_cluster(tmp_path: Path, access_log: Path) -> None:
    with stack(tmp_path, project="clickloom-test-cluster", files=FILES) as clickloom:
        clickloom.up("--build")
        key = clickloom.cli("keys", "create", "read", "--name", "a test")
        clickloom.cli("replay", "-", "--format", "combined", fed=access_log.read_bytes())
        assert clickloom.received(key) == CLICKS + 1, "one line is no click"
        clickloom.compose("down")
        clickloom.up()
        assert clickloom.received(key) == CLICKS + 1
        assert len(clickloom.sessions(key, window="visits", site_id="default")) == SESSIONS
