"""`clickloom generate` into files, and on real streams."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from clickloom.wire import FIELD, RecordBatch, decode_batch, decode_rejected
from services.cli.__main__ import app
from services.generator.truth import read_truth
from tests.processes import Start

ROUGH = ("--disorder", "0.1", "--duplicates", "0.05", "--late", "0.02", "--malformed", "0.02", "--bots", "0.05")


def generate(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["generate", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def into_files(folder: Path, name: str, *arguments: str) -> tuple[bytes, bytes]:
    events, truth = folder / f"{name}.jsonl", folder / f"{name}-truth.jsonl"
    generate("--count", "2000", "--out", str(events), "--truth", str(truth), *ROUGH, *arguments)
    return events.read_bytes(), truth.read_bytes()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first = into_files(tmp_path, "first", "--seed", "7")
    assert first == into_files(tmp_path, "second", "--seed", "7")
    other = into_files(tmp_path, "third", "--seed", "8")
    assert first[0] != other[0]
    assert first[1] != other[1]
    assert first[0].count(b"\n") == 2_000


def test_without_a_seed_the_truth_tells_one_that_makes_the_traffic_again(tmp_path: Path) -> None:
    first = into_files(tmp_path, "first")
    seed = read_truth(first[1].splitlines()).run.seed
    assert into_files(tmp_path, "second", "--seed", str(seed)) == first


def test_a_files_traffic_begins_at_the_given_time(tmp_path: Path) -> None:
    events, truth = into_files(tmp_path, "later", "--seed", "7", "--start", "2025-06-01T12:00:00")
    assert b'"client_timestamp":"2025-06-01T12:00:00.' in events.splitlines()[0]
    assert b'"start":"2025-06-01T12:00:00Z"' in truth.splitlines()[0]


def test_the_original_goes_to_standard_output_too() -> None:
    lines = generate("--model", "original", "--count", "10", "--seed", "1", "--out", "-").splitlines()
    assert len(lines) == 10
    assert all("page_url" not in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "-"), "--count"),
        (("--model", "original", "--truth", "t"), "shop"),
        (("--late", "2"), "from 0 to 1"),
        (("--conversion", "0.6", "--effect", "1"), "effect"),
        (("--history", "soon"), "is no duration"),
        (("--start", "noon"), "noon"),
        (("--count", "1", "--out", "-", "--disorder", "0.1", "--disorder-within", "1h"), "ALLOWED_LATENESS"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["generate", *arguments], env={"COLUMNS": "400"})
    assert result.exit_code == 2
    assert said in result.output


async def published(redis: Redis, keys: Keys, partitions: int) -> list[RecordBatch]:
    batches = []
    for number in range(partitions):
        entries: Any = await redis.xrange(keys.clicks(number))
        batches += [decode_batch(fields[FIELD]) for _, fields in entries]
    return batches


async def test_a_live_run_publishes_exactly_its_count_at_its_rate(
    start: Start, redis: Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "truth.jsonl"
    generator = start("generator", "--rate", "500", "--count", "1000", "--seed", "1", "--truth", str(file), *ROUGH)
    assert await generator.ended() == 0, generator.output
    batches = await published(redis, keys, settings.partitions)
    end = read_truth(file.read_bytes().splitlines()).end
    assert end.lines == 1_000
    assert sum(map(len, batches)) == end.clicks + end.duplicates + end.late + end.bots
    refused: Any = await redis.xrange(keys.rejected())
    assert len(refused) == end.malformed > 0
    assert {decode_rejected(fields[FIELD]).source for _, fields in refused} == {"generator"}
    times = [time_us for batch in batches for time_us in batch.time_column.tolist()]
    # Two seconds of event time, of which the later half; the first half has the late clicks, from long before.
    assert 0.45 * 2 * SECOND_US <= max(times) - median(times) <= 0.6 * 2 * SECOND_US
    assert all(max(batch.time_column) <= batch.arrival_us for batch in batches if len(batch))
    closing = {batch.watermark_us for batch in batches if not len(batch)}
    assert min(us or 0 for us in closing) > max(times) + 1_800 * SECOND_US


async def test_history_comes_first_and_only_to_fresh_streams(
    start: Start, redis: Redis, keys: Keys, settings: Settings
) -> None:
    arguments = ("--rate", "100", "--count", "5", "--history", "10m", "--seed", "1", "--no-close")
    first = start("generator", *arguments)
    assert await first.ended() == 0, first.output
    batches = await published(redis, keys, settings.partitions)
    count = sum(map(len, batches))
    assert 1_000 < count < 12_000  # 10/s for 600 s, more or less as the hour is
    earliest = min(int(batch.time_column.min()) for batch in batches)
    latest = max(int(batch.time_column.max()) for batch in batches)
    assert 590 * SECOND_US < latest - earliest < 660 * SECOND_US
    second = start("generator", *arguments)
    assert await second.ended() == 0, second.output
    assert sum(map(len, await published(redis, keys, settings.partitions))) == count + 5


async def test_stopped_it_sends_what_is_under_way_and_its_truth_is_whole(
    start: Start, redis: Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "truth.jsonl"
    arguments = ("--rate", "200", "--truth", str(file), "--disorder", "1", "--disorder-within", "1m", "--history", "1m")
    generator = start("generator", *arguments)
    await generator.logged("history.published")
    assert generator.stop() == 0
    end = read_truth(file.read_bytes().splitlines()).end
    assert sum(map(len, await published(redis, keys, settings.partitions))) == end.clicks == end.lines > 0
