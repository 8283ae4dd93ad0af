"""`clickloom replay`: a file onto the streams."""

import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clickloom.click import Click, normalise
from clickloom.connect import fix_layout, open_redis
from clickloom.errors import InvalidInput, RejectedInput, ServerUnavailable
from clickloom.keys import Keys
from clickloom.pressure import Pressure, send_patiently
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import now_us
from clickloom.wire import MAX_PAYLOAD, RejectedEvent
from services.cli.source import Format, numbered, open_source, parse_line

CHUNK = 5_000  # lines
GATHER_S = 0.5  # a source that comes slowly, as a pipe may, is published this often
SHOWN = 20  # rejected lines that the report lists
AWAY_S = 60  # how long a Redis that was there is waited for


@dataclass(slots=True)
class Chunk:
    """Some thousand lines."""

    clicks: list[Click] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)
    size: int = 0  # bytes

    def __len__(self) -> int:
        return len(self.clicks) + len(self.rejected)


@dataclass(slots=True)
class Report:
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by code
    shown: list[RejectedEvent] = field(default_factory=list)  # the first of them
    latest_us: int = 0

    def add(self, chunk: Chunk) -> None:
        self.accepted += len(chunk.clicks)
        self.rejected.update(event.code for event in chunk.rejected)
        self.shown += chunk.rejected[: SHOWN - len(self.shown)]
        self.latest_us = max([self.latest_us, *(click.time_us for click in chunk.clicks)])


async def replay(file: str, form: Format, *, close: bool, settings: Settings) -> Report:
    """Publish the file in its order as fast as Redis takes it.

    Raises InvalidInput if nothing of it is a click, ServerUnavailable if there is no Redis or it stays away, OSError.
    """
    # asyncio's own handler cannot end a read that waits for a pipe.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    report = Report()
    keys = Keys(settings.namespace)
    with open_source(file) as lines, _progress(file) as progress:
        async with open_redis(settings.redis_url) as redis:
            await _begin(fix_layout(redis, keys=keys, partitions=settings.partitions))
            publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
            patient = Patient(Pressure(redis, settings.redis_high_water), progress)
            for chunk in _chunks(lines, Path(file).name, form, settings.future_bound_us):
                if chunk.rejected and not (chunk.clicks or report.accepted):
                    raise InvalidInput(_no_click(chunk, form))
                await _publish(publisher, chunk, patient)
                report.add(chunk)
                progress.update(progress.task_ids[0], advance=chunk.size, lines=report.accepted)
            if close and report.accepted:
                reach_us = max(window.reach_us for window in settings.parsed_windows())
                end_us = report.latest_us + reach_us + 1
                await patient.send(lambda: publisher.end_input(watermark_us=end_us, arrival_us=now_us()))
    return report


def _progress(file: str) -> Progress:
    """A bar if standard error is a terminal; how long it will be is known of plain files alone."""
    path = Path(file)
    plain = file != "-" and not file.endswith(".gz") and path.is_file()
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[lines]:,} clicks  {task.fields[note]}"), TimeElapsedColumn())
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    progress.add_task("replay", total=path.stat().st_size if plain else None, lines=0, note="")
    return progress


async def _begin(first: Awaitable[object]) -> None:
    try:
        await first
    except RedisError as error:
        raise ServerUnavailable(f"the Redis of REDIS_URL does not answer: {error}") from error


def _no_click(chunk: Chunk, form: Format) -> str:
    first = chunk.rejected[0]
    return f"none of the first {len(chunk)} lines is a click: is --format {form} right? {first.source}: {first.message}"


def _chunks(lines: BinaryIO, name: str, form: Format, future_bound_us: int) -> Iterator[Chunk]:
    chunk, begun = Chunk(), time.monotonic()
    for number, line in enumerate(lines, start=1):
        chunk.size += len(line)
        received_us = now_us()
        try:
            click = numbered(parse_line(line, form), line, number)
            normalise(click, received_us=received_us, future_bound_us=future_bound_us, new_event_id=str)
            chunk.clicks.append(click)
        except RejectedInput as error:
            chunk.rejected.append(
                RejectedEvent(
                    rejected_us=received_us,
                    source=f"replay {name} line {number}",
                    code=error.code,
                    message=str(error),
                    payload=line[:MAX_PAYLOAD],
                )
            )
        if len(chunk) >= CHUNK or (chunk.clicks and time.monotonic() - begun >= GATHER_S):
            yield chunk
            chunk, begun = Chunk(), time.monotonic()
    yield chunk


async def _publish(publisher: Publisher, chunk: Chunk, patient: "Patient") -> None:
    await patient.send(lambda: publisher.publish(chunk.clicks, arrival_us=now_us()))
    await patient.send(lambda: publisher.reject(chunk.rejected))


class Patient:
    """Waits for a Redis that is full, and some time for one that is away; tells why, beside the bar if there is one."""

    def __init__(self, pressure: Pressure, progress: Progress) -> None:
        self._pressure = pressure
        self._progress = progress
        self._away_since: float | None = None
        self._told = ""

    async def send(self, send: Callable[[], Awaitable[object]]) -> None:
        await send_patiently(send, self._pressure, self._wait)
        self._away_since = None
        self._tell("")

    def _wait(self, reason: str, away: bool) -> None:
        self._tell("waiting: Redis is away" if away else "waiting: Redis is full, what it holds must be read first")
        self._away_since = (self._away_since or time.monotonic()) if away else None
        if self._away_since and time.monotonic() - self._away_since > AWAY_S:
            raise ServerUnavailable(f"Redis has not answered for {AWAY_S} s: {reason}")

    def _tell(self, note: str) -> None:
        self._progress.update(self._progress.task_ids[0], note=note)
        if self._progress.disable and note not in ("", self._told):
            self._progress.console.print(note)
        self._told = note


def print_report(report: Report) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"accepted {report.accepted:,}, rejected {report.rejected.total():,}")
    for event in report.shown:
        console.print(f"  {event.source}: {event.code}: {event.message}", markup=False)
    if report.rejected.total() > len(report.shown):
        console.print("  … in all:")
        for code, count in report.rejected.most_common():
            console.print(f"  {count:,} × {code}", markup=False)
