"""The window that a question is about, and up to when its sessions are complete."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from clickloom.tables import stream_cursors
from services.api.problems import wrong_parameter
from services.api.resources import Resources


def check_window(resources: Resources, window: str) -> None:
    """Raises Problem if the window is not defined."""
    if window not in resources.windows:
        raise wrong_parameter("window", f"{window!r} is not defined; one of {', '.join(resources.windows)}")


async def read_as_of(connection: AsyncConnection, resources: Resources, window: str) -> datetime | None:
    """The watermark: sessions that could have closed by then are in Postgres. None before the first."""
    prefix = resources.keys.sessions(window, 0).removesuffix("{0}")
    of_window = stream_cursors.c.stream.startswith(prefix, autoescape=True)
    found: datetime | None = await connection.scalar(select(func.min(stream_cursors.c.watermark)).where(of_window))
    return None if found is None else found.astimezone(UTC)
