"""Signatures, held against those that botocore makes."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from httpx import AsyncClient
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from clickloom.settings import Settings
from clickloom.signing_keys import parse_signing_keys
from clickloom.times import now_us, parse_time
from services.api.ingest.kinesis.errors import AwsError
from services.api.ingest.kinesis.signature import SKEW_US, Signed, check_signature, claim_of
from tests.services.api.conftest import serving
from tests.services.api.ingest.conftest import ACCESS_KEY, SECRET
from tests.services.api.ingest.kinesis_client import kinesis
from tests.services.api.ingest.streamed import streamed
from tests.services.api.ingest.test_kinesis import DATA, call, error_of

KEYS = parse_signing_keys(f"{ACCESS_KEY}:{SECRET}:shop OTHER:another:blog")
GIVEN: dict[str, Any] = {"StreamName": "a", "Data": DATA, "PartitionKey": "a"}
BODY = b'{"StreamName": "a"}'
HEADERS = {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"}


def signed_by_botocore(
    body: bytes = BODY,
    *,
    path: str = "/kinesis",
    query: str = "",
    secret: str = SECRET,
    service: str = "kinesis",
    headers: dict[str, str] | None = None,
) -> tuple[Signed, int]:
    """What a request carries, and µs of when it was signed."""
    url = f"http://127.0.0.1:8080{path}{'?' + query if query else ''}"
    request = AWSRequest("POST", url, headers={**HEADERS, **(headers or {})}, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, secret), service, "eu-central-1").add_auth(request)
    found = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:8080"}
    moment = found["x-amz-date"]
    iso = f"{moment[:4]}-{moment[4:6]}-{moment[6:11]}:{moment[11:13]}:{moment[13:15]}+00:00"
    return Signed("POST", path, query, found), parse_time(iso)


def check(signed: Signed, body: bytes, now: int) -> None:
    check_signature(claim_of(signed, KEYS, now), signed, body)


@hypothesis_settings(deadline=None)
@given(
    body=st.binary(max_size=200),
    values=st.dictionaries(st.sampled_from(["X-Amz-A", "X-Custom", "Accept"]), st.text(" ab\t,;=", max_size=8)),
)
def test_what_botocore_signs_is_accepted_and_nothing_else(body: bytes, values: dict[str, str]) -> None:
    signed, now = signed_by_botocore(body, headers=values)
    check(signed, body, now)
    with pytest.raises(AwsError, match="not that of this request"):
        check(signed, body + b" ", now)


@pytest.mark.parametrize("query", ["", "b=2&a=1", "a=1&a=0", "a"])
def test_a_query_is_signed_too(query: str) -> None:
    signed, now = signed_by_botocore(query="&".join(sorted(query.split("&"))))
    if query != "a":  # botocore signs a name without a value as if it had an empty one
        check(Signed(signed.method, signed.path, query, signed.headers), BODY, now)
    with pytest.raises(AwsError):
        check(Signed(signed.method, signed.path, query + "&c=3", signed.headers), BODY, now)


def with_header(name: str, value: str | None) -> Callable[[Signed], Signed]:
    def change(signed: Signed) -> Signed:
        headers = {**signed.headers, name: value or ""}
        return Signed(signed.method, signed.path, signed.query, headers)

    return change


def without_header(name: str) -> Callable[[Signed], Signed]:
    def change(signed: Signed) -> Signed:
        headers = {key: value for key, value in signed.headers.items() if key != name}
        return Signed(signed.method, signed.path, signed.query, headers)

    return change


def in_authorization(old: str, new: str) -> Callable[[Signed], Signed]:
    def change(signed: Signed) -> Signed:
        changed = signed.headers["authorization"].replace(old, new)
        assert changed != signed.headers["authorization"]
        return with_header("authorization", changed)(signed)

    return change


TAMPERED: dict[str, tuple[Callable[[Signed], Signed], str]] = {
    "another target": (with_header("x-amz-target", "Kinesis_20131202.PutRecords"), "InvalidSignatureException"),
    "another host": (with_header("host", "evil.example"), "InvalidSignatureException"),
    "a header of AWS put in": (with_header("x-amz-security-token", "a"), "InvalidSignatureException"),
    "a signed header taken out": (without_header("content-type"), "InvalidSignatureException"),
    "another path": (lambda signed: Signed("POST", "/kinesis/", "", signed.headers), "InvalidSignatureException"),
    "another method": (lambda signed: Signed("PUT", "/kinesis", "", signed.headers), "InvalidSignatureException"),
    "another region": (in_authorization("eu-central-1", "eu-central-2"), "InvalidSignatureException"),
    "another service": (in_authorization("/kinesis/", "/s3/"), "InvalidSignatureException"),
    "the host not signed": (in_authorization("host;", ""), "InvalidSignatureException"),
    "the target not signed": (in_authorization(";x-amz-target", ""), "InvalidSignatureException"),
    "another's access key": (in_authorization(ACCESS_KEY, "OTHER"), "InvalidSignatureException"),
    "an unknown access key": (in_authorization(ACCESS_KEY, "UNKNOWN"), "UnrecognizedClientException"),
    "no signature": (without_header("authorization"), "MissingAuthenticationTokenException"),
    "an empty one": (with_header("authorization", ""), "MissingAuthenticationTokenException"),
    "another scheme": (with_header("authorization", "Bearer clw_1"), "IncompleteSignatureException"),
    "half of one": (in_authorization("SignedHeaders=", "Headers="), "IncompleteSignatureException"),
    "no time": (without_header("x-amz-date"), "IncompleteSignatureException"),
    "no time at all": (with_header("x-amz-date", "yesterday"), "IncompleteSignatureException"),
    "a time of another day": (with_header("x-amz-date", "20200101T000000Z"), "InvalidSignatureException"),
}


@pytest.mark.parametrize(("change", "code"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_changed_on_the_way_is_refused(change: Callable[[Signed], Signed], code: str) -> None:
    signed, now = signed_by_botocore()
    check(signed, BODY, now)
    with pytest.raises(AwsError) as caught:
        check(change(signed), BODY, now)
    assert caught.value.code == code


def test_a_signature_is_good_for_five_minutes_either_way() -> None:
    signed, now = signed_by_botocore()
    for moment in (now - SKEW_US, now + SKEW_US):
        check(signed, BODY, moment)
    with pytest.raises(AwsError, match="Signature expired"):
        check(signed, BODY, now + SKEW_US + 1)
    with pytest.raises(AwsError, match="Signature not yet current"):
        check(signed, BODY, now - SKEW_US - 1)


async def test_a_wrong_secret_and_an_unknown_key_get_nothing_in(
    shop_api: AsyncClient, redis: Redis, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = await error_of(kinesis(shop_api.base_url, secret=SECRET[:-1]), "put_record", **GIVEN)
    assert wrong["Error"]["Code"] == "InvalidSignatureException"
    unknown = await error_of(kinesis(shop_api.base_url, access_key="AKIDUNKNOWN"), "put_record", **GIVEN)
    assert unknown["Error"]["Code"] == "UnrecognizedClientException"
    assert {told["ResponseMetadata"]["HTTPStatusCode"] for told in (wrong, unknown)} == {400}
    assert await streamed(redis, settings) == []
    assert SECRET not in caplog.text


async def test_a_body_changed_on_the_way_is_refused(shop_api: AsyncClient, redis: Redis, settings: Settings) -> None:
    client = kinesis(shop_api.base_url)

    def tamper(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b'"a"', b'"b"')

    client.meta.events.register("before-send.kinesis", tamper)
    assert (await error_of(client, "put_record", **GIVEN))["Error"]["Code"] == "InvalidSignatureException"
    assert await streamed(redis, settings) == []


async def test_a_signature_that_is_too_old_is_refused(
    shop_api: AsyncClient, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.ingest.kinesis.routes.now_us", lambda: now_us() + SKEW_US + 5_000_000)
    told = await error_of(kinesis(shop_api.base_url), "put_record", **GIVEN)
    assert "Signature expired" in told["Error"]["Message"]
    assert await streamed(redis, settings) == []


async def test_without_any_pair_of_keys_the_setting_is_named(locked_settings: Settings, write_key: str) -> None:
    async with serving(locked_settings.model_copy(update={"kinesis_keys": {}})) as api:
        told = await error_of(kinesis(api.base_url), "put_record", **GIVEN)
        assert "KINESIS_KEYS" in told["Error"]["Message"]


async def test_a_pair_puts_into_its_site_and_no_other(shop_api: AsyncClient, redis: Redis, settings: Settings) -> None:
    other = json.dumps({**json.loads(DATA), "site_id": "blog"}).encode()
    told = await error_of(kinesis(shop_api.base_url), "put_record", **{**GIVEN, "Data": other})
    assert "this key is of the site shop" in told["Error"]["Message"]
    answers = await asyncio.gather(*(call(kinesis(shop_api.base_url), "put_record", **GIVEN) for _ in range(5)))
    assert len({answer["SequenceNumber"] for answer in answers}) == 5
    assert {click.site_id for click in await streamed(redis, settings)} == {"shop"}


def test_nothing_that_shows_settings_shows_a_secret(locked_settings: Settings) -> None:
    for shown in (repr(locked_settings), str(locked_settings), repr(KEYS)):
        assert SECRET not in shown
