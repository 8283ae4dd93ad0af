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

from clickloom.errors import ServerUnavailable
from services.cli.history.loading import Job, Loaded, Loader

_loader: Loader  # of a process that loads


@contextlib.contextmanager
def loading(job: Job, buckets: Sequence[int], processes: int) -> Iterator[Iterator[Loaded]]:
    """What became of each bucket, as they are done. However the block ends, what is at work finishes its bucket.

    One process is this one: its bucket ends with the block, and leaves nothing.
    Raises what loading raises, and ServerUnavailable if one of the processes is killed.
    """
    if processes == 1:
        yield map(Loader(job).load, buckets)
        return
    # Not forked: the engine's threads would not live on in the child.
    spawned = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=spawned, initializer=_prepare, initargs=(job,))
    try:
        yield (future.result() for future in _completed(pool, buckets, 2 * processes))
    except BrokenProcessPool as error:
        raise ServerUnavailable("a process of the import was killed, for want of memory? run it again") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _completed(pool: ProcessPoolExecutor, buckets: Sequence[int], at_once: int) -> Iterator[Future[Loaded]]:
    """No more are handed out than keep all busy."""
    waiting: set[Future[Loaded]] = set()
    for bucket in buckets:
        if len(waiting) >= at_once:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from done
        waiting.add(pool.submit(_load, bucket))
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from done


def _prepare(job: Job) -> None:
    """In a process that loads. Ctrl-C is for the one that started it; when that is killed it must not stay behind."""
    global _loader
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _loader = Loader(job)
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as the sessionizer has it


def _load(bucket: int) -> Loaded:
    return _loader.load(bucket)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def processes_of_machine() -> int:
    """How many can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
