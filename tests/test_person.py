"""Whether a payload tells of a person, and the hash that is kept of who was erased."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickloom.keys import Person
from clickloom.person import digest, is_of, mentions, probe


@pytest.mark.parametrize(
    "payload",
    [
        b'{"user_id": "64"}',
        b'{"user_id": 64, "device_id"',
        b'{"user_id":64',
        b'[{"user_id": 1}, {"user_id"  :  64}]',
        b"{'user_id': '64'}",
        b'{"type": "identify", "userId": "64", "traits": {"plan": "free"}}',
        b'{"type": "track", "anonymousId": "64"}',
        b'{"type": "alias", "userId": "u", "previousId": 64',
        b"(datetime.datetime(2021), 'default', '64', 'computer')",
        b"\x93\xb3default\x1f64\x1fcomputer",
    ],
)
def test_a_payload_that_names_the_user_mentions_them(payload: bytes) -> None:
    assert mentions(payload, "64")
    assert probe("64") in payload


@pytest.mark.parametrize(
    "payload",
    [
        b'{"user_id": 640}',
        b'{"user_id": "164"}',
        b'{"user_id": 64.5}',
        b'{"userId": "u", "groupId": "64"}',
        b'{"user_id": "other", "revenue": 64, "order_id": "64"}',
        b"64",
        b"\xff\xfe64",
    ],
)
def test_a_payload_in_which_the_number_is_something_else_does_not(payload: bytes) -> None:
    assert not mentions(payload, "64")


users = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f"), min_size=1, max_size=128)


@given(users, st.booleans(), st.text(max_size=20).filter(lambda text: "user_id" not in text))
def test_every_user_is_found_however_json_writes_them(user: str, ascii_only: bool, rest: str) -> None:
    payload = json.dumps({"rest": rest, "user_id": user}, ensure_ascii=ascii_only).encode()
    assert mentions(payload, user)
    assert probe(user) in payload


def test_the_hash_tells_whether_somebody_was_erased_and_two_of_one_person_are_not_alike() -> None:
    one = digest(Person("shop", "64"))
    assert is_of(one, Person("shop", "64"))
    assert not is_of(one, Person(None, "64"))
    assert not is_of(one, Person("shop", "65"))
    assert one != digest(Person("shop", "64"))
