"""How much one sender may send. Pure: the time is an argument."""

from dataclasses import dataclass
from math import ceil

from clickloom.errors import InvalidSetting
from clickloom.times import SECOND_US, format_duration, parse_duration
from services.api.problems import Problem

_FORGET_AT = 100_000  # senders; those that are at rest are forgotten then


@dataclass(frozen=True, slots=True)
class Quota:
    """So many events in so many seconds."""

    events: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.events:,} events in {format_duration(round(self.seconds * SECOND_US))}"


SIGN_IN_ATTEMPTS = Quota(10, 60.0)  # of one address


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one sender after a request."""

    quota: Quota
    allowed: bool
    remaining: int  # events that it may send at once
    reset_s: int  # until all of the quota is there again
    retry_s: int  # until a request like this is allowed; 0 if it was

    def headers(self) -> dict[str, str]:
        found = {
            "RateLimit-Limit": str(self.quota.events),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }
        return found if self.allowed else found | {"Retry-After": str(self.retry_s)}


class Limiter:
    """The generic cell rate algorithm: a quota may be used at once, and comes back evenly.

    A number a sender: the moment at which all of its quota is there again. What Python's rate limiters (limits 5.8)
    keep in memory they look through a hundred times a second, which ends a process with many senders.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._event_s = quota.seconds / quota.events  # in which one event's share comes back
        self._full_at: dict[str, float] = {}

    def take(self, sender: str, events: int, now_s: float) -> Standing:
        """Whether that many events are allowed now, which takes them from the quota if so."""
        full_at = max(self._full_at.get(sender, now_s), now_s)
        after = full_at + events * self._event_s
        over_s = after - now_s - self._quota.seconds
        allowed = over_s <= 1e-9
        if allowed:
            self._full_at[sender] = full_at = after
            self._forget(now_s)
        remaining = int((self._quota.seconds - (full_at - now_s)) / self._event_s + 1e-6)
        return Standing(self._quota, allowed, remaining, ceil(full_at - now_s), 0 if allowed else ceil(over_s))

    def _forget(self, now_s: float) -> None:
        if len(self._full_at) > _FORGET_AT:
            self._full_at = {sender: full_at for sender, full_at in self._full_at.items() if full_at > now_s}


def parse_quota(text: str) -> Quota | None:
    """`6000/1m`: 6,000 events in a minute, with all of them at once at the most; `off`: None. Raises InvalidSetting."""
    if text == "off":
        return None
    number, _, duration = text.partition("/")
    try:
        quota = Quota(int(number), parse_duration(duration) / SECOND_US)
        if quota.events < 1 or quota.seconds <= 0:
            raise ValueError
    except ValueError as error:
        raise InvalidSetting(f"{text!r} is no rate: write it as 6000/1m, events in a time, or off") from error
    return quota


class Limits:
    """What each key and each address may send, in this process."""

    def __init__(self, *, key: Quota | None, address: Quota | None) -> None:
        self._by_key = Limiter(key) if key else None
        self._by_address = Limiter(address) if address else None

    def take(self, events: int, *, key_id: str | None, address: str, now_s: float) -> dict[str, str]:
        """Headers that tell what is left, of the limit that is nearer. Raises Problem: 429."""
        found = []
        if self._by_key is not None and key_id is not None:
            found.append(_allowed(self._by_key.take(key_id, events, now_s), events, "with this key"))
        if self._by_address is not None:
            found.append(_allowed(self._by_address.take(address, events, now_s), events, "from this address"))
        nearest = min(found, key=lambda standing: standing.remaining, default=None)
        return {} if nearest is None else nearest.headers()


def _allowed(standing: Standing, events: int, whose: str) -> Standing:
    if standing.allowed:
        return standing
    at_most = standing.quota.events
    remedy = f"wait {standing.retry_s} s" if events <= at_most else f"send at most {at_most:,} at once"
    raise Problem(429, f"more than {standing.quota} {whose}; {remedy}", headers=standing.headers())
