"""The ledger's sums, held against each other. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.api.recount import Recount

SumName = Literal["rejected", "clicks", "window", "late", "sessions"]
Row = Mapping[Any, Any]

MEANINGS: dict[SumName, str] = {
    "rejected": "events rejected, and rows in rejected_events",
    "clicks": "received − rejected, and rows in clicks",
    "window": "clicks that the window has read, and rows in clicks up to there",
    "late": "clicks that the window found late, and rows in late_clicks",
    "sessions": "clicks in sessions from the beginning, and events of the sessions closed and open",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Two numbers that should be one: what the ledger was told, and what was counted anew."""

    sum: SumName
    site_id: str
    minute: datetime | None  # None: from the beginning
    window: str | None
    told: int
    found: int


def differences(recount: Recount) -> Iterator[Difference]:
    """What does not balance, of all that must."""
    yield from _unequal(_of_minutes(recount.minutes))
    yield from _unequal(_of_windows(recount.windows))
    yield from _unequal(_of_sessions(row for row in recount.standing if recount.in_step[row["window"]]))


def _unequal(sums: Iterable[Difference]) -> Iterator[Difference]:
    return (one for one in sums if one.told != one.found)


def _of_minutes(rows: Iterable[Row]) -> Iterator[Difference]:
    for row in rows:
        place = (row["site_id"], row["minute"], None)
        yield Difference("rejected", *place, row["rejected"], row["rejected_rows"])
        yield Difference("clicks", *place, row["received"] - row["rejected"], row["click_rows"])


def _of_windows(rows: Iterable[Row]) -> Iterator[Difference]:
    for row in rows:
        place = (row["site_id"], row["minute"], row["window"])
        yield Difference("window", *place, row["clicks"], row["click_rows"])
        yield Difference("late", *place, row["late"], row["late_rows"])


def _of_sessions(rows: Iterable[Row]) -> Iterator[Difference]:
    for row in rows:
        found = row["closed_events"] + row["open_events"]
        yield Difference("sessions", row["site_id"], None, row["window"], row["in_sessions"], found)


def total(rows: Iterable[Row], *names: str) -> dict[str, int]:
    """The sums of these columns."""
    sums = dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            sums[name] += row[name]
    return sums


def by_window(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["window"]].append(row)
    return found
