"""How events arrive: some out of order, some late, some twice, some spoilt. Pure: random source and time are arguments.

One line comes of every slot, so each kind of disturbance has its share of all lines. What arrives at a moment A has an
event time of at most A, and so have all lines before it: no watermark, over all partitions or of one, whether moved on
by clicks or by the clock while nothing comes, is beyond A − out-of-orderness. Hence

- a click delayed by no more than out-of-orderness + allowed lateness is accepted;
- a click whose event time is more than reach + allowed lateness before the watermark that one earlier arrival of the
  same visitor, and so of the same partition, has set by itself, is refused.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Protocol

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.times import MINUTE_US, SECOND_US, format_duration, iso, to_datetime
from clickloom.windows.rules import Rules
from services.generator.malformed import spoil
from services.generator.truth import End, TrueLate

Line = Click | bytes  # a click in the client's form, or a text that is none

_RECENT = 64  # arrived clicks, of which some come again and some are followed by a late one
_AGAIN_WITHIN_US = 10 * SECOND_US
LATE_BEYOND_US = 60 * MINUTE_US  # how much more than needed a late click is late, at the most


class Model(Protocol):
    """Makes the events."""

    def click(self, time_us: int) -> Click:
        """The click at this moment; moments grow from call to call."""

    def finish(self) -> None:
        """There will be no more clicks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbances:
    """Shares of all lines, from 0 to 1."""

    disorder: float = 0.0
    disorder_within_us: int = 10 * SECOND_US
    late: float = 0.0
    duplicates: float = 0.0
    malformed: float = 0.0

    def __post_init__(self) -> None:
        for name in ("disorder", "late", "duplicates", "malformed"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidSetting(f"{name}: must be from 0 to 1")
        if self.late + self.duplicates + self.malformed > 1:
            raise InvalidSetting("late, duplicates and malformed: must not be more than 1 together")

    def check(self, rules: Rules) -> None:
        """Raises InvalidSetting if clicks out of order could come too late: the true sessions would not be known."""
        bound_us = rules.out_of_orderness_us + rules.allowed_lateness_us
        if self.disorder and not 0 < self.disorder_within_us <= bound_us:
            raise InvalidSetting(
                f"disorder-within: must be above 0 and at most OUT_OF_ORDERNESS + ALLOWED_LATENESS,"
                f" {format_duration(bound_us)}; for clicks that come later use --late"
            )


class Arrivals:
    """Slots in, lines out in the order in which they arrive."""

    def __init__(
        self,
        model: Model,
        *,
        disturbances: Disturbances,
        rules: Rules,
        reach_us: int,
        site_id: str,
        random: Random,
        tell: Callable[[TrueLate], None],
    ) -> None:
        """reach_us: of the window for which clicks must be late or in time. tell: is told every late click."""
        disturbances.check(rules)
        self._model = model
        self._late = disturbances.late
        self._again = self._late + disturbances.duplicates
        self._spoilt = self._again + disturbances.malformed
        self._disorder = disturbances.disorder
        self._within_us = disturbances.disorder_within_us
        self._horizon_us = rules.out_of_orderness_us + rules.allowed_lateness_us + reach_us
        self._bots = rules.bots
        self.site_id = site_id
        self._random = random
        self._tell = tell
        self._under_way: list[tuple[int, int, int, Click]] = []  # (arrival, line, event time, click)
        self._recent: deque[tuple[int, Click]] = deque(maxlen=_RECENT)  # (event time, click) of people's arrived clicks
        self._arrived: list[Line] = []
        self.end = End()

    def add(self, time_us: int) -> None:
        """One line more, at this moment; moments must grow."""
        self._move(time_us)
        self.end.lines += 1
        draw = self._random.random()
        if draw >= self._spoilt or not self._disturb(draw, time_us):
            self._send(self._click(time_us), time_us)

    def take(self, now_us: int) -> list[Line]:
        """What has arrived since the last call, up to now; slots up to now must have been added."""
        self._move(now_us)
        arrived, self._arrived = self._arrived, []
        return arrived

    def finish(self) -> list[Line]:
        """The clicks that are still under way, at once; there are no more."""
        self._model.finish()
        return self.take(2**62)

    def _move(self, now_us: int) -> None:
        while self._under_way and self._under_way[0][0] <= now_us:
            _, _, time_us, click = heappop(self._under_way)
            self._arrive(time_us, click)

    def _arrive(self, time_us: int, click: Click) -> None:
        self._arrived.append(click)
        if not click.is_bot:
            self._recent.append((time_us, click))

    def _click(self, time_us: int) -> Click:
        click = self._model.click(time_us)
        click.site_id = self.site_id
        return click

    def _send(self, click: Click, time_us: int) -> None:
        if click.is_bot and not self._bots:
            self.end.bots += 1
        else:
            self.end.clicks += 1
        if self._disorder and self._random.random() < self._disorder:
            arrival_us = time_us + 1 + int(self._random.random() * (self._within_us - 1))
            heappush(self._under_way, (arrival_us, self.end.lines, time_us, click))
        else:
            self._arrive(time_us, click)

    def _disturb(self, draw: float, time_us: int) -> bool:
        """Whether the line is another than a new click; of late ones and repeats there are none before the first."""
        if draw >= self._again:
            self.end.malformed += 1
            self._arrived.append(spoil(self._stranger(time_us), self._random))
            return True
        if not self._recent:
            return False
        shown_us, click = self._recent[int(self._random.random() * len(self._recent))]
        if draw < self._late:
            self._arrived.append(self._late_click(shown_us, click))
            return True
        if time_us - shown_us > min(_AGAIN_WITHIN_US, self._horizon_us):
            return False
        self.end.duplicates += 1
        self._arrived.append(click)
        return True

    def _late_click(self, shown_us: int, click: Click) -> Click:
        """One of the visitor of an arrived click, too late even for the watermark that this one alone has set."""
        self.end.late += 1
        time_us = shown_us - self._horizon_us - 1 - int(self._random.random() * LATE_BEYOND_US)
        late = Click(
            user_id=click.user_id,
            device_id=click.device_id,
            client_event=click.client_event,
            client_timestamp=iso(time_us),
            event_id=f"{self._random.getrandbits(64):016x}",
            site_id=self.site_id,
        )
        self._tell(
            TrueLate(
                event_id=late.event_id or "",
                user_id=str(click.user_id),
                device_id=click.device_id,
                client_event=click.client_event,
                client_timestamp=to_datetime(time_us),
            )
        )
        return late

    def _stranger(self, time_us: int) -> Click:
        """A good click of nobody else's, to be spoilt."""
        return Click(
            user_id=0,
            device_id="computer",
            client_event="beer_vitrine_nav",
            client_timestamp=iso(time_us),
            event_id=f"{self._random.getrandbits(64):016x}",
            site_id=self.site_id,
        )
