"""The window core alone: record batches decoded and cut into sessions, and what duplicates and paths cost of it."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from unittest.mock import patch

from bench.measure import Figure, rates
from bench.pathless import PathlessCut
from bench.workload import Workload
from clickloom.session import Session
from clickloom.windows import partition as partitions
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.rules import Rules
from clickloom.windows.seen import SeenIds
from clickloom.windows.spec import SessionWindow
from clickloom.wire import decode_batch

AT_ONCE = 16  # batches that a read gives a busy sessionizer
UNTIL_COMMIT = 128  # batches, 64,000 clicks


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second on one core, the sessions checked against the workload's answer."""
    batches = workload.batches()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as the sessionizer has it
    unit = f"clicks/s, workload {workload.name}"
    _check(batches, workload)
    with ExitStack() as without:
        figures = [Figure("window core", unit, rates(lambda: _cut(batches), runs=runs))]
        without.enter_context(patch.object(SeenIds, "first_seen", lambda *_: None))
        figures.append(Figure("… without duplicates", unit, rates(lambda: _cut(batches), runs=runs)))
        without.enter_context(patch.object(partitions, "SessionCut", PathlessCut))
        figures.append(Figure("… nor paths", unit, rates(lambda: _cut(batches), runs=runs)))
    return figures


def _cut(batches: list[bytes]) -> int:
    """The clicks that went in."""
    return sum(changes.metrics.clicks for changes in _commits(batches))


def _check(batches: list[bytes], workload: Workload) -> None:
    standing: dict[bytes, Session] = {}
    for changes in _commits(batches):
        for minus in changes.changelog.minus:
            del standing[minus.uid]
        standing.update((plus.uid, plus) for plus in changes.changelog.plus)
    durations_us = sum(row.end_us - row.begin_us for row in standing.values())
    found = (len(standing), sum(row.events for row in standing.values()), durations_us)
    if found != (workload.sessions, workload.clicks, workload.durations_us):
        raise AssertionError(f"workload {workload.name}: sessions, clicks, durations are {found}")


def _commits(batches: list[bytes]) -> Iterator[Changes]:
    partition = Partition(SessionWindow("visits"), Rules())
    for number in range(0, len(batches), AT_ONCE):
        partition.apply(*map(decode_batch, batches[number : number + AT_ONCE]))
        if number % UNTIL_COMMIT == UNTIL_COMMIT - AT_ONCE:
            yield partition.take_changes(0)
    partition.finish()
    yield partition.take_changes(0)
