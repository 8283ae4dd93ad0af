"""How a service starts and stops: event loop, signals, and the one line that says why it could not go on."""

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from clickloom.errors import ClickloomError, ServerUnavailable
from clickloom.logs import configure_logs
from clickloom.settings import Settings, load_settings

if sys.platform == "win32":
    from asyncio import run as run_loop
else:
    from uvloop import run as run_loop


UNREAD_MS = 60_000  # a client that takes nothing of what it is sent for so long is disconnected


def run_service(name: str, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` until it returns; SIGTERM and SIGINT set its stop event. Exits 1 on an error, with one line."""
    failures: list[Exception] = []
    try:
        settings = load_settings()
        configure_logs(log_format=settings.log_format, log_level=settings.log_level, service=name)
        run_loop(_until_stopped(settings, serve))
    except* Exception as group:  # a process's outermost edge; of a task group, or alone
        failures += _leaves(group)
    if failures:
        expected = isinstance(failures[0], ClickloomError | RedisError | OSError)
        structlog.get_logger().error(
            "service.failed", reason=_one_line(failures[0]), exc_info=None if expected else failures[0]
        )
        sys.exit(1)


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    found = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def listen(host: str, port: int, *, setting: str = "PORT") -> socket.socket:
    """A socket bound to the address, for a server to listen on. Raises ServerUnavailable if the port is taken.

    setting: the port's, for the remedy.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections have it from their listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        remedy = f"stop what does, or set {setting}" if error.errno == errno.EADDRINUSE else f"set HOST or {setting}"
        raise ServerUnavailable(f"{host}:{port} cannot be listened on ({error.strerror}): {remedy}") from error
    return listener


async def _until_stopped(settings: Settings, serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    structlog.get_logger().info("service.started")
    await serve(settings, stop)
    structlog.get_logger().info("service.stopped")
