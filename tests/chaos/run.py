"""One run: traffic, faults, the end of the faults, and the verdict."""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import psutil

from clickloom.connect import open_redis
from clickloom.errors import InvalidSetting
from clickloom.keys import Keys
from clickloom.publish import Publisher
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.times import now_us
from services.generator.plan import visits_of
from services.generator.truth import Truth
from tests.chaos.faults import Faults
from tests.chaos.plan import SERVICES, Kind, faults
from tests.chaos.system import LEASE_S, System, running
from tests.chaos.traffic import flowing
from tests.chaos.verdict import Say, Verdict, judge, keep_changelogs
from tests.processes import until

DRAINED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    seconds: float
    seed: int
    rate: float  # clicks a second
    every_s: float  # a fault, on average
    folder: Path


@dataclass(slots=True)
class Report:
    faults: Counter[Kind]
    verdict: Verdict  # of the traffic whose truth is known
    lossy: Verdict = field(default_factory=Verdict)  # after Valkey has lost input
    left: list[str] = field(default_factory=list)  # processes that still run

    @property
    def exact(self) -> bool:
        return self.verdict.exact and self.lossy.exact and not self.left


async def run(options: Options, say: Say) -> Report:
    async with running(options.folder, os.environ) as system:
        say(f"everything is in {options.folder}")
        for service in SERVICES:
            system.start(service)
        await until(partial(_ready, system.settings), what="all services to be at work")
        async with open_redis(system.settings.redis_url) as redis:
            await keep_changelogs(redis, system.settings)
        async with system.supervised():
            report = await _under_faults(system, options, say)
            report.lossy = await _with_input_lost(system, options, say)
    report.verdict.findings += system.ended
    report.left = left_over(options.folder)
    return report


async def _ready(settings: Settings) -> bool:
    async with open_redis(settings.redis_url) as redis:
        try:
            return not (await read_status(redis, settings)).troubles
        except InvalidSetting:  # nothing is laid out yet
            return False


async def _under_faults(system: System, options: Options, say: Say) -> Report:
    random = Random(options.seed)
    async with flowing(system, seed=options.seed, rate=options.rate, name="exact", folder=options.folder) as traffic:
        carrier = Faults(system, folder=options.folder, input_held=traffic.held, say=say)
        plan = faults(random, seconds=options.seconds, every_s=options.every_s, lease_s=LEASE_S)
        await carrier.carry_out(plan, seed=options.seed)
        say("the faults are over; the last clicks are sent")
    verdict = await _drained(system.settings, traffic.truths, say)
    verdict.findings += traffic.odd_answers
    return Report(carrier.done, verdict)


async def _with_input_lost(system: System, options: Options, say: Say) -> Verdict:
    """What Redis has lost is lost for everybody: there is no truth, but all must agree on the clicks that are left."""
    say("Valkey is killed and loses some of its input")
    async with flowing(system, seed=options.seed, rate=options.rate, name="lossy", folder=options.folder) as traffic:
        carrier = Faults(system, folder=options.folder, input_held=traffic.held, say=say)
        await carrier.lose_input(Random(options.seed))
    verdict = await _drained(system.settings, [], say)
    verdict.findings += traffic.odd_answers
    return verdict


async def _drained(settings: Settings, truths: list[Truth], say: Say) -> Verdict:
    """End the input, so that all sessions close, and judge what is made of it."""
    async with open_redis(settings.redis_url) as redis:
        publisher = Publisher(redis, keys=Keys(settings.namespace), partitions=settings.partitions)
        end_us = now_us()
        await publisher.end_input(watermark_us=end_us + visits_of(settings).reach_us + 1, arrival_us=end_us)
    say("the input has ended; waiting until all is exact")
    return await judge(settings, truths, within_s=DRAINED_WITHIN_S, say=say)


def left_over(folder: Path) -> list[str]:
    """Processes that we started, or that work in the folder: a store's, of a server that was killed."""
    children = psutil.Process().children(recursive=True)
    there = [process for process in psutil.process_iter() if _works_in(process, folder)]
    return [f"{process.pid} still runs" for process in {*children, *there}]


def _works_in(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        return process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder)
    return False
