"""Pairs of access key and secret, by which requests are signed as AWS does it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Its secret must be known to check a signature, so it cannot be kept as a digest."""

    access_key: str
    secret: str = field(repr=False)
    site_id: str


SigningKeys = Mapping[str, SigningKey]  # by access key


def parse_signing_keys(text: str) -> SigningKeys:
    """`ACCESS_KEY:SECRET:SITE`, several between blanks. Raises ValueError, which does not show a secret."""
    keys: dict[str, SigningKey] = {}
    for number, entry in enumerate(text.split(), 1):
        access_key, _, rest = entry.partition(":")
        secret, _, site_id = rest.partition(":")
        if not (access_key and secret and 0 < len(site_id) <= 64):
            raise ValueError(f"entry {number} is not ACCESS_KEY:SECRET:SITE; a site has at most 64 characters")
        if access_key in keys:
            raise ValueError(f"entry {number} has the access key of another entry")
        keys[access_key] = SigningKey(access_key, secret, site_id)
    return keys
