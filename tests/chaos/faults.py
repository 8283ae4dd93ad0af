"""Faults as they are carried out."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

from clickloom.keys import Keys
from tests.chaos import log_tail
from tests.chaos.plan import PERSISTERS, STORES, VALKEY, Fault, Kind, targets_of
from tests.chaos.system import System
from tests.chaos.verdict import Say
from tests.proxy import Moment

TEAR_EVERY_S = 0.4
COMMITS_S = 0.5  # in which the last input is committed
LOST_S = 2.0  # of traffic, of which some is lost


class Faults:
    """Does to the system what a plan says. `input_held`: while the block lasts, no clicks come."""

    def __init__(
        self, system: System, *, folder: Path, input_held: Callable[[], AbstractAsyncContextManager[None]], say: Say
    ) -> None:
        self.done: Counter[Kind] = Counter()
        self._system = system
        self._valkey_folder = folder / VALKEY
        self._input_held = input_held
        self._say = say

    async def carry_out(self, plan: Iterable[Fault], *, seed: int) -> None:
        """All of it, each fault at its time; returns when the last one is over and everything runs again."""
        begin = time.monotonic()
        busy: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            for number, fault in enumerate(plan):
                await asyncio.sleep(begin + fault.at_s - time.monotonic())
                targets = targets_of((fault.kind, fault.target))
                for target in targets:
                    if target in busy:  # what was to be over by now takes longer on a slow machine
                        await asyncio.wait([busy[target]])
                self._say(str(fault))
                task = group.create_task(self._carry_out(fault, Random(f"{seed} {number}")))
                busy |= dict.fromkeys(targets, task)

    async def _carry_out(self, fault: Fault, random: Random) -> None:
        self.done[fault.kind] += 1
        if fault.kind is Kind.kill:
            await self._kill(fault)
        elif fault.kind is Kind.pause:
            await self._pause(fault)
        elif fault.kind is Kind.truncate:
            await self._truncate(fault, random)
        else:
            await self._disturb(fault, random)

    async def _kill(self, fault: Fault) -> None:
        if fault.target in STORES:
            await self._system.stores[fault.target].kill()
            await asyncio.sleep(fault.lasts_s)
            await self._system.stores[fault.target].start()
        else:
            self._system.kill(fault.target)
            await asyncio.sleep(fault.lasts_s)
            self._system.start(fault.target)

    async def _pause(self, fault: Fault) -> None:
        self._system.signal(fault.target, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            self._system.signal(fault.target, signal.SIGCONT)

    async def _disturb(self, fault: Fault, random: Random) -> None:
        link = self._system.links[fault.target]
        if fault.kind is Kind.cut:
            link.refuse()
        elif fault.kind is Kind.silence:
            link.silence()
        elif fault.kind is Kind.delay:
            link.delay_s = random.uniform(0.01, 0.3)
        end = time.monotonic() + fault.lasts_s
        while (left_s := end - time.monotonic()) > 0:
            if fault.kind is Kind.tear:
                moments: tuple[Moment, ...] = ("before", "amid", "after")
                link.cut("", random.choice(moments), times=1)
            await asyncio.sleep(min(left_s, TEAR_EVERY_S))
        link.mend()

    async def _truncate(self, fault: Fault, random: Random) -> None:
        """Valkey loses commits that no persister has seen, and no input.

        So the truth still holds: the sessionizers make the lost commits again from the same input. Had a persister
        seen them, Postgres might keep a session that is not made again.
        """
        seen = self._without_persisters()
        await asyncio.sleep(fault.lasts_s)
        async with self._input_held():
            await asyncio.sleep(COMMITS_S)
            await self._lose(random, least=lambda: max(seen, self._end_of_input()))
        self._with_persisters()

    async def lose_input(self, random: Random) -> None:
        """Valkey loses input too, which the truth cannot know. No persister has seen it: it is lost for everybody."""
        seen = self._without_persisters()
        await asyncio.sleep(LOST_S)
        await self._lose(random, least=lambda: seen, most=lambda: self._end_of_input() - 1)
        self._with_persisters()

    def _without_persisters(self) -> int:
        """Kill them; all that they can have seen is in the first so many bytes of the log."""
        for persister in PERSISTERS:
            self._system.kill(persister)
        return log_tail.size(self._valkey_folder)

    def _with_persisters(self) -> None:
        for persister in PERSISTERS:
            self._system.start(persister)

    async def _lose(
        self, random: Random, *, least: Callable[[], int], most: Callable[[], int | None] = lambda: None
    ) -> None:
        valkey = self._system.stores[VALKEY]
        await valkey.kill()
        lost = log_tail.cut_off(self._valkey_folder, random, least=least(), most=most())
        await valkey.start()
        self._say(f"the last {lost:,} bytes of Valkey's log are lost")

    def _end_of_input(self) -> int:
        settings = self._system.settings
        keys = Keys(settings.namespace)
        streams = [keys.clicks(number) for number in range(settings.partitions)]
        return log_tail.end_of_input(self._valkey_folder, [*streams, keys.rejected()])
