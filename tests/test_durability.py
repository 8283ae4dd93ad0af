"""What is said of a Redis whose answers do not mean that a write is on disk."""

from pathlib import Path

import pytest

from clickloom.connect import open_redis
from clickloom.durability import check_durable
from clickloom.errors import InvalidSetting
from services.cli.embedded import embedded_valkey

LASTING = {"save": "", "appendonly": "yes", "appendfsync": "always"}


async def test_a_redis_that_writes_to_its_disk_before_it_answers_will_do(store_folder: Path) -> None:
    with embedded_valkey(store_folder, LASTING) as url:
        async with open_redis(url) as redis:
            await check_durable(redis)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"appendonly": "no"}, "no append-only file: set appendonly yes and appendfsync always"),
        (
            {"appendfsync": "everysec"},
            "appendfsync everysec and answers before its disk has the write: set appendfsync",
        ),
        ({"appendfsync": "no"}, "appendfsync no and answers before"),
    ],
)
async def test_any_other_is_refused_with_the_remedy(store_folder: Path, options: dict[str, str], reason: str) -> None:
    await assert_refused(store_folder, options, reason)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("WAITAOF", "does not know WAITAOF: use Redis 7.2 or newer, or Valkey"),
        ("CONFIG", r"unknown command 'CONFIG'.*allow WAITAOF and CONFIG GET"),
    ],
)
async def test_a_redis_without_the_commands_is_refused(store_folder: Path, command: str, reason: str) -> None:
    """As an older one, or one that is hosted."""
    (store_folder / "more.conf").write_text(f"rename-command {command} NOTHING\n")
    await assert_refused(store_folder, {"include": str(store_folder / "more.conf")}, reason)


async def assert_refused(store_folder: Path, options: dict[str, str], reason: str) -> None:
    with embedded_valkey(store_folder, LASTING | options) as url:
        async with open_redis(url) as redis:
            with pytest.raises(InvalidSetting, match=f"^INGEST_DURABILITY=disk: .*{reason}.*=memory$"):
                await check_durable(redis)


async def test_a_cluster_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="use a single Redis"):
        await check_durable(open_redis("redis+cluster://127.0.0.1:1"))
