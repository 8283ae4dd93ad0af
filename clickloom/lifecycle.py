"""How a service starts and stops: logs, event loop, signals."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from clickloom.errors import ClickloomError
from clickloom.settings import Settings, load_settings

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop


def configure_logs(*, log_format: str, log_level: str, service: str) -> None:
    """Log events with fields to standard error, as JSON or for people."""
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)


def run_service(name: str, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` until it returns; SIGTERM and SIGINT set its stop event. Exits 1 on an error, with one line."""
    failed = False
    try:
        settings = load_settings()
        configure_logs(log_format=settings.log_format, log_level=settings.log_level, service=name)
        run_loop(_until_stopped(settings, serve))
    except* ClickloomError as group:  # of a task group, or alone
        structlog.get_logger().error("service.failed", reason=str(_first(group)))
        failed = True
    if failed:
        sys.exit(1)


def _first(group: BaseExceptionGroup[ClickloomError]) -> ClickloomError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _until_stopped(settings: Settings, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    structlog.get_logger().info("service.started")
    await serve(settings, stop)
    structlog.get_logger().info("service.stopped")
