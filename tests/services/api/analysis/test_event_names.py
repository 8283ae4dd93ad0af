"""`POST /v1/event-names`, held against going through everything by hand."""

from collections import defaultdict
from typing import Any

import pytest
from httpx import AsyncClient

from services.api.analysis import event_names
from tests.services.api.analysis.conftest import Traffic
from tests.services.api.analysis.test_funnels import DAY, GENERATED, RANGE, path
from tests.services.api.conftest import Keep
from tests.services.api.ingest.test_native import problem


async def ask(api: AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await api.post("/v1/event-names", json={"date_range": RANGE, **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(answer: dict[str, Any]) -> list[tuple[str, int, float]]:
    return [(one["event"], one["sessions"], one["place"]) for one in answer["events"]]


async def test_events_are_told_with_their_sessions_and_their_first_place(api: AsyncClient, keep: Keep) -> None:
    await keep(
        path(DAY, "a", "b", "a", user="1"),
        path(DAY, "a", "b", "a", user="2"),
        path(DAY, "b", user="3"),
        path(DAY, "c", "d", "a", user="4"),
    )
    answer = await ask(api)
    assert events(answer) == [("a", 3, 1.67), ("b", 3, 1.67), ("c", 1, 1), ("d", 1, 2)]
    assert (answer["truncated"], answer["sessions"]) == (False, 4)
    some = await ask(api, limit=2)
    assert (events(some), some["truncated"]) == (events(answer)[:2], True)


async def test_only_sessions_that_are_asked_for_count(api: AsyncClient, keep: Keep) -> None:
    await keep(
        path(DAY, "a", user="1", device_type="mobile"),
        path(DAY, "b", user="2", device_type="tablet"),
        path(DAY, "c", user="3", device_type="mobile", site_id="other"),
        path(DAY - 30 * 86_400, "d", user="4", device_type="mobile"),
    )
    answer = await ask(api, filters=[["is", "device_type", ["mobile"]]], site_id="default")
    assert events(answer) == [("a", 1, 1)]
    nothing = await ask(api, date_range=["2020-01-01", "2020-01-02"])
    assert (nothing["events"], nothing["sessions"], nothing["truncated"]) == ([], 0, False)


async def test_the_newest_sessions_are_looked_at(api: AsyncClient, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_names, "LOOKED_AT", 2)
    await keep(*(path(DAY + at, name, user=name) for at, name in enumerate("abc")))
    answer = await ask(api)
    assert (events(answer), answer["sessions"]) == ([("b", 1, 1), ("c", 1, 1)], 2)


async def test_of_generated_traffic_it_equals_counting_by_hand(api: AsyncClient, traffic: Traffic) -> None:
    visits = await traffic(2_000)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for visit in visits:
        names = [click.client_event for click in visit][:100]
        for name in set(names):
            places[name].append(names.index(name) + 1)
    answer = await ask(api, date_range=GENERATED)
    expected = sorted((-len(found), name, sum(found) / len(found)) for name, found in places.items())
    assert [(-count, name) for name, count, _ in events(answer)] == [(count, name) for count, name, _ in expected]
    assert [place for *_, place in events(answer)] == pytest.approx([place for *_, place in expected], abs=0.006)
    assert answer["sessions"] == len(visits)


async def test_what_cannot_be_is_told_by_its_member(api: AsyncClient) -> None:
    answer = await api.post("/v1/event-names", json={"limit": 0})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")
    told = problem(await api.post("/v1/event-names", json={"window": "hours"}), 422)
    assert told["errors"][0]["field"] == "window"
