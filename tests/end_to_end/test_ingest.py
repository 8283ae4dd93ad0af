"""What ingest takes is in Postgres, what it refuses is kept there, and no value of either stops the stream."""

from typing import Any

import pytest

from tests.conftest import Select
from tests.end_to_end.api import asking
from tests.processes import Start, until
from tests.services.api.ingest.test_native import EVENT, REFUSED

ODD: dict[str, dict[str, Any]] = {
    "text": {"user_id": "\u200b\u2028 Zo\u00eb \U0001f37a\x7f", "device_id": "\\N", "page_url": "\x01\t\n\r\\."},
    "numbers": {"properties": {"huge": 1.7e308, "tiny": 5e-324, "u64": 2**64 - 1, "i64": -(2**63), "zero": -0.0}},
    "json": {"properties": {"backslash": "\\u0000", "": [None, {}, [], {"": ""}], "\U0001f37a": "\u2028"}},
    "experiments": {"experiments": {"a\tb": "", "\\": '"'}},
    "revenue": {"revenue": "-0", "currency": "\U0001f37a\U0001f37a\U0001f37a"},
    "large revenue": {"revenue": "999999999999.999999"},
    "round revenue": {"revenue": "0E+100"},
    "first moment": {"client_timestamp": 0},
    "user of digits": {"user_id": 10**100},
}


@pytest.fixture
def events() -> list[object]:
    odd = [{**EVENT, **fields, "event_id": name} for name, fields in ODD.items()]
    return [*odd, *(case[1] for case in REFUSED), {**EVENT, "event_id": "last"}]


async def test_every_value_ends_in_a_table(start: Start, select: Select, events: list[object]) -> None:
    start("persister", BUFFER_SECONDS="0.05")
    async with asking(start("api", PORT="0")) as client:
        answer = await client.post("/v1/events", json=events)
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(ODD) + 1)

        async def written() -> bool:
            counts = select("SELECT (SELECT count(*) FROM clicks), (SELECT count(*) FROM rejected_events)")
            return sum(counts[0]) >= len(events)

        await until(written)
    taken = {event_id for (event_id,) in select("SELECT event_id FROM clicks")}
    assert taken == {*ODD, "last"}
    assert select("SELECT DISTINCT source FROM rejected_events") == [("http",)], "and none of them by Postgres"
    [text] = select("SELECT user_id, device_id, page_url FROM clicks WHERE event_id = 'text'")
    assert text == tuple(ODD["text"].values())
    [(numbers,)] = select("SELECT properties FROM clicks WHERE event_id = 'numbers'")
    assert numbers == {**ODD["numbers"]["properties"], "huge": numbers["huge"]}
    assert float(numbers["huge"]) == 1.7e308
