"""`POST /v1/paths`, held against going through everything by hand."""

from collections import Counter
from typing import Any

import pytest
from httpx import AsyncClient

from services.api.analysis.flows import Flow, Pair, nodes_and_links
from tests.services.api.analysis.brute_force import links
from tests.services.api.analysis.conftest import Traffic
from tests.services.api.analysis.test_funnels import DAY, GENERATED, RANGE, path
from tests.services.api.conftest import Keep
from tests.services.api.ingest.test_native import problem


async def ask(api: AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await api.post("/v1/paths", json={"date_range": RANGE, **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def drawn(answer: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(link["source"], link["target"]): link["sessions"] for link in answer["links"]}


async def test_from_an_event_come_the_next_ones_and_where_sessions_end(api: AsyncClient, keep: Keep) -> None:
    await keep(
        path(DAY, "x", "a", "b", "c", "d", user="1"),
        path(DAY, "a", "b", user="2"),
        path(DAY, "a", "a", user="3"),
        path(DAY, "b", user="4"),
    )
    answer = await ask(api, **{"from": "a"}, levels=2)
    assert answer["sessions"] == 3
    assert answer["nodes"] == [
        {"id": "0:event:a", "level": 0, "kind": "event", "event": "a", "sessions": 3},
        {"id": "1:event:b", "level": 1, "kind": "event", "event": "b", "sessions": 2},
        {"id": "1:event:a", "level": 1, "kind": "event", "event": "a", "sessions": 1},
        {"id": "2:exit", "level": 2, "kind": "exit", "event": None, "sessions": 2},
        {"id": "2:event:c", "level": 2, "kind": "event", "event": "c", "sessions": 1},
    ]
    assert drawn(answer) == {
        ("0:event:a", "1:event:b"): 2,
        ("0:event:a", "1:event:a"): 1,
        ("1:event:b", "2:event:c"): 1,
        ("1:event:b", "2:exit"): 1,
        ("1:event:a", "2:exit"): 1,
    }


async def test_to_an_event_come_those_before_its_first_time(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, "x", "b", "a", "b", "a", user="1"), path(DAY, "a", "x", user="2"))
    assert drawn(await ask(api, to="a", levels=2)) == {
        ("0:event:a", "1:event:b"): 1,
        ("0:event:a", "1:entry"): 1,
        ("1:event:b", "2:event:x"): 1,
    }


async def test_of_neither_it_is_from_the_begin_of_sessions(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, "a", "b", user="1"), path(DAY, "b", user="2"))
    assert drawn(await ask(api, levels=1)) == {("0:event:a", "1:event:b"): 1, ("0:event:b", "1:exit"): 1}


async def test_repeats_are_one_event_if_asked(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, "a", "a", "b", "b", "b", "a", user="1"))
    answer = await ask(api, collapse_repeats=True, levels=4)
    assert [(node["level"], node["event"] or node["kind"]) for node in answer["nodes"]] == [
        (0, "a"), (1, "b"), (2, "a"), (3, "exit"),
    ]  # fmt: skip


async def test_a_session_of_which_no_more_is_kept_did_not_end_there(api: AsyncClient, keep: Keep) -> None:
    await keep(path(DAY, *["a"] * 99, "b", path_truncated=True, user="1"))
    assert drawn(await ask(api, **{"from": "b"}, levels=3)) == {("0:event:b", "1:cut"): 1}
    assert ("1:event:a", "2:event:a") in drawn(await ask(api, to="b", levels=3))


def test_the_rest_of_a_level_is_one_node() -> None:
    pairs = [Pair(0, "a", name, False, count) for name, count in (("b", 5), ("c", 3), ("d", 2), ("e", 1))]
    pairs += [Pair(1, "d", "x", False, 2), Pair(1, "e", None, False, 1)]
    nodes, found = nodes_and_links(pairs, Flow("a", False, 2, False), most=2)
    assert {(node.id, count) for node, count in nodes.items()} == {
        ("0:event:a", 11), ("1:event:b", 5), ("1:event:c", 3), ("1:other", 3), ("2:event:x", 2), ("2:exit", 1),
    }  # fmt: skip
    assert {(source.id, target.id): count for (source, target), count in found.items()} == {
        ("0:event:a", "1:event:b"): 5,
        ("0:event:a", "1:event:c"): 3,
        ("0:event:a", "1:other"): 3,
        ("1:other", "2:event:x"): 2,
        ("1:other", "2:exit"): 1,
    }


async def test_of_generated_traffic_every_flow_equals_counting_by_hand(api: AsyncClient, traffic: Traffic) -> None:
    paths = [[click.client_event for click in visit] for visit in await traffic(3_000)]
    for event in (None, "beer_cart"):
        for backwards in (False, True) if event else (False,):
            for collapsed in (False, True):
                for levels in (1, 4, 10):
                    asked = {"to" if backwards else "from": event, "levels": levels, "collapse_repeats": collapsed}
                    answer = await ask(api, **asked, date_range=GENERATED, most=100)
                    expected = links(paths, event, backwards=backwards, levels=levels, collapsed=collapsed)
                    assert flattened(answer) == expected
                    assert expected.total() > 100


def flattened(answer: dict[str, Any]) -> Counter[tuple[int, str, str | None]]:
    nodes = {node["id"]: node for node in answer["nodes"]}
    return Counter(
        {
            (nodes[link["source"]]["level"], nodes[link["source"]]["event"], nodes[link["target"]]["event"]):
            link["sessions"]
            for link in answer["links"]
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": "a", "to": "b"}, "to"),
        ({"levels": 0}, "levels"),
        ({"levels": 11}, "levels"),
        ({"most": 0}, "most"),
        ({"from": 7}, "from"),
        ({"from": "a\0"}, "from"),
        ({"from_": "a"}, "from_"),
        ({"date_range": ["2021-02-26"]}, "date_range"),
        ({"filters": [["is", "colour", ["red"]]]}, "filters[0][1]"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem_that_names_the_field(
    api: AsyncClient, asked: dict[str, Any], field: str
) -> None:
    assert problem(await api.post("/v1/paths", json=asked), 422)["errors"][0]["field"] == field
