"""What a subscriber asked to see, and how it is shown. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from clickloom.click import Details, device_type_of
from clickloom.keys import split_key
from clickloom.session import Session
from clickloom.shown import shown
from clickloom.times import iso
from clickloom.wire import RecordBatch, Revoked
from services.api.live.sources import Batches, Changelogs, Ticks

_json = msgspec.json.encode
_UNTOLD = ("properties", "client_address")  # as large as the rest together; as private as nothing else


@dataclass(frozen=True, slots=True)
class MetricsView:
    event = "metrics"

    window: str
    site_id: str | None
    whole: bool  # no parts of seconds

    def show(self, content: Ticks) -> bytes | None:
        tick = content[self.window]
        if tick.complete or (not self.whole and tick.told(self.site_id)):
            return _json(tick.shown(self.site_id))
        return None


@dataclass(frozen=True, slots=True)
class ClicksView:
    """None: any."""

    event = "clicks"

    site_id: str | None
    user_id: str | None
    device_type: str | None
    client_event: str | None
    is_bot: bool | None

    def show(self, content: Batches) -> bytes | None:
        found = [click for batch in content for click in self._of(batch)]
        return _json(found) if found else None

    def _of(self, batch: RecordBatch) -> Iterator[dict[str, Any]]:
        if self.client_event is not None and self.client_event not in batch.names:
            return
        details, bots, arrived = dict(batch.details), set(batch.bots), iso(batch.arrival_us)
        columns = zip(batch.keys, batch.code_column.tolist(), batch.time_column.tolist(), batch.event_ids, strict=True)
        for row, (key, code, time_us, event_id) in enumerate(columns):
            site_id, user_id, device_id = split_key(key)
            more = details.get(row)
            device_type, name, is_bot = device_type_of(device_id, more), batch.names[code], row in bots
            if self._wants(site_id, user_id, device_type, name, is_bot):
                yield {
                    "event_id": event_id,
                    "site_id": site_id,
                    "user_id": user_id,
                    "device_id": device_id,
                    "device_type": device_type,
                    "client_event": name,
                    "client_timestamp": iso(time_us),
                    "received_at": arrived,
                    "is_bot": is_bot,
                    **(_told(more) if more is not None else {}),
                }

    def _wants(self, site_id: str, user_id: str, device_type: str, name: str, is_bot: bool) -> bool:
        return (
            self.site_id in (None, site_id)
            and self.user_id in (None, user_id)
            and self.device_type in (None, device_type)
            and self.client_event in (None, name)
            and self.is_bot in (None, is_bot)
        )


def _told(details: Details) -> dict[str, Any]:
    """As `POST /v1/events` takes it, only what there is."""
    told: dict[str, Any] = msgspec.to_builtins(details)
    told.pop("device_type", None)
    for name in _UNTOLD:
        told.pop(name, None)
    return told


@dataclass(frozen=True, slots=True)
class SessionsView:
    """None: any."""

    event = "sessions"

    window: str
    site_id: str | None
    user_id: str | None
    device_id: str | None
    device_type: str | None
    client_event: str | None  # on the path
    converted: bool | None
    bounced: bool | None
    at_most: int | None = None  # rows in an event

    def show(self, content: Changelogs) -> bytes | None:
        """What has changed from the begin of it to the end, of several commits too."""
        minus, plus = _net(content)
        revoked = [self._revoked(row) for row in minus if self.site_id in (None, row.site_id)]
        wanted = [row for row in plus if self._wants(row)]
        rows = wanted if self.at_most is None else _newest(wanted, self.at_most)
        if not revoked and not rows:
            return None
        left_out = {} if self.at_most is None else {"left_out": len(wanted) - len(rows)}
        return _json({"revoked": revoked, "sessions": [shown(self.window, row) for row in rows], **left_out})

    def _wants(self, row: Session) -> bool:
        wanted: Iterable[str] = ("site_id", "user_id", "device_id", "device_type", "converted", "bounced")
        return all(getattr(self, name) in (None, getattr(row, name)) for name in wanted) and (
            self.client_event is None or self.client_event in row.path
        )

    def _revoked(self, row: Revoked) -> dict[str, Any]:
        return {"session_uid": str(row.session_uid), "version": row.version, "begin_session": iso(row.begin_us)}


def _newest(rows: list[Session], at_most: int) -> list[Session]:
    """The last ones, but revised ones before others: who has been shown the old row waits for the new one."""
    revised_last = sorted(rows, key=lambda row: row.version > 1)
    return revised_last[-at_most:]


def _net(content: Changelogs) -> tuple[list[Revoked], list[Session]]:
    """Rows that one commit shows and the next takes back are in neither."""
    minus: list[Revoked] = []
    plus: dict[bytes, Session] = {}
    for changelog in content:
        minus += [row for row in changelog.minus if plus.pop(row.uid, None) is None]
        plus.update((row.uid, row) for row in changelog.plus)
    return minus, list(plus.values())
