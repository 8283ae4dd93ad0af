"""`clickloom replay`: a file onto the streams."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from redis.exceptions import OutOfMemoryError
from rich.console import Console
from rich.progress import Progress

from clickloom.click import Click, normalise
from clickloom.connect import fix_layout, open_redis
from clickloom.errors import RejectedInput
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.cli.source import Format, open_source, parse_line

CHUNK = 5_000
SHOWN = 20  # rejected lines that the report lists


@dataclass(slots=True)
class Report:
    accepted: int = 0
    rejected: list[RejectedEvent] = field(default_factory=list)
    latest_us: int = 0


async def replay(file: str, form: Format, *, size: int | None, close: bool, settings: Settings) -> Report:
    """Publish the file in its order as fast as Redis takes it; `size` in bytes is for the progress bar."""
    report = Report()
    keys = Keys(settings.namespace)
    console = Console(stderr=True)
    async with open_redis(settings.redis_url) as redis:
        await fix_layout(redis, keys=keys, partitions=settings.partitions)
        publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        with open_source(file) as lines, Progress(console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("replay", total=size)
            for clicks, rejected, read in _chunks(lines, Path(file).name, form, settings.future_bound_us):
                await _publish(publisher, clicks, rejected)
                report.accepted += len(clicks)
                report.rejected += rejected
                report.latest_us = max([report.latest_us, *(click.time_us for click in clicks)])
                progress.update(task, advance=read)
        if close and report.accepted:
            reach_us = max(window.reach_us for window in settings.parsed_windows())
            await publisher.end_input(watermark_us=report.latest_us + reach_us + 1, arrival_us=now_us())
    return report


def _chunks(
    lines: BinaryIO, name: str, form: Format, future_bound_us: int
) -> Iterator[tuple[list[Click], list[RejectedEvent], int]]:
    """(clicks, rejected lines, bytes read), some thousand lines at a time."""
    clicks: list[Click] = []
    rejected: list[RejectedEvent] = []
    read = 0
    for number, line in enumerate(lines, start=1):
        read += len(line)
        received_us = now_us()
        try:
            click = parse_line(line, number, form)
            normalise(click, received_us=received_us, future_bound_us=future_bound_us, new_event_id=str)
            clicks.append(click)
        except RejectedInput as error:
            rejected.append(
                RejectedEvent(
                    rejected_us=received_us,
                    source=f"replay {name} line {number}",
                    code=error.code,
                    message=str(error),
                    payload=line[:MAX_PAYLOAD],
                )
            )
        if len(clicks) + len(rejected) >= CHUNK:
            yield clicks, rejected, read
            clicks, rejected, read = [], [], 0
    yield clicks, rejected, read


async def _publish(publisher: Publisher, clicks: list[Click], rejected: list[RejectedEvent]) -> None:
    while True:
        try:
            await publisher.publish(clicks, arrival_us=now_us())
            await publisher.reject(rejected)
            return
        except OutOfMemoryError:  # what was sent twice meanwhile is found by its event_id
            await asyncio.sleep(1)


def print_report(report: Report) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"accepted {report.accepted}, rejected {len(report.rejected)}")
    for event in report.rejected[:SHOWN]:
        console.print(f"  {event.source}: {event.code}: {event.message}", markup=False)
    if len(report.rejected) > SHOWN:
        for code, count in Counter(event.code for event in report.rejected).most_common():
            console.print(f"  {count} × {code}")
