"""An event of a page as a click: what its browser leaves out. Pure."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import msgspec

from clickloom.agents import device_type_of_agent
from clickloom.click import Click, Text128, parse_object, time_of
from services.api.ingest.events import Raw
from services.api.ingest.privacy import scrub

PAGE_VIEW = "page_view"
CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign")
CAMPAIGN_CHARS = 128

NETWORKS_TAKE_US = 30_000_000


class PageClick(Click, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A click whose visitor and device may be left out."""

    user_id: Text128 | int = ""
    device_id: Text128 = ""


_decode = msgspec.json.Decoder(PageClick).decode


def page_parser(*, visitor: str, user_agent: str, received_us: int) -> Callable[[Raw], Click]:
    """Parses events of one page, whose visitor it is unless they name one. Raises RejectedInput."""
    device = device_type_of_agent(user_agent) or "other"

    def parse(raw: Raw) -> Click:
        click = parse_object(raw, _decode)
        click.user_agent = user_agent
        if click.sent_at is not None and abs(received_us - time_of("sent_at", click.sent_at)) < NETWORKS_TAKE_US:
            # The clock is right, and the network took its time. Put right by that, the page view, which waits for the
            # first connection, could come after the click that follows it.
            click.sent_at = None
        click.user_id = visitor if click.user_id == "" else click.user_id
        click.device_id = click.device_id or device
        if click.client_event == PAGE_VIEW:
            _add_campaign(click)
        if click.properties is not None and isinstance(link := click.properties.get("url"), str):
            click.properties["url"] = scrub(link)
        return click

    return parse


def _add_campaign(click: Click) -> None:
    """From the address of the page, where advertisements put it."""
    for name, value in campaign_of(click.page_url or "").items():
        if getattr(click, name) is None:
            setattr(click, name, value)


def campaign_of(url: str) -> Mapping[str, str]:
    """The utm_* of an address, cut to what a click can hold."""
    try:
        query = parse_qs(urlsplit(url).query)
    except ValueError:  # an address that is none, or has too many parameters
        return {}
    return {name: query[name][0].replace("\0", "")[:CAMPAIGN_CHARS] for name in CAMPAIGN if name in query}


def origin_of(url: str | None) -> str | None:
    """`https://shop.example` of an address there; None if it is none."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else None
