"""One stack for all tests of it, which come one after the other and leave it whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose.stack import Stack, stack


@dataclass(frozen=True)
class Keys:
    read: str
    write: str


@pytest.fixture(scope="module")
def clickloom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Built, up, and healthy."""
    with stack(tmp_path_factory.mktemp("compose"), project="clickloom-test") as made:
        made.up("--build")
        yield made


@pytest.fixture(scope="module")
def keys(clickloom: Stack) -> Keys:
    write = ("write", "--name", "a page", "--site", "shop")
    return Keys(clickloom.cli("keys", "create", "read", "--name", "a test"), clickloom.cli("keys", "create", *write))


@pytest.fixture(scope="module")
def web_log(clickloom: Stack, access_log: Path) -> Stack:
    """The stack with the web log in it."""
    clickloom.cli("replay", "-", "--format", "combined", fed=access_log.read_bytes())
    return clickloom
