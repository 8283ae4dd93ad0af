"""The archiver beside the event loop: a place that is slow must not hold up what goes into Postgres."""

import asyncio
import contextlib
import threading
from typing import Any

from clickloom.lake.places import place_of
from clickloom.settings import Settings
from services.persister.archiver import Archiver

STOP_WITHIN_S = 3.0  # then it is left: it may be killed at any time


async def keep_archive(settings: Settings, stop: asyncio.Event) -> None:
    """Keep the archive until told to stop; nothing if there is to be none. Raises InvalidSetting, ServerUnavailable."""
    if not settings.archive_url:
        return
    archiver = Archiver(
        settings.database_url,
        place_of(settings.archive_url),
        seconds=settings.archive_seconds,
        rows=settings.archive_rows,
    )
    ended = _in_thread(archiver)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        watched: set[asyncio.Future[Any]] = {stopping, ended}
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        archiver.stop()
    await asyncio.wait([ended], timeout=STOP_WITHIN_S)
    if ended.done():
        ended.result()


def _in_thread(archiver: Archiver) -> "asyncio.Future[None]":
    """Not one of the loop's own threads: for those the process would wait when it ends."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        failure: BaseException | None = None
        try:
            archiver.run()
        except BaseException as error:  # the thread's outermost edge: it is the loop's to handle
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has not waited
            loop.call_soon_threadsafe(tell, failure)

    threading.Thread(target=run, name="archive", daemon=True).start()
    return ended
