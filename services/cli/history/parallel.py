"""Buckets loaded by processes side by side: cutting clicks into sessions takes a core."""

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.synchronize import Event

from clickloom.errors import ServerUnavailable
from services.cli.history.loading import Job, Loaded, Loader

# Of each portion the rollups move once, and at the end rows are locked that all share; a kill loses what is under way.
MOST_AT_ONCE = 32

_loader: Loader  # of a process that loads
_stop: Event


@contextlib.contextmanager
def loading(job: Job, buckets: Sequence[int], processes: int) -> Iterator[Iterator[Loaded]]:
    """What became of some buckets, as they are done. However the block ends, what is at work finishes its bucket.

    One process is this one: what is at work ends with the block, and leaves nothing.
    Raises what loading raises, and ServerUnavailable if one of the processes is killed.
    """
    portions = _portions(buckets, processes)
    if processes == 1:
        yield map(Loader(job).load, portions)
        return
    # Not forked: the engine's threads would not live on in the child.
    spawned = multiprocessing.get_context("spawn")
    stop = spawned.Event()
    pool = ProcessPoolExecutor(processes, mp_context=spawned, initializer=_prepare, initargs=(job, stop))
    try:
        yield (future.result() for future in _completed(pool, portions, 2 * processes))
    except BrokenProcessPool as error:
        raise ServerUnavailable("a process of the import was killed, for want of memory? run it again") from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _portions(buckets: Sequence[int], processes: int) -> list[Sequence[int]]:
    """Those of one transaction each: even ones, so that all processes end at about the same time."""
    count = -(-len(buckets) // (MOST_AT_ONCE * processes)) * processes
    size = -(-len(buckets) // max(count, 1))
    return [buckets[first : first + size] for first in range(0, len(buckets), size)]


def _completed(pool: ProcessPoolExecutor, portions: Sequence[Sequence[int]], at_once: int) -> Iterator[Future[Loaded]]:
    """No more are handed out than keep all busy."""
    waiting: set[Future[Loaded]] = set()
    for portion in portions:
        if len(waiting) >= at_once:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from done
        waiting.add(pool.submit(_load, portion))
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from done


def _prepare(job: Job, stop: Event) -> None:
    """In a process that loads. Ctrl-C is for the one that started it; when that is killed it must not stay behind."""
    global _loader, _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _loader, _stop = Loader(job), stop
    gc.freeze()
    gc.disable()


def _load(buckets: Sequence[int]) -> Loaded:
    loaded = _loader.load(buckets, _stop.is_set)
    gc.collect()  # only here: looking through a bucket's clicks and sessions finds nothing, again and again
    return loaded


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)
