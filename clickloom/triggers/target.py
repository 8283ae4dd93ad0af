"""Where a webhook may go. Whoever may make triggers must not reach by them what only this machine reaches."""

import asyncio
import socket
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from clickloom.errors import RejectedInput

_PORTS = {"http": 80, "https": 443}
PRIVATE = "is not a public one: WEBHOOK_PRIVATE=on allows receivers in this machine and its networks"


class Target(NamedTuple):
    scheme: str
    host: str
    port: int


def target_of(url: str, *, private: bool) -> Target:
    """Raises RejectedInput for an address that cannot be sent to, or may not be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RejectedInput("bad_url", f"{url!r} is no address: {error}") from error
    if parts.scheme not in _PORTS or not host or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise RejectedInput(
            "bad_url", f"{url!r} is no address as https://shop.example/hooks; http and https are possible"
        )
    if parts.username is not None or parts.fragment:
        raise RejectedInput("bad_url", "an address with a user or a fragment is not sent to; webhooks are signed")
    if not private and is_private(host):
        raise RejectedInput("private_url", f"{host} {PRIVATE}")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme])


def is_private(host: str) -> bool:
    """Whether a name or an address is known to be of this machine or its networks without asking."""
    try:
        return not _is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _is_public(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return found.is_global and not found.is_multicast


async def address_of(target: Target, *, private: bool) -> str:
    """The IP address to connect to: resolved once, looked at, and then used, so that no second answer can be another.

    Raises RejectedInput if the name leads to where webhooks may not go; OSError if it leads nowhere.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(place[0]) for *_, place in found]
    if not private and not all(map(_is_public, addresses)):
        raise RejectedInput("private_url", f"{target.host} {PRIVATE}")
    return addresses[0]
