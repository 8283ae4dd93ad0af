"""What is not kept of a person. Pure."""

import re
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Network, ip_network
from urllib.parse import unquote_plus

from clickloom.click import Click

SCRUBBED = "[scrubbed]"

_HASH_BYTES = 16
_KEPT_BITS = {4: 24, 6: 48}  # of an address, by IP version

_EMAIL = re.compile(r"[^@\s/?&=]+@[^@\s/?&=]+\.[^@\s/?&=]+")
_SECRET_NAME = re.compile(
    r"(^|[_.\-])(token|secret|password|passwd|pwd|auth|api_?key|signature|otp|e_?mail)$", re.IGNORECASE
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
# Letters and digits in one, longer than any word. Not a UUID, nor a campaign's name-of-2024.
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20,}")


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the settings say."""

    user_id_salt: str = ""  # a secret; empty: user ids are kept as they come
    keeps_address: bool = False

    def apply(self, click: Click, address: str) -> None:
        """To a click in the client's form, of a sender at that address."""
        if click.page_url is not None:
            click.page_url = scrub(click.page_url)
        if click.referrer is not None:
            click.referrer = scrub(click.referrer)
        if self.user_id_salt:
            click.user_id = self.hashed(str(click.user_id))
        click.client_address = cut_address(click.client_address or address) if self.keeps_address else None

    def hashed(self, user_id: str) -> str:
        """The user id as it is kept: the same for the same person, and of no use without the salt."""
        if not self.user_id_salt:
            return user_id
        salt = self.user_id_salt.encode()[: blake2b.MAX_KEY_SIZE]
        return blake2b(user_id.encode(), key=salt, digest_size=_HASH_BYTES).hexdigest()


def scrub(url: str) -> str:
    """The address without the values, in query and fragment, that are or look like a person's or a secret."""
    if "@" not in url and "?" not in url and "#" not in url:
        return url
    head, mark, rest = _parted(url)
    parts = re.split(r"([&;#?])", rest)
    return _EMAIL.sub(SCRUBBED, head) + mark + "".join(_scrubbed(part) for part in parts)


def _parted(url: str) -> tuple[str, str, str]:
    """Before the query or the fragment, its mark, and what is behind it."""
    place = min((url.find(mark) for mark in "?#" if mark in url), default=len(url))
    return url[:place], url[place : place + 1], url[place + 1 :]


def _scrubbed(part: str) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return SCRUBBED if _tells(part) else part
    return f"{name}={SCRUBBED}" if value and (_SECRET_NAME.search(name) or _tells(value)) else part


def _tells(value: str) -> bool:
    """Whether it holds an e-mail address, or looks like a token."""
    text = unquote_plus(value)
    return bool(_EMAIL.search(text) or _JWT.search(text) or _RANDOM.search(text))


def cut_address(address: str) -> str | None:
    """The network of an address, /24 or /48; None if it is no address."""
    try:
        network = ip_network(address.split("%")[0])
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped) is not None:
        return cut_address(str(mapped))
    kept = min(network.prefixlen, _KEPT_BITS[network.version])
    return str(network.supernet(new_prefix=kept))
