"""A shop's visits, and what their true sessions are. Pure: the random source and the time are arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from random import Random

from clickloom.click import Click
from clickloom.errors import InvalidSetting
from clickloom.times import MINUTE_US, SECOND_US, iso, to_datetime
from clickloom.windows.spec import SessionWindow
from services.generator.truth import TrueSession
from services.generator.visitors import Visitor, Visitors
from services.generator.walk import (
    BROWSING,
    BUYING,
    CHECKOUT,
    ENTRY,
    LANDINGS,
    LEAVE,
    SOURCES,
    VITRINE,
    page_url,
    reading_us,
)

EXPERIMENT = "checkout"
LANDING = "landing"  # an experiment that makes no difference
CURRENCY = "EUR"

_PAUSES = 0.02  # of all clicks: followed by a pause of up to a gap
_RETURNS = 0.03  # of all visits: the visitor comes back soon after a gap has passed
_RETURN_WITHIN_US = 2 * MINUTE_US
_BUYS_AGAIN = 0.05  # of the buyers that stay after an order

_BOT_CLICKS = 120
_BOT_INTERVAL_US = SECOND_US
_BOT_AGENT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the shop's visitors are like; shares are from 0 to 1."""

    users: int = 100_000  # who come back
    bounces: float = 0.3  # of the visits that do not buy: leave after the first page
    conversion: float = 0.05  # of the visits: buy, on side A of the experiment
    effect: float = 0.2  # how much more of them do on side B: 0.2 is a fifth more
    bots: float = 0.0  # of the clicks

    def __post_init__(self) -> None:
        for name in ("bounces", "conversion", "bots"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidSetting(f"{name}: must be from 0 to 1")
        if self.users < 1:
            raise InvalidSetting("users: must be at least 1")
        if not 0 <= self.conversion * (1 + self.effect) <= 1:
            raise InvalidSetting("effect: conversion × (1 + effect) must be from 0 to 1")


@dataclass(slots=True)
class _Visit:
    """A visit that goes on; `page` is what it shows next."""

    visitor: Visitor
    page: str
    buys: bool = False
    bot: bool = False
    events: int = 0
    begin_us: int = 0
    last_us: int = 0
    first: str = ""
    last: str = ""
    orders: int = 0
    cents: int = 0


class Shop:
    """Every call makes the click that is due: the next one of a visit that goes on, else the first of a new visit.

    So clicks come at exactly the rate they are asked for. Within a visit no two are further apart than the gap, and
    between two visits of one visitor lies more than it: visits are the sessions. What is held are the visits that go
    on and, for one gap, the visitors that have left.
    """

    def __init__(
        self, random: Random, *, habits: Habits, window: SessionWindow, tell: Callable[[TrueSession], None]
    ) -> None:
        """tell: is told every true session as it ends."""
        self._random = random
        self._habits = habits
        self._gap_us = window.gap_us
        self._max_us = window.max_duration_us
        self._tell = tell
        self._visitors = Visitors(random, habits.users)
        self._due: list[tuple[int, int, _Visit]] = []
        self._planned = 0
        self._clicks = 0
        self._bot_clicks = 0
        self._orders = 0

    def click(self, time_us: int) -> Click:
        """The click at this moment, in the client's form. Moments must grow from call to call."""
        self._clicks += 1
        while self._due and self._due[0][0] <= time_us:
            visit = heappop(self._due)[2]
            if not visit.events or self._still_there(visit, time_us):
                return self._show(visit, time_us)
            self._end(visit)
        return self._show(self._new_visit(time_us), time_us)

    def finish(self) -> None:
        """No more clicks: the visits that go on have ended with their last one."""
        while self._due:
            visit = heappop(self._due)[2]
            if visit.events:
                self._tell(_true_session(visit))

    def _still_there(self, visit: _Visit, time_us: int) -> bool:
        """At low rates a click's turn may come too late for its visit: then the visitor has left."""
        return time_us - visit.last_us <= self._gap_us and time_us - visit.begin_us <= self._max_us

    def _new_visit(self, time_us: int) -> _Visit:
        if self._bot_clicks < self._habits.bots * (self._clicks - 1):
            return _Visit(self._visitors.newcomer(), ENTRY.draw(self._random), bot=True)
        return self._visit_of(self._visitors.draw(time_us))

    def _visit_of(self, visitor: Visitor) -> _Visit:
        uplift = 1 + self._habits.effect * (self._visitors.variant(visitor[0]) == "B")
        buys = self._random.random() < self._habits.conversion * uplift
        return _Visit(visitor, ENTRY.draw(self._random), buys)

    def _show(self, visit: _Visit, time_us: int) -> Click:
        """The visit's next page."""
        user, device = visit.visitor
        page = visit.page
        click = Click(
            user_id=user,
            device_id=device,
            client_event=page,
            client_timestamp=iso(time_us),
            event_id=f"{self._random.getrandbits(64):016x}",
            page_url=page_url(self._random, page),
        )
        if visit.bot:
            self._bot_clicks += 1
            click.is_bot, click.user_agent = True, _BOT_AGENT
        elif not visit.events:
            self._arrive(click, user)
        if page == CHECKOUT:
            self._order(visit, click)
        if not visit.events:
            visit.begin_us, visit.first = time_us, page
        visit.events += 1
        visit.last_us, visit.last = time_us, page
        self._go_on(visit)
        return click

    def _arrive(self, click: Click, user: int) -> None:
        """What only the first click of a visit tells."""
        source = SOURCES.draw(self._random)
        click.referrer = source.referrer
        click.utm_source = source.utm_source
        click.utm_medium = source.utm_medium
        click.utm_campaign = source.utm_campaign
        landing = self._visitors.variant(user, LANDING)
        click.experiments = {EXPERIMENT: self._visitors.variant(user), LANDING: landing}
        if click.client_event == VITRINE:
            click.page_url = LANDINGS[landing]

    def _order(self, visit: _Visit, click: Click) -> None:
        self._orders += 1
        cents = 250 + int(self._random.expovariate(1 / 3_500))
        click.order_id = f"o-{self._random.getrandbits(32):08x}-{self._orders}"
        click.revenue = Decimal(cents).scaleb(-2)
        click.currency = CURRENCY
        visit.orders += 1
        visit.cents += cents
        visit.buys = self._random.random() < _BUYS_AGAIN

    def _go_on(self, visit: _Visit) -> None:
        """Choose the next page and its time, or leave."""
        wait_us = self._wait_us(visit)
        visit.page = self._next_page(visit)
        if visit.page == LEAVE:
            self._end(visit)
        else:
            self._plan(visit, visit.last_us + wait_us)

    def _plan(self, visit: _Visit, due_us: int) -> None:
        self._planned += 1
        heappush(self._due, (due_us, self._planned, visit))

    def _next_page(self, visit: _Visit) -> str:
        random = self._random
        if visit.bot:
            return ENTRY.draw(random) if visit.events < _BOT_CLICKS else LEAVE
        if visit.buys:
            return BUYING[visit.page].draw(random)
        if visit.events == 1 and random.random() < self._habits.bounces:
            return LEAVE
        return BROWSING[visit.page].draw(random)

    def _wait_us(self, visit: _Visit) -> int:
        if visit.bot:
            return min(_BOT_INTERVAL_US, self._gap_us)
        if self._random.random() < _PAUSES:
            return int(self._random.random() * self._gap_us)
        return min(reading_us(self._random, visit.page), self._gap_us)

    def _end(self, visit: _Visit) -> None:
        self._tell(_true_session(visit))
        free_after_us = visit.last_us + self._gap_us
        if self._random.random() < _RETURNS:
            back_us = free_after_us + 1 + int(self._random.random() * _RETURN_WITHIN_US)
            self._plan(self._visit_of(visit.visitor), back_us)
        else:
            self._visitors.leave(visit.visitor, free_after_us)


def _true_session(visit: _Visit) -> TrueSession:
    user, device = visit.visitor
    return TrueSession(
        user_id=str(user),
        device_id=device,
        begin_session=to_datetime(visit.begin_us),
        end_session=to_datetime(visit.last_us),
        events=visit.events,
        begin_navigation=visit.first,
        end_navigation=visit.last,
        converted=visit.orders > 0,
        orders=visit.orders,
        revenue=Decimal(visit.cents).scaleb(-2),
        bot=visit.bot,
    )
