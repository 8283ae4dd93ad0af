"""Window definitions as people write them: `visits = session(gap=30m); minutes = stagger(range=1m)`."""

import re
from dataclasses import dataclass, replace

from clickloom.errors import InvalidSetting
from clickloom.times import DAY_US, MINUTE_US, format_duration, parse_duration

DEFAULT_GAP_US = 30 * MINUTE_US
DEFAULT_MAX_DURATION_US = DAY_US
DEFAULT_RANGE_US = MINUTE_US

_DEFINITION = re.compile(r"(?:(?P<name>[a-z][a-z0-9_]{0,31})\s*=\s*)?(?P<kind>\w+)\s*(?:\((?P<arguments>[^()]*)\))?")


@dataclass(frozen=True, slots=True)
class SessionWindow:
    """Clicks no further apart than `gap_us` are one session, up to `max_duration_us`."""

    name: str
    gap_us: int = DEFAULT_GAP_US
    max_duration_us: int = DEFAULT_MAX_DURATION_US

    def __post_init__(self) -> None:
        if self.gap_us <= 0:
            raise InvalidSetting(f"window {self.name}: the gap must be greater than 0, as gap=30m")
        if self.max_duration_us < self.gap_us:
            raise InvalidSetting(
                f"window {self.name}: max_duration ({format_duration(self.max_duration_us)}) must not be"
                f" less than the gap ({format_duration(self.gap_us)})"
            )

    @property
    def reach_us(self) -> int:
        """How far from a click another of its session can be."""
        return self.gap_us

    def exclusive(self) -> "SessionWindow":
        """The window that a click at exactly the gap does not join, as Beam and Hazelcast cut. Times are whole µs."""
        return replace(self, gap_us=self.gap_us - 1)


@dataclass(frozen=True, slots=True)
class StaggerWindow:
    """Clicks of one minute are one row, emitted `range_us` after the first arrived."""

    name: str
    range_us: int = DEFAULT_RANGE_US

    def __post_init__(self) -> None:
        if self.range_us <= 0:
            raise InvalidSetting(f"window {self.name}: the range must be greater than 0, as range=1m")

    @property
    def reach_us(self) -> int:
        """How far from a click another of its row can be."""
        return MINUTE_US


Window = SessionWindow | StaggerWindow

_ARGUMENTS = {
    "session": {"gap": "gap_us", "max_duration": "max_duration_us"},
    "stagger": {"range": "range_us"},
}


def parse_window(text: str) -> Window:
    """One definition; the first argument may go without its name. Raises InvalidSetting."""
    match = _DEFINITION.fullmatch(text.strip())
    kind = match["kind"] if match else ""
    if match is None or kind not in _ARGUMENTS:
        known = "session(gap=30m, max_duration=24h) or stagger(range=1m)"
        raise InvalidSetting(f"{text.strip()!r} is no window: write {known}, with a name and = before it")
    name = match["name"] or kind
    durations = _durations(name, kind, match["arguments"] or "")
    return SessionWindow(name, **durations) if kind == "session" else StaggerWindow(name, **durations)


def _durations(name: str, kind: str, arguments: str) -> dict[str, int]:
    known = _ARGUMENTS[kind]
    durations: dict[str, int] = {}
    for position, argument in enumerate(filter(None, map(str.strip, arguments.split(",")))):
        label, equals, value = argument.partition("=")
        if not equals and position == 0:
            label, value = next(iter(known)), argument
        if label.strip() not in known:
            raise InvalidSetting(f"window {name}: {argument!r} is unknown; {kind} takes {', '.join(known)}")
        try:
            durations[known[label.strip()]] = parse_duration(value)
        except ValueError as error:
            raise InvalidSetting(f"window {name}: {error}") from error
    return durations


def parse_windows(text: str) -> tuple[Window, ...]:
    """Definitions between semicolons, each with a name of its own. Raises InvalidSetting."""
    windows = tuple(parse_window(part) for part in text.split(";") if part.strip())
    if not windows:
        raise InvalidSetting("no window is defined; write WINDOWS='visits = session(gap=30m)'")
    names = [window.name for window in windows]
    if len(set(names)) < len(names):
        raise InvalidSetting(f"two windows have one name: {', '.join(names)}")
    return windows
