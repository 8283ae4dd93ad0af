"""The click: one event as it comes in, checked, and as every service knows it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from clickloom.agents import device_type_of_agent, is_bot
from clickloom.errors import RejectedInput
from clickloom.keys import visitor_key
from clickloom.times import format_duration, iso, parse_time

DEFAULT_SITE = "default"
MAX_PROPERTIES_BYTES = 8 * 1024
MAX_DEPTH = 32  # of properties; deeper JSON could not be read everywhere
REVENUE_DIGITS = 12  # before the point
REVENUE_DECIMALS = 6
MAX_MESSAGE = 500

DeviceType = Literal["mobile", "computer", "tablet", "other"]
DEVICE_CLASSES = ("mobile", "computer", "tablet")

Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text128 = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(max_length=128)]
Url = Annotated[str, Meta(max_length=2048)]
ClientTime = Annotated[str, Meta(max_length=64)] | int


class Details(msgspec.Struct, gc=False, omit_defaults=True):
    """What may come with a click besides who, where, what and when. Most clicks have none of it."""

    device_type: DeviceType | None = None
    page_url: Url | None = None
    referrer: Url | None = None
    utm_source: Label | None = None
    utm_medium: Label | None = None
    utm_campaign: Label | None = None
    experiments: dict[Text128, Label] | None = None
    order_id: Text128 | None = None
    revenue: Decimal | None = None
    currency: Annotated[str, Meta(min_length=3, max_length=3)] | None = None
    properties: dict[str, Any] | None = None
    client_address: Annotated[str, Meta(max_length=64)] | None = None  # the visitor's, cut to its network


class Click(Details, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One event. As it comes in, times and user_id have the client's form; `normalise` makes them ours:
    user_id a text, client_timestamp integer µs UTC, corrected by sent_at, event_id never empty, no user agent."""

    user_id: Text128 | int
    device_id: Text128
    client_event: Text64
    client_timestamp: ClientTime
    site_id: Text64 = DEFAULT_SITE
    event_id: Text64 | None = None
    sent_at: ClientTime | None = None
    user_agent: Annotated[str, Meta(max_length=1024)] | None = None  # the visitor's; never kept
    is_bot: bool = False

    @property
    def key(self) -> str:
        """The visitor's key; only of a normalised click."""
        return visitor_key(self.site_id, str(self.user_id), self.device_id)

    @property
    def time_us(self) -> int:
        """Event time; only of a normalised click."""
        assert isinstance(self.client_timestamp, int)
        return self.client_timestamp

    def details(self) -> Details | None:
        """The details alone; None if there are none."""
        values = astuple(self)[: len(_DETAILS)]  # its base's fields come first
        return None if values == _NO_DETAILS else Details(*values)


_DETAILS = Details.__struct_fields__
_NO_DETAILS = (None,) * len(_DETAILS)
_IDENTITY = ("site_id", "user_id", "device_id", "client_event", "event_id")
_decode_click = msgspec.json.Decoder(Click).decode

T = TypeVar("T")


def parse_click(line: bytes | str | msgspec.Raw) -> Click:
    """One JSON object as a click in the client's form; `normalise` comes next.

    Raises RejectedInput.
    """
    return parse_object(line, _decode_click)


def parse_object(line: bytes | str | msgspec.Raw, decode: Callable[[bytes | str | msgspec.Raw], T]) -> T:
    """One JSON object as what `decode` makes of it. Raises RejectedInput."""
    try:
        return decode(line)
    except msgspec.ValidationError as error:
        raise RejectedInput("invalid_field", str(error).replace("`$.", "`")[:MAX_MESSAGE]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RejectedInput("malformed_json", str(error)) from error
    except RecursionError as error:
        raise RejectedInput("malformed_json", f"nested deeper than {MAX_DEPTH} levels") from error


def device_type_of(device_id: str, details: Details | None) -> str:
    """The device type told with the click, else the class that device_id is, else `other`."""
    if details is not None and details.device_type is not None:
        return details.device_type
    return device_id if device_id in DEVICE_CLASSES else "other"


def normalise(click: Click, *, received_us: int, future_bound_us: int, new_event_id: Callable[[], str]) -> Click:
    """Check what types cannot say and bring the click into our form, in place.

    Raises RejectedInput, which names the field and the remedy.
    """
    click.user_id = str(click.user_id)
    _check_texts(click)
    _check_details(click)
    time_us = time_of("client_timestamp", click.client_timestamp)
    if click.sent_at is not None:
        time_us += received_us - time_of("sent_at", click.sent_at)
        click.sent_at = None
    _check_bounds(time_us, received_us, future_bound_us)
    click.client_timestamp = time_us
    if click.event_id is None:
        click.event_id = new_event_id()
    if click.user_agent is not None:
        _take_user_agent(click, click.user_agent)
    return click


def _take_user_agent(click: Click, user_agent: str) -> None:
    click.is_bot = click.is_bot or is_bot(user_agent)
    if click.device_type is None and click.device_id not in DEVICE_CLASSES:
        click.device_type = device_type_of_agent(user_agent)
    click.user_agent = None


def _check_texts(click: Click) -> None:
    user_id = str(click.user_id)
    if len(user_id) > 128:
        raise RejectedInput("invalid_field", "user_id: more than 128 characters")
    identity = (click.site_id, user_id, click.device_id, click.client_event, click.event_id or "")
    if "".join(identity).isprintable():
        return
    for name, text in zip(_IDENTITY, identity, strict=True):
        if any(ord(char) < 32 for char in text):
            raise RejectedInput("control_character", f"{name}: holds a control character; remove it")


def time_of(name: str, value: str | int) -> int:
    """µs of a time that came in; `name` is the field's. Raises RejectedInput."""
    try:
        return parse_time(value)
    except (ValueError, OverflowError) as error:
        message = f"{name}: {value!r} is no time; send ISO 8601, as 2021-02-26T13:31:00, or integer milliseconds"
        raise RejectedInput("invalid_time", message) from error


def _check_bounds(time_us: int, received_us: int, future_bound_us: int) -> None:
    if time_us < 0:
        raise RejectedInput("time_before_1970", "client_timestamp: before 1970; check the client's clock")
    if time_us > received_us + future_bound_us:
        message = (
            f"client_timestamp: more than {format_duration(future_bound_us)} ahead of the server's clock "
            f"({iso(received_us)}); check the client's clock, or send sent_at so that it is corrected"
        )
        raise RejectedInput("time_in_future", message)


def _check_details(click: Click) -> None:
    details = click.details()
    if details is None:
        return
    if click.revenue is not None and not is_money(click.revenue):
        message = f"revenue: must be a decimal below 10^{REVENUE_DIGITS} with at most {REVENUE_DECIMALS} decimals"
        raise RejectedInput("invalid_revenue", message)
    for name in _DETAILS:
        _check_value(name, getattr(details, name))
    if click.properties is not None and len(msgspec.json.encode(click.properties)) > MAX_PROPERTIES_BYTES:
        raise RejectedInput("properties_too_large", "properties: more than 8 KiB of JSON; send less of it")


def _check_value(name: str, value: object, depth: int = 0) -> None:
    """What JSON can say but the streams or Postgres cannot keep."""
    if isinstance(value, str):
        if "\0" in value:
            raise RejectedInput("control_character", f"{name}: holds a NUL character; remove it")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise RejectedInput("invalid_field", f"{name}: holds an integer beyond 64 bits; send it as text")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise RejectedInput("invalid_field", f"{name}: nested deeper than {MAX_DEPTH} levels")
        for member in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_value(name, member, depth + 1)


def is_money(amount: Decimal) -> bool:
    """Whether it can be a revenue."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int):  # NaN or infinite
        return False
    return exponent >= -REVENUE_DECIMALS and (amount.is_zero() or amount.adjusted() < REVENUE_DIGITS)
