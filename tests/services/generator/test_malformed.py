"""Malformed events, of every kind that ingest refuses."""

from random import Random

import msgspec
import pytest

from clickloom.click import Click, normalise, parse_click
from clickloom.errors import RejectedInput
from clickloom.times import now_us
from services.generator.malformed import CUT_SHORT, FAULTS, spoil


def good() -> Click:
    return Click(user_id=1, device_id="mobile", client_event="beer_cart", client_timestamp="2024-01-01T12:00:00Z")


def code_of(line: bytes) -> str:
    with pytest.raises(RejectedInput) as refused:
        normalise(parse_click(line), received_us=now_us(), future_bound_us=0, new_event_id=str)
    return refused.value.code


@pytest.mark.parametrize(("code", "number"), [(code, n) for code, faults in FAULTS.items() for n in range(len(faults))])
def test_each_fault_is_refused_under_its_code(code: str, number: int) -> None:
    event = msgspec.to_builtins(good(), str_keys=True)
    FAULTS[code][number](event)
    assert code_of(msgspec.json.encode(event)) == code


def test_spoilt_clicks_are_of_every_kind_and_one_line_each() -> None:
    random = Random(1)
    lines = [spoil(good(), random) for _ in range(400)]
    assert {code_of(line) for line in lines} == {*FAULTS, CUT_SHORT}
    assert not any(b"\n" in line for line in lines)
