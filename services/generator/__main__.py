"""Wires the generator: its options, and the loop."""

import asyncio
from functools import partial
from random import Random
from typing import Annotated

import typer

from clickloom.connect import fix_layout, open_redis
from clickloom.keys import Keys
from clickloom.lifecycle import run_service
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.times import parse_duration
from services.generator.publishing import publish_history, publish_live


async def serve(
    settings: Settings, stop: asyncio.Event, *, rate: float, count: int, seed: int | None, history_us: int
) -> None:
    keys = Keys(settings.namespace)
    random = Random(seed)
    async with open_redis(settings.redis_url) as redis:
        await fix_layout(redis, keys=keys, partitions=settings.partitions)
        publisher = Publisher(redis, keys=keys, partitions=settings.partitions)
        if history_us:
            await publish_history(publisher, random, span_us=history_us)
        await publish_live(publisher, random, stop, rate=rate, count=count)


def generate(
    rate: Annotated[float, typer.Option(min=0.01, help="events a second")] = 20.0,
    count: Annotated[int, typer.Option(min=0, help="events in all; 0: without end")] = 0,
    seed: Annotated[int | None, typer.Option(help="the same seed makes the same visitors and events")] = None,
    history: Annotated[str, typer.Option(help="first publish back-dated traffic of this long, as 2h")] = "0s",
) -> None:
    """Publish the original system's events to the streams."""
    try:
        history_us = parse_duration(history)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    run_service("generator", partial(serve, rate=rate, count=count, seed=seed, history_us=history_us))


if __name__ == "__main__":
    typer.run(generate)
