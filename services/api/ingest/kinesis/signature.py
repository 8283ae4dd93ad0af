"""Signature Version 4 of AWS, checked. Pure: the clock is an argument.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from clickloom.signing_keys import SigningKey, SigningKeys
from clickloom.times import MINUTE_US, from_datetime
from services.api.ingest.kinesis.errors import AwsError

SERVICE = "kinesis"
SKEW_US = 5 * MINUTE_US  # either way; for so long whoever has heard a request can send it again

_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<access_key>[^/,\s]+)/(?P<scope>(?P<day>\d{8})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request)\s*,\s*SignedHeaders=(?P<headers>[a-z0-9;-]+)\s*,"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})\s*"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed of a request, but for its body."""

    method: str
    path: str  # as it came, escapes and all
    query: str
    headers: Mapping[str, str]  # by lower-case name; one that came twice has both values, with a comma


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature."""

    key: SigningKey
    moment: str
    day: str
    region: str
    scope: str
    headers: tuple[str, ...]
    signature: str


def claim_of(signed: Signed, keys: SigningKeys, now_us: int) -> Claim:
    """What can be known before the body is there. Raises AwsError."""
    found = _parsed(signed.headers.get("authorization"))
    key = keys.get(found["access_key"])
    if key is None:
        raise AwsError("UnrecognizedClientException", "The access key is none of KINESIS_KEYS.")
    if found["service"] != SERVICE:
        raise AwsError("InvalidSignatureException", f"The credential is scoped to another service than {SERVICE}.")
    moment = signed.headers.get("x-amz-date", "")
    _check_time(moment, found["day"], now_us)
    names = tuple(found["headers"].split(";"))
    _check_headers(names, signed.headers)
    return Claim(key, moment, found["day"], found["region"], found["scope"], names, found["signature"])


def check_signature(claim: Claim, signed: Signed, body: bytes) -> None:
    """Raises AwsError unless who sent this knows the secret, and nothing of it has been changed since."""
    canonical = sha256(_canonical(claim, signed, body).encode()).hexdigest()
    text = "\n".join([_ALGORITHM, claim.moment, claim.scope, canonical])
    if not hmac.compare_digest(_sign(_signing_key(claim), text).hex(), claim.signature):
        raise AwsError(
            "InvalidSignatureException",
            "The signature is not that of this request by the secret of KINESIS_KEYS. Check the secret, and that no"
            " proxy changes Host, the path or a signed header.",
        )


def _parsed(authorization: str | None) -> dict[str, str]:
    if not authorization:
        raise AwsError("MissingAuthenticationTokenException", "The request is not signed: it has no Authorization.")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise AwsError("IncompleteSignatureException", f"Authorization is no complete {_ALGORITHM} header.")
    return match.groupdict()


def _check_time(moment: str, day: str, now_us: int) -> None:
    try:
        signed_us = from_datetime(datetime.strptime(moment, _TIME).replace(tzinfo=UTC))
    except ValueError as error:
        raise AwsError("IncompleteSignatureException", "X-Amz-Date must be a time as 20261124T190000Z.") from error
    if not moment.startswith(day):
        raise AwsError("InvalidSignatureException", "The credential's date is not that of X-Amz-Date.")
    if abs(now_us - signed_us) > SKEW_US:
        when = "expired" if signed_us < now_us else "not yet current"
        reason = f"Signature {when}: it is of {moment}, more than 5 min from the server's clock. Check the clocks."
        raise AwsError("InvalidSignatureException", reason)


def _check_headers(names: tuple[str, ...], headers: Mapping[str, str]) -> None:
    """Host and all that AWS gives a meaning must be signed, so that it cannot be put into somebody else's request."""
    must = {"host", *(name for name in headers if name.startswith("x-amz-"))}
    if missing := sorted(must.difference(names)):
        raise AwsError("InvalidSignatureException", f"Not among the signed headers: {', '.join(missing)}.")
    if absent := sorted(name for name in names if name not in headers):
        raise AwsError("InvalidSignatureException", f"Signed, but not there: {', '.join(absent)}.")


def _canonical(claim: Claim, signed: Signed, body: bytes) -> str:
    headers = [f"{name}:{' '.join(signed.headers[name].split())}" for name in claim.headers]
    parts = [signed.method, quote(signed.path, safe="/~"), "&".join(sorted(filter(None, signed.query.split("&"))))]
    return "\n".join([*parts, *headers, "", ";".join(claim.headers), sha256(body).hexdigest()])


def _signing_key(claim: Claim) -> bytes:
    key = f"AWS4{claim.key.secret}".encode()
    for part in (claim.day, claim.region, SERVICE, "aws4_request"):
        key = _sign(key, part)
    return key


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()
