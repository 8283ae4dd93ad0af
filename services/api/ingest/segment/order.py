"""What Segment's ecommerce and experiment specs tell of an order and of an experiment. Pure."""

from decimal import Decimal, InvalidOperation

from clickloom.click import REVENUE_DECIMALS, Click, is_money
from services.api.ingest.segment.fields import Part, short_text

# They name an order, and what it would come to, but are none: its revenue would count twice.
NO_ORDERS = frozenset(
    {
        "Checkout Started",
        "Checkout Step Viewed",
        "Checkout Step Completed",
        "Payment Info Entered",
        "Order Updated",
        "Order Refunded",
        "Order Cancelled",
    }
)
EXPERIMENT = "Experiment Viewed"

_ID_CHARS = 128
_SMALLEST = Decimal(1).scaleb(-REVENUE_DECIMALS)


def add_order(click: Click, properties: Part) -> None:
    """Raises RejectedInput. What is no amount of money, or no currency, stays a property and no more."""
    if click.client_event == EXPERIMENT:
        _add_experiment(click, properties)
    if click.client_event in NO_ORDERS:
        return
    click.order_id = short_text(properties, "order_id", _ID_CHARS)
    click.revenue = _money(properties, "revenue")
    if click.revenue is None and click.order_id is not None:
        click.revenue = _money(properties, "total")
    currency = short_text(properties, "currency", _ID_CHARS) or ""
    click.currency = currency.upper() if len(currency) == 3 and currency.isascii() else None


def _money(properties: Part, name: str) -> Decimal | None:
    """A number, or a text that is one; what floats have behind the sixth decimal is none of the client's."""
    value = properties.members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
        if amount.is_finite() and amount.as_tuple().exponent < -REVENUE_DECIMALS:  # type: ignore[operator]  # finite
            amount = amount.quantize(_SMALLEST)
    except (InvalidOperation, ValueError):  # no number, one too large, or an integer of thousands of digits
        return None
    return amount if is_money(amount) else None


def _add_experiment(click: Click, properties: Part) -> None:
    names = (short_text(properties, f"experiment_{kind}", _ID_CHARS) for kind in ("name", "id"))
    variants = (short_text(properties, f"variation_{kind}", _ID_CHARS) for kind in ("name", "id"))
    name, variant = next(filter(None, names), None), next(filter(None, variants), None)
    if name and variant:
        click.experiments = {name: variant}
