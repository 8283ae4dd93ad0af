"""`clickloom replay`: what it publishes, what it reports, and how it ends when it cannot."""

import gzip
import json
import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.streams import START, read_stream
from clickloom.wire import FIELD, RecordBatch, decode_batch, decode_rejected
from services.cli.embedded import embedded_valkey
from tests.processes import Process, Start, until

EVENT = {"user_id": 64, "device_id": "computer", "client_event": "beer_products"}


def line(minute: int) -> bytes:
    return json.dumps({**EVENT, "client_timestamp": f"2021-02-26T13:{minute:02}:00"}).encode() + b"\n"


async def batches(redis: Redis, settings: Settings) -> list[RecordBatch]:
    """Of the partition of the one visitor."""
    keys = Keys(settings.namespace)
    found = [await read_stream(redis, keys.clicks(number), START, count=10_000, block_ms=None) for number in range(4)]
    return [decode_batch(fields[FIELD]) for _, fields in max(found, key=len)]


async def test_a_file_is_published_in_its_order_and_rejected_lines_are_reported_and_kept(
    start: Start, redis: Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "clicks.jsonl"
    file.write_bytes(line(1) + b"rubbish\n" + line(3) + b'{"user_id": 1}\n' + line(2))
    replay = start("cli", "replay", str(file))
    assert await replay.ended() == 0
    accepted, *rejected = replay.output.splitlines()
    assert accepted == "accepted 3, rejected 2"
    assert rejected == [
        "  replay clicks.jsonl line 2: malformed_json: JSON is malformed: invalid character (byte 0)",
        "  replay clicks.jsonl line 4: invalid_field: Object missing required field `device_id`",
    ]
    [clicks, end] = await batches(redis, settings)
    minutes = [time_us // 60_000_000 % 60 for time_us in clicks.time_column.tolist()]
    assert minutes == [1, 3, 2]
    assert end.watermark_us is not None
    assert (end.watermark_us - int(clicks.time_column.max())) // 60_000_000 == 30, "a gap past the last click"
    entries = await read_stream(redis, keys.rejected(), START, count=10, block_ms=None)
    kept = [decode_rejected(fields[FIELD]) for _, fields in entries]
    assert [(event.source, event.payload) for event in kept] == [
        ("replay clicks.jsonl line 2", b"rubbish\n"),
        ("replay clicks.jsonl line 4", b'{"user_id": 1}\n'),
    ]


async def test_a_packed_file_and_standard_input_are_read_as_the_file_is(
    start: Start, redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    lines = line(1) + line(2)
    (tmp_path / "clicks.jsonl").write_bytes(lines)
    (tmp_path / "clicks.jsonl.gz").write_bytes(gzip.compress(lines))
    piped = start("cli", "replay", "-", "--no-close")
    piped.feed(lines)
    piped.end_of_input()
    for replay in (
        piped,
        start("cli", "replay", str(tmp_path / "clicks.jsonl"), "--no-close"),
        start("cli", "replay", str(tmp_path / "clicks.jsonl.gz"), "--no-close"),
    ):
        assert await replay.ended() == 0
        assert replay.output == "accepted 2, rejected 0\n"
    found = await batches(redis, settings)
    assert len(found) == 3
    assert len({tuple(batch.event_ids) for batch in found}) == 1, "the same lines are the same events"
    assert {batch.watermark_us for batch in found} == {None}


async def test_a_pipe_that_comes_slowly_is_published_while_it_comes(
    start: Start, redis: Redis, settings: Settings
) -> None:
    replay = start("cli", "replay", "-")
    minute = 0

    async def published() -> bool:
        nonlocal minute
        minute = (minute + 1) % 60
        replay.feed(line(minute))
        return bool(await batches(redis, settings))

    await until(published)
    assert replay.alive


async def test_of_many_rejected_lines_the_first_are_shown_and_all_are_counted(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "clicks.jsonl"
    file.write_bytes(line(1) + b"red [/rubbish]\n" * 1_000 + b"{}\n" * 1_234)
    replay = start("cli", "replay", str(file))
    assert await replay.ended() == 0
    lines = replay.output.splitlines()
    assert lines[0] == "accepted 1, rejected 2,234"
    assert len(lines) == 1 + 20 + 3
    assert lines[-2:] == ["  1,234 × invalid_field", "  1,000 × malformed_json"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing", None, "missing cannot be opened: No such file or directory"),
        ("folder", "", "folder cannot be opened: Is a directory"),
        (
            "log.jsonl",
            b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x"\n',
            "is --format jsonl",
        ),
        ("cut.gz", gzip.compress(os.urandom(1_000))[:500], "no whole .gz file"),
        ("false.gz", b"rubbish", "no whole .gz file"),
    ],
)
async def test_a_file_that_cannot_be_read_ends_with_one_line_that_names_it(
    start: Start, tmp_path: Path, name: str, content: bytes | str | None, reason: str
) -> None:
    if content == "":
        (tmp_path / name).mkdir()
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    replay = start("cli", "replay", str(tmp_path / name))
    assert await replay.ended() == 1
    [told] = replay.output.splitlines()
    assert told.startswith("clickloom: ")
    assert name in told
    assert reason in told


async def test_without_redis_it_ends_with_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "clicks.jsonl").write_bytes(line(1))
    replay = start("cli", "replay", str(tmp_path / "clicks.jsonl"), REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert await replay.ended() == 1
    [told] = replay.output.splitlines()
    assert "the Redis of REDIS_URL does not answer" in told


@pytest.mark.parametrize("high_water", ["80%", "1000GB"])
async def test_a_redis_that_is_full_or_away_for_a_while_is_waited_for(
    start: Start, settings: Settings, store_folder: Path, high_water: str
) -> None:
    """It is above the mark, or refuses, while the first lines come, and stopped and started again before the next."""
    with embedded_valkey(store_folder, {"save": "", "appendonly": "yes", "appendfsync": "always"}) as url:
        async with open_redis(url) as redis:
            replay = start("cli", "replay", "-", "--no-close", REDIS_URL=url, REDIS_HIGH_WATER=high_water)
            await fill(replay, redis, settings, at_least=1)
            await redis.config_set("maxmemory", "1")

            async def waits() -> bool:
                replay.feed(line(2))
                return "waiting: Redis is full" in replay.output

            await until(waits)
            assert ("errorstat_OOM" in await redis.info("errorstats")) == (high_water == "1000GB")
            await redis.config_set("maxmemory", "0")
            await fill(replay, redis, settings, at_least=2)
    with embedded_valkey(store_folder, {"save": "", "appendonly": "yes"}) as url:
        async with open_redis(url) as redis:
            await fill(replay, redis, settings, at_least=3)
            replay.end_of_input()
            assert await replay.ended() == 0
            found = await batches(redis, settings)
    assert replay.output.splitlines()[-1] == f"accepted {sum(map(len, found))}, rejected 0"


async def fill(replay: Process, redis: Redis, settings: Settings, *, at_least: int) -> None:
    """Feed until so many batches have been published."""

    async def published() -> bool:
        replay.feed(line(1))
        return len(await batches(redis, settings)) >= at_least

    await until(published)


async def test_it_ends_at_once_when_it_is_interrupted_while_it_waits_for_input(
    start: Start, redis: Redis, settings: Settings
) -> None:
    replay = start("cli", "replay", "-")

    async def published() -> bool:
        replay.feed(line(1))
        return bool(await batches(redis, settings))

    await until(published)
    replay.signal(signal.SIGINT)
    assert await replay.ended() in (1, 130)
    assert "Traceback" not in replay.output
