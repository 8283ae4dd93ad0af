"""The rules that hold for every window of a deployment."""

from dataclasses import dataclass

from clickloom.errors import InvalidSetting
from clickloom.times import MINUTE_US, SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How long is waited for what comes out of order, and what makes a session converted or bounced."""

    out_of_orderness_us: int = 10 * SECOND_US
    allowed_lateness_us: int = 5 * MINUTE_US
    future_bound_us: int = 5 * MINUTE_US
    conversion_events: frozenset[str] = frozenset({"beer_checkout", "order_completed", "Order Completed"})
    bounce_us: int = 20 * SECOND_US
    bots: bool = False  # whether their clicks make sessions

    def __post_init__(self) -> None:
        for name in ("out_of_orderness_us", "allowed_lateness_us", "future_bound_us", "bounce_us"):
            if getattr(self, name) < 0:
                raise InvalidSetting(f"{name.removesuffix('_us')} must not be negative")
