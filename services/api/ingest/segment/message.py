"""A message of Segment's spec, and the click that it is. Pure.

docs/decisions/0013-segment-and-kinesis.md says why it is that one.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from clickloom.agents import device_type_of_agent
from clickloom.click import Click, DeviceType, parse_object, time_of
from clickloom.errors import RejectedInput
from services.api.ingest.events import Raw
from services.api.ingest.privacy import Privacy
from services.api.ingest.segment.fields import Part, fitting, part, short_text, within
from services.api.ingest.segment.order import add_order

Kind = Literal["track", "page", "screen", "identify", "group", "alias"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_MESSAGE_BYTES = 32 * 1024
MAX_MESSAGES = 2_500  # of a batch

Id = str | int | None
Time = Annotated[str, Meta(max_length=64)] | int | None
# PHP's clients write an object without members as [].
Object = dict[str, Any] | list[Any] | None

TOLD = "_segment"  # the property that holds what a click has no field for

_VIEWS = {"page": "page_view", "screen": "screen_view"}
_NAME_CHARS = 64
_ID_CHARS = 128
_URL_CHARS = 2048
_LABEL_CHARS = 128
_AGENT_CHARS = 1024
_MOBILE = ("ios", "android", "mobile", "phone")


class Message(msgspec.Struct, rename="camel", gc=False):
    """What is read of one; members besides these are let be."""

    type: str | None = None
    message_id: Id = None
    anonymous_id: Id = None
    user_id: Id = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    group_id: Id = None
    previous_id: Id = None
    properties: Object = None
    traits: Object = None
    context: Object = None
    timestamp: Time = None
    original_timestamp: Time = None
    sent_at: Time = None

    @property
    def visitor(self) -> Id:
        """Who the visitor is: his browser or app, whether he logs in or not."""
        return self.user_id if self.anonymous_id in (None, "") else self.anonymous_id


class Batch(msgspec.Struct, rename="camel", gc=False):
    """The body of a batch."""

    batch: list[msgspec.Raw]
    sent_at: Time = None
    write_key: str | None = None


class _Signed(msgspec.Struct, rename="camel", gc=False):
    write_key: str | None = None


_decode_message = msgspec.json.Decoder(Message).decode
_decode_batch = msgspec.json.Decoder(Batch).decode
_decode_signed = msgspec.json.Decoder(_Signed).decode


def read_batch(body: bytes) -> Batch:
    """Raises RejectedInput."""
    batch = parse_object(body, _decode_batch)
    if len(batch.batch) > MAX_MESSAGES:
        reason = f"{len(batch.batch)} messages in one batch; send at most {MAX_MESSAGES}"
        raise RejectedInput("too_many_messages", reason)
    return batch


def read_single(body: bytes) -> Batch:
    """One message, as the batch that holds only it. Raises RejectedInput."""
    return Batch([msgspec.Raw(body)], write_key=parse_object(body, _decode_signed).write_key)


def click_parser(kind: Kind | None, *, sent_at: Time, received: str, privacy: Privacy) -> Callable[[Raw], Click]:
    """Parses messages of one request. Raises RejectedInput.

    kind: of all of them; None: each says its own. sent_at: of the batch. received: ISO 8601.
    """

    def parse(raw: Raw) -> Click:
        size = len(bytes(raw))
        if size > MAX_MESSAGE_BYTES:
            reason = f"the message has {size} bytes; send at most {MAX_MESSAGE_BYTES}"
            raise RejectedInput("message_too_large", reason)
        message = parse_object(raw, _decode_message)
        message.sent_at = message.sent_at or sent_at
        return click_of(message, kind or _kind(message), received, privacy)

    return parse


def _kind(message: Message) -> Kind:
    for kind in KINDS:
        if message.type == kind:
            return kind
    raise RejectedInput("invalid_field", f"type: {message.type!r:.40} is none of {', '.join(KINDS)}")


def click_of(message: Message, kind: Kind, received: str, privacy: Privacy) -> Click:
    """In the client's form. Raises RejectedInput."""
    _check(message, kind)
    context, properties = part(message.context, "context"), _properties(message, kind, privacy)
    click = Click(
        user_id=within(_text_of(message.visitor), _ID_CHARS, "userId, anonymousId"),
        device_id=within(_device_id(message, context), _ID_CHARS, "context.device.id"),
        client_event=_event(message, kind),
        client_timestamp=_time(message, received),
        sent_at=message.sent_at or None,
        event_id=_event_id(message.message_id),
        device_type=_device_type(context.part("device")),
        user_agent=short_text(context, "userAgent", _AGENT_CHARS),
        client_address=short_text(context, "ip", _NAME_CHARS),
    )
    _add_page(click, context, properties if kind == "page" else part(None, "properties"))
    if kind == "track":
        add_order(click, properties)
    click.properties = fitting({**properties.members, **_told(message, kind, privacy)}) or None
    return click


def _check(message: Message, kind: Kind) -> None:
    if message.visitor in (None, ""):
        raise RejectedInput("invalid_field", "userId: missing; send userId or anonymousId")
    if kind not in ("track", *_VIEWS) and message.anonymous_id in (None, ""):
        reason = f"{kind} without an anonymousId tells about a person, and of no visit: kept here, and no click"
        raise RejectedInput("no_visit", reason)


def _properties(message: Message, kind: Kind, privacy: Privacy) -> Part:
    """Of identify and group they are called traits; those are a person's, and not kept where user ids are hashed."""
    if kind in ("track", *_VIEWS):
        return part(message.properties, "properties")
    return part(None if privacy.user_id_salt else message.traits, "traits")


def _text_of(value: Id) -> str:
    return "" if value is None else str(value)


def _event(message: Message, kind: Kind) -> str:
    """The event's name: of a view with the page's or screen's name, if that fits."""
    if kind == "track":
        if not message.event:
            raise RejectedInput("invalid_field", "event: missing; name what was tracked")
        return within(message.event, _NAME_CHARS, "event")
    if kind not in _VIEWS:
        return kind
    named = f"{_VIEWS[kind]}: {message.name}"
    return named if message.name and len(named) <= _NAME_CHARS and named.isprintable() else _VIEWS[kind]


def _time(message: Message, received: str) -> str | int:
    """As the client's clock had it; where a message tells no time, when it was sent or came."""
    told = {
        "originalTimestamp": message.original_timestamp,
        "timestamp": message.timestamp,
        "sentAt": message.sent_at,
    }
    for name, value in told.items():
        if value is not None and value != "":
            time_of(name, value)
            return value
    return received


def _event_id(message_id: Id) -> str | None:
    """Longer ones than we keep are told apart by their hash."""
    text = _text_of(message_id)
    return blake2b(text.encode(), digest_size=16).hexdigest() if len(text) > _NAME_CHARS else text or None


def _device_id(message: Message, context: Part) -> str:
    """The same for all of a visit, whoever of a site's programs tells of it."""
    if message.anonymous_id not in (None, ""):
        return _text_of(message.anonymous_id)
    device, agent = context.part("device"), short_text(context, "userAgent", _AGENT_CHARS) or ""
    return short_text(device, "id", _ID_CHARS) or _device_type(device) or device_type_of_agent(agent) or "other"


def _device_type(device: Part) -> DeviceType | None:
    kind, model = (short_text(device, name, _LABEL_CHARS) or "" for name in ("type", "model"))
    if "tablet" in kind.lower() or model.lower().startswith("ipad"):
        return "tablet"
    if any(word in kind.lower() for word in _MOBILE):
        return "mobile"
    return "computer" if kind.lower() in ("computer", "desktop") else None


def _add_page(click: Click, context: Part, properties: Part) -> None:
    page, campaign = context.part("page"), context.part("campaign")
    click.page_url = short_text(page, "url", _URL_CHARS) or short_text(properties, "url", _URL_CHARS)
    click.referrer = short_text(page, "referrer", _URL_CHARS) or short_text(properties, "referrer", _URL_CHARS)
    click.utm_source = short_text(campaign, "source", _LABEL_CHARS)
    click.utm_medium = short_text(campaign, "medium", _LABEL_CHARS)
    click.utm_campaign = short_text(campaign, "name", _LABEL_CHARS)


def _told(message: Message, kind: Kind, privacy: Privacy) -> dict[str, Any]:
    """What stands beside a message's properties, and has no field of a click."""
    told = {
        "userId": None if message.user_id == message.visitor else message.user_id,
        "groupId": message.group_id,
        "previousId": message.previous_id,
        "name": message.name if kind in _VIEWS else None,
        "category": message.category,
    }
    kept = {name: value for name, value in told.items() if value not in (None, "")}
    for name in ("userId", "previousId"):
        if name in kept:
            kept[name] = privacy.hashed(str(kept[name]))
    return {TOLD: kept} if kept else {}
