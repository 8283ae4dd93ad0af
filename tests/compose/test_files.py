"""Every combination of Compose's files is one that Compose takes."""

import itertools
from contextlib import closing
from pathlib import Path

import pytest

from tests.compose.stack import Stack

pytestmark = pytest.mark.compose

OVERRIDES = ("compose.cluster.yml", "compose.observability.yml")
COMBINATIONS = [chosen for count in range(len(OVERRIDES) + 1) for chosen in itertools.combinations(OVERRIDES, count)]


@pytest.mark.parametrize("overrides", COMBINATIONS, ids="+".join)
def test_a_combination_is_valid(overrides: tuple[str, ...], tmp_path: Path) -> None:
    with closing(Stack(tmp_path, project="clickloom-files", files=("docker-compose.yml", *overrides))) as stack:
        stack.compose("--profile", "*", "config", "--quiet")


def test_without_passwords_nothing_is_started(tmp_path: Path) -> None:
    with closing(Stack(tmp_path, project="clickloom-files")) as stack:
        (tmp_path / "env").write_text("")
        assert "set it in .env" in stack.run("docker", "compose", "config", "--quiet", fails=True)
