"""Wires the generator: its options, and where the traffic goes."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from clickloom.click import DEFAULT_SITE
from clickloom.connect import fix_layout, open_redis
from clickloom.errors import InvalidSetting
from clickloom.keys import Keys
from clickloom.lifecycle import run_service
from clickloom.pressure import Pressure
from clickloom.publish import Publisher
from clickloom.settings import Settings, load_settings
from clickloom.times import DAY_US, now_us, parse_duration, parse_time
from services.generator.arrivals import Disturbances
from services.generator.plan import ModelName, Plan, visits_of
from services.generator.publishing import Feed, is_fresh
from services.generator.shop import Habits
from services.generator.truth import Record, as_line
from services.generator.writing import write_lines

START = "2024-01-01T00:00:00Z"  # of a file's traffic

_HABITS = Habits()

Tell = Callable[[Record], None]


async def serve(settings: Settings, stop: asyncio.Event, *, plan: Plan, close: bool, tell: Tell) -> None:
    keys = Keys(settings.namespace)
    async with open_redis(settings.redis_url) as redis:
        await fix_layout(redis, keys=keys, partitions=settings.partitions)
        publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        begin_us = now_us()
        back_us = plan.history_us if await is_fresh(redis, keys=keys, partitions=settings.partitions) else 0
        tell(plan.run(settings, begin_us - back_us))
        arrivals = plan.arrivals(settings, tell)
        feed = Feed(publisher, Pressure(redis, settings.redis_high_water), arrivals, stop)
        if back_us:
            await feed.publish_history(plan.history_slots(begin_us - back_us), end_us=begin_us)
        if await feed.publish_live(plan.live_slots(begin_us), count=plan.count) and close:
            end_us = now_us()
            await feed.end_input(watermark_us=end_us + visits_of(settings).reach_us + 1, arrival_us=end_us)
        tell(arrivals.end)


def write(plan: Plan, output: BinaryIO, *, start_us: int, settings: Settings, tell: Tell) -> None:
    """As many lines as the plan counts into a file, with no server."""
    tell(plan.run(settings, start_us))
    write_lines(output, plan.arrivals(settings, tell), plan.file_slots(start_us), count=plan.count, tell=tell)


def generate(
    model: Annotated[ModelName, typer.Option(help="the original system's events, or a shop's visits")] = ModelName.shop,
    rate: Annotated[float, typer.Option(min=0.01, help="events a second; in a file, on average over a day")] = 20.0,
    count: Annotated[int, typer.Option(min=0, help="events in all, after the history; 0: without end")] = 0,
    seed: Annotated[int | None, typer.Option(help="the same seed makes the same visitors and events")] = None,
    out: Annotated[str | None, typer.Option(help="a file for JSON lines, `-` for standard output; no server")] = None,
    start: Annotated[str, typer.Option(help="with --out: the time of the first event")] = START,
    truth: Annotated[Path | None, typer.Option(help="of the shop: a file for the true sessions")] = None,
    history: Annotated[str, typer.Option(help="to fresh streams: first back-dated traffic of this long, as 2h")] = "0s",
    close: Annotated[bool, typer.Option(help="after --count, move the watermark on so that all visits close")] = True,
    site: Annotated[str, typer.Option(help="the events' site_id")] = DEFAULT_SITE,
    disorder: Annotated[float, typer.Option(help="share of clicks that arrive out of order")] = 0.0,
    disorder_within: Annotated[str, typer.Option(help="how much later than others they arrive at the most")] = "10s",
    late: Annotated[float, typer.Option(help="share of clicks that come too late")] = 0.0,
    duplicates: Annotated[float, typer.Option(help="share of clicks that come again")] = 0.0,
    malformed: Annotated[float, typer.Option(help="share of events that are refused")] = 0.0,
    bots: Annotated[float, typer.Option(help="shop: share of clicks that are a crawler's")] = 0.0,
    users: Annotated[int, typer.Option(help="shop: users that come back")] = _HABITS.users,
    bounces: Annotated[float, typer.Option(help="shop: share of visits that leave after a page")] = _HABITS.bounces,
    conversion: Annotated[float, typer.Option(help="shop: share of visits that buy")] = _HABITS.conversion,
    effect: Annotated[float, typer.Option(help="shop: how much more buy on side B")] = _HABITS.effect,
) -> None:
    """Make traffic: onto the streams as it comes, or with --out into a file as fast as it can be made."""
    try:
        plan = Plan(
            seed=secrets.randbits(32) if seed is None else seed,
            model=model,
            rate=rate,
            count=count,
            history_us=_parsed("--history", parse_duration, history),
            site_id=site,
            habits=Habits(users=users, bounces=bounces, conversion=conversion, effect=effect, bots=bots),
            disturbances=Disturbances(
                disorder=disorder,
                disorder_within_us=_parsed("--disorder-within", parse_duration, disorder_within),
                late=late,
                duplicates=duplicates,
                malformed=malformed,
            ),
        )
        start_us = _parsed("--start", parse_time, start)
        if start_us < DAY_US:
            raise InvalidSetting("--start: must be at least a day after 1970 began")
        if out is not None and not count:
            raise InvalidSetting("--out: a file must end, give --count")
        if truth is not None and model is not ModelName.shop:
            raise InvalidSetting("--truth: only of --model shop are the true sessions known")
        with _truth_into(truth) as tell:
            if out is None:
                run_service("generator", partial(serve, plan=plan, close=close, tell=tell))
            else:
                with _output(out) as output:
                    write(plan, output, start_us=start_us, settings=load_settings(), tell=tell)
    except InvalidSetting as error:
        raise typer.BadParameter(str(error)) from error


def _parsed(option: str, parse: Callable[[str], int], text: str) -> int:
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidSetting(f"{option}: {error}") from error


@contextmanager
def _truth_into(path: Path | None) -> Iterator[Tell]:
    """What records of the truth are told to; without a path, nobody."""
    if path is None:
        yield lambda record: None
    else:
        with path.open("wb") as file:
            yield lambda record: _write(file, record)


def _write(file: BinaryIO, record: Record) -> None:
    file.write(as_line(record))


@contextmanager
def _output(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdout.buffer
    else:
        with Path(file).open("wb") as output:
            yield output


if __name__ == "__main__":
    typer.run(generate)
