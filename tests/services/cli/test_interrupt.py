"""A signal is remembered, and acts where it can do no harm."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from services.cli.interrupt import SIGNALS, Interrupt


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt = Interrupt()
    interrupt.install()
    yield interrupt
    for signum, handler in before.items():
        signal.signal(signum, handler)


def send(signum: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), signum)


def test_a_signal_is_raised_by_the_next_check(interrupt: Interrupt) -> None:
    interrupt.check()
    send()
    with pytest.raises(KeyboardInterrupt):
        interrupt.check()


def test_a_signal_is_raised_at_once_where_no_check_can_be_made(interrupt: Interrupt) -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.raising():
        send()


def test_a_block_that_begins_after_the_signal_is_not_entered(interrupt: Interrupt) -> None:
    send()
    with pytest.raises(KeyboardInterrupt), interrupt.raising():
        pytest.fail("it went in")


async def test_a_signal_sets_the_event_and_more_change_nothing(interrupt: Interrupt) -> None:
    with interrupt.event() as stop:
        send()
        send(signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 60)


def test_a_signal_after_the_loop_has_ended_breaks_nothing(interrupt: Interrupt) -> None:
    async def nothing() -> None:
        with interrupt.event():
            pass

    with asyncio.Runner() as runner:
        runner.run(nothing())
    send()
    assert interrupt.requested


def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(interrupt: Interrupt) -> None:
    send(signal.SIGHUP)
    assert not interrupt.requested
