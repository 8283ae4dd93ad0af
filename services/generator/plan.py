"""What is to be generated, and the parts that do it, each with a random source of its own. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random

from clickloom.click import DEFAULT_SITE
from clickloom.errors import InvalidSetting
from clickloom.settings import Settings
from clickloom.times import to_datetime
from clickloom.windows.spec import SessionWindow
from services.generator.arrivals import Arrivals, Disturbances, Model
from services.generator.original import Original
from services.generator.pace import Slots, day_curve, even, week_curve
from services.generator.shop import Habits, Shop
from services.generator.truth import Record, Run, TrueSession


class ModelName(StrEnum):
    original = "original"
    shop = "shop"


# Back-dated traffic's share of the live rate: six hours of it take seconds. The original's few users need a smaller
# one: now about every other click of one of them ends a visit by a gap of 30 minutes.
HISTORY_SHARE = {ModelName.shop: 0.1, ModelName.original: 0.01}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The same plan under the same settings and from the same start is the same traffic, byte for byte."""

    seed: int
    model: ModelName = ModelName.shop
    rate: float = 20.0  # events a second
    count: int = 0  # 0: without end
    history_us: int = 0
    site_id: str = DEFAULT_SITE
    habits: Habits = field(default_factory=Habits)
    disturbances: Disturbances = field(default_factory=Disturbances)

    def history_slots(self, begin_us: int) -> Slots:
        """Of back-dated traffic: a share of the rate, and busy as the day is."""
        rate = self.rate * HISTORY_SHARE[self.model]
        return Slots(self._random("history"), begin_us=begin_us, rate=rate, curve=day_curve)

    def past_slots(self, begin_us: int) -> Slots:
        """Of weeks gone by: as much as back-dated traffic, and busy as the day and the week are."""
        rate = self.rate * HISTORY_SHARE[self.model]
        return Slots(self._random("past"), begin_us=begin_us, rate=rate, curve=week_curve)

    def live_slots(self, begin_us: int) -> Slots:
        """Of traffic as it comes: the rate, at every hour."""
        return Slots(self._random("live"), begin_us=begin_us, rate=self.rate, curve=even)

    def file_slots(self, begin_us: int) -> Slots:
        """Of traffic into a file: the rate on average over a day."""
        return Slots(self._random("live"), begin_us=begin_us, rate=self.rate, curve=day_curve)

    def arrivals(self, settings: Settings, tell: Callable[[Record], None]) -> Arrivals:
        """tell: is told the truth. Raises InvalidSetting."""
        window = visits_of(settings)
        return Arrivals(
            self._model(window, tell if settings.sessions_of_bots else partial(_tell_of_people, tell)),
            disturbances=self.disturbances,
            rules=settings.rules(),
            reach_us=window.reach_us,
            site_id=self.site_id,
            random=self._random("arrivals"),
            tell=tell,
        )

    def _model(self, window: SessionWindow, tell: Callable[[Record], None]) -> Model:
        random = self._random("model")
        if self.model is ModelName.original:
            return Original(random)
        return Shop(random, habits=self.habits, window=window, tell=tell)

    def _random(self, part: str) -> Random:
        return Random(f"{self.seed} {part}")

    def run(self, settings: Settings, start_us: int) -> Run:
        """The first record of the truth."""
        window = visits_of(settings)
        return Run(
            model=self.model,
            seed=self.seed,
            rate=self.rate,
            start=to_datetime(start_us),
            site_id=self.site_id,
            window=window.name,
            gap_us=window.gap_us,
            out_of_orderness_us=settings.out_of_orderness_us,
            allowed_lateness_us=settings.allowed_lateness_us,
        )


def visits_of(settings: Settings) -> SessionWindow:
    """The window that visits are the sessions of: the first session window. Raises InvalidSetting if there is none."""
    for window in settings.parsed_windows():
        if isinstance(window, SessionWindow):
            return window
    raise InvalidSetting("WINDOWS has no session window that visits could be the sessions of: add session(gap=30m)")


def _tell_of_people(tell: Callable[[Record], None], session: TrueSession) -> None:
    if not session.bot:
        tell(session)
