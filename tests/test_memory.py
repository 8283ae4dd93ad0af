"""Amounts of memory in words, and the mark above which Redis is given no more."""

from typing import Any

import pytest

from clickloom.errors import InvalidSetting
from clickloom.memory import MEGABYTE, HighWater, parse_amount
from clickloom.settings import load_settings

MACHINE = 1_000 * MEGABYTE


def server(used: float, *, limit: float = 100, uncounted: float = 0) -> dict[str, Any]:
    """What INFO says, in MB."""
    return {
        "used_memory": int(used * MEGABYTE),
        "mem_not_counted_for_evict": int(uncounted * MEGABYTE),
        "maxmemory": int(limit * MEGABYTE),
        "total_system_memory": MACHINE,
    }


def closed(amount: str, *servers: dict[str, Any]) -> str:
    high_water = HighWater(parse_amount(amount))
    high_water.see(servers)
    return high_water.trouble


@pytest.mark.parametrize(("text", "size"), [("80%", 80), ("100 %", 100), ("512MB", 512), ("1.5gb", 1_536), ("1kb", 0)])
def test_an_amount_is_a_share_or_a_size(text: str, size: int) -> None:
    assert parse_amount(text).of(100 * MEGABYTE) // MEGABYTE == size


@pytest.mark.parametrize("text", ["80", "0%", "101%", "512MiB", "-1GB", "0MB", "much"])
def test_anything_else_is_refused_with_the_name_of_the_setting(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HIGH_WATER", text)
    with pytest.raises(InvalidSetting, match=r"REDIS_HIGH_WATER: .*(as 80%|at most 100%)"):
        load_settings()


def test_an_amount_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HIGH_WATER", "3MB")
    assert load_settings().redis_high_water.of(MACHINE) == 3 * MEGABYTE


def test_it_closes_above_the_mark_and_says_why() -> None:
    assert closed("80%", server(80)) == ""
    assert closed("80%", server(81)) == "Redis holds 81.0 MB, and takes no more above REDIS_HIGH_WATER (80% = 80.0 MB)"
    assert closed("50MB", server(51)).endswith("(50.0 MB)")


def test_buffers_that_redis_does_not_count_do_not_count() -> None:
    assert closed("80%", server(90, uncounted=11)) == ""


def test_without_a_limit_a_share_is_of_the_machines_memory_and_a_size_holds_as_it_is() -> None:
    assert closed("80%", server(790, limit=0)) == ""
    assert closed("80%", server(810, limit=0))
    assert closed("50MB", server(51, limit=0))


def test_the_fullest_node_of_a_cluster_decides() -> None:
    assert closed("80%", server(10), server(81), server(20))
    assert closed("80%", server(79), server(150, limit=200)) == ""


def test_once_closed_it_opens_only_somewhat_below_the_mark() -> None:
    high_water = HighWater(parse_amount("80%"))
    seen = []
    for used in (79, 81, 79, 77, 75, 79):
        high_water.see([server(used)])
        seen.append(bool(high_water.trouble))
    assert seen == [False, True, True, True, False, False]
    assert high_water.level == pytest.approx(79 / 80)
