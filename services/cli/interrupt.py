"""One request to stop, from Ctrl-C, SIGTERM or a closed terminal."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Remembers that a signal came; further ones change nothing, so that stopping is never cut short.

    It is not raised as an exception wherever it comes: in the middle of a fork, Python would swallow that.
    """

    def __init__(self) -> None:
        self.requested = False
        self._act: Callable[[], object] = _nothing

    def install(self) -> None:
        """Take over the signals, but for those that the process was started to ignore, as by `nohup`."""
        for signum in SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._on_signal)

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal has come. For the turns of a loop that waits."""
        if self.requested:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """In this block, which waits where no check can be made, a signal raises KeyboardInterrupt at once."""
        self._act = self.check
        try:
            self.check()
            yield
        finally:
            self._act = _nothing

    @contextlib.contextmanager
    def event(self) -> Iterator[asyncio.Event]:
        """In this block a signal sets the event, which is of the running loop."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        self._act = lambda: loop.call_soon_threadsafe(event.set)
        if self.requested:
            event.set()
        try:
            yield event
        finally:
            self._act = _nothing

    def _on_signal(self, _signum: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = True
            self._act()


def _nothing() -> None:
    pass
