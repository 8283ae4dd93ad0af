"""Live streams as a client sees them."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from httpx import AsyncClient, AsyncHTTPTransport, HTTPError


class Event(NamedTuple):
    """A server-sent event; of a comment the name is empty."""

    name: str
    data: Any
    id: int | None


async def events(api: AsyncClient, path: str, *, after: int | None = None, **asked: Any) -> AsyncIterator[Event]:
    """Of one connection, until it ends; comments too."""
    headers = {} if after is None else {"last-event-id": str(after)}
    async with api.stream("GET", path, params=asked, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            else:
                yield _event(fields)
                fields = {}


def _event(fields: dict[str, str]) -> Event:
    data = json.loads(fields["data"]) if "data" in fields else None
    return Event(fields.get("event", ""), data, int(fields["id"]) if "id" in fields else None)


class Listener:
    """As an EventSource does: goes on elsewhere when a connection ends, after the last event that it was given."""

    def __init__(self, path: str, **asked: Any) -> None:
        self.path = path
        self.events: list[Event] = []
        self._asked = asked
        self._after: int | None = None

    async def listen(self, urls: Iterable[str]) -> None:
        """From one process after another."""
        for url in urls:
            async with AsyncClient(base_url=url, timeout=60, transport=AsyncHTTPTransport()) as api:
                try:
                    async for event in events(api, self.path, after=self._after, **self._asked):
                        self._after = self._after if event.id is None else event.id
                        self.events.append(event)
                except HTTPError:
                    continue

    @property
    def begun(self) -> bool:
        return bool(self.events)

    def named(self, name: str) -> list[Any]:
        """The data of all events of that name."""
        return [event.data for event in self.events if event.name == name]
