"""Triggers over HTTP."""

from datetime import datetime
from typing import Any

import pytest
from httpx import AsyncClient

from clickloom.settings import Settings
from clickloom.shown import shown
from tests.conftest import Select
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.ingest.test_native import problem
from tests.sessions import session

URL = "https://shop.example/hook"
DRAFT: dict[str, Any] = {"name": "left", "url": URL, "conditions": {"bounced": True}}
DAY = 1_614_297_600.0  # 26 February 2021, 00:00 UTC


async def made(api: AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await api.post("/v1/triggers", json={**DRAFT, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_trigger_is_made_shown_changed_and_deleted_and_its_secret_is_told_once(api: AsyncClient) -> None:
    one = await made(api, conditions={"event": "cart", "without": "checkout", "within": "10m"}, on="open")
    assert one.pop("secret").startswith("whsec_")
    assert {name: one[name] for name in ("name", "sites", "window", "on", "enabled", "trouble")} == {
        "name": "left", "sites": [], "window": "visits", "on": "open", "enabled": True, "trouble": None,
    }  # fmt: skip
    assert one["firings"] == {"pending": 0, "delivered": 0, "dead": 0}
    path = f"/v1/triggers/{one['trigger_id']}"
    assert (await api.get(path)).json() == one
    assert (await api.get("/v1/triggers")).json() == {"triggers": [one]}
    changed = (await api.patch(path, json={"enabled": False, "name": "gone"})).json()
    assert changed == {**one, "enabled": False, "name": "gone"}
    assert (await api.get(path)).json() == changed
    assert (await api.delete(path)).status_code == 204
    for answer in (await api.get(path), await api.delete(path), await api.patch(path, json={})):
        assert one["trigger_id"] in problem(answer, 404)["detail"]


async def test_a_trigger_that_is_enabled_again_is_so_from_then_on(api: AsyncClient, select: Select) -> None:
    one = await made(api)
    [(before,)] = select("SELECT enabled_at FROM triggers")
    assert isinstance(before, datetime)
    for enabled in (True, False):
        await api.patch(f"/v1/triggers/{one['trigger_id']}", json={"enabled": enabled})
        assert select("SELECT enabled_at FROM triggers") == [(before,)]
    await api.patch(f"/v1/triggers/{one['trigger_id']}", json={"enabled": True})
    [(after,)] = select("SELECT enabled_at FROM triggers")
    assert after > before


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"conditions": {}}, "conditions", "none is given; possible are bounced"),
        ({"conditions": {"bounced": "perhaps"}}, "conditions.bounced", "valid boolean"),
        ({"conditions": {"colour": "red"}}, "conditions.colour", "not permitted"),
        ({"conditions": {"without": "a"}}, "conditions", "needs an `event`"),
        ({"on": "open"}, "conditions", "on open needs an absence"),
        ({"on": "soon"}, "on", "'closed' or 'open'"),
        ({"window": "hours"}, "window", "one of visits, minutes"),
        ({"url": "ftp://shop.example"}, "url", "http and https are possible"),
        ({"url": "http://127.0.0.1:8080/"}, "url", "WEBHOOK_PRIVATE=on"),
        ({"url": "http://localhost/"}, "url", "WEBHOOK_PRIVATE=on"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"colour": "red"}, "colour", "there are window, sites, on"),
    ],
)
async def test_a_trigger_that_can_be_none_is_refused_with_the_field_and_what_is_possible(
    api: AsyncClient, wrong: dict[str, Any], field: str, said: str
) -> None:
    answer = problem(await api.post("/v1/triggers", json={**DRAFT, **wrong}), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
    assert said in answer["detail"]


async def test_a_body_that_is_no_json_is_a_problem_of_the_body(api: AsyncClient) -> None:
    for body in (b"{", b"", b"[]"):
        answer = problem(await api.post("/v1/triggers", content=body), 422)
        assert [error["field"] for error in answer["errors"]] == ["body"]


async def test_a_change_is_held_to_the_same(api: AsyncClient) -> None:
    path = f"/v1/triggers/{(await made(api))['trigger_id']}"
    assert "url" in problem(await api.patch(path, json={"url": "http://10.0.0.1/"}), 422)["detail"]
    assert "none is given" in problem(await api.patch(path, json={"conditions": {}}), 422)["detail"]
    assert (await api.get(path)).json()["url"] == URL


async def test_a_key_manages_the_triggers_of_its_sites_and_no_others(locked: Settings, make: Make) -> None:
    keys = {
        "reader": await make("read", "shop"),
        "shop": await make("read", "shop", scopes=["admin"]),
        "blog": await make("read", "blog", scopes=["admin"]),
        "all": await make("read", scopes=["admin"]),
    }
    by = {name: {"authorization": f"Bearer {text}"} for name, text in keys.items()}
    async with serving(locked) as api:
        problem(await api.post("/v1/triggers", json=DRAFT), 401)
        assert "no scope admin" in problem(await api.get("/v1/triggers", headers=by["reader"]), 403)["detail"]
        theirs = await api.post("/v1/triggers", json=DRAFT, headers=by["shop"])
        assert theirs.json()["sites"] == ["shop"], "a key of sites makes triggers of these"
        of_all = await api.post("/v1/triggers", json=DRAFT, headers=by["all"])
        assert of_all.json()["sites"] == []
        refused = await api.post("/v1/triggers", json={**DRAFT, "sites": ["shop"]}, headers=by["blog"])
        assert "of the site blog, not of shop" in problem(refused, 403)["detail"]
        for name, count in (("shop", 1), ("blog", 0), ("all", 2)):
            listed = (await api.get("/v1/triggers", headers=by[name])).json()["triggers"]
            assert len(listed) == count, name
        for one in (theirs, of_all):
            path = f"/v1/triggers/{one.json()['trigger_id']}"
            problem(await api.get(path, headers=by["blog"]), 404)
            problem(await api.delete(path, headers=by["blog"]), 404)
            problem(await api.post(f"{path}/deliveries/retry", headers=by["blog"]), 404)
        tried = {"conditions": {"min_events": 1}, "sites": ["shop"]}
        problem(await api.post("/v1/triggers/dry-run", json=tried, headers=by["blog"]), 403)


async def test_a_dry_run_counts_by_day_what_would_have_fired(api: AsyncClient, keep: Keep) -> None:
    found = [session(DAY + 60, user="a", events=3), session(DAY + 86_400, user="b", events=4)]
    await keep(*found, session(DAY, user="c", events=2), session(DAY - 1, user="d", events=9))
    asked = {"conditions": {"min_events": 3}, "from": "2021-02-26T00:00:00Z", "to": "2021-03-01"}
    answer = await api.post("/v1/triggers/dry-run", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "fired": 2,
        "days": [{"day": "2021-02-27", "fired": 1}, {"day": "2021-02-26", "fired": 1}],
        "examples": [str(one.session_uid) for one in reversed(found)],
    }
    nothing = await api.post("/v1/triggers/dry-run", json={**asked, "sites": ["shop"]})
    assert nothing.json() == {"fired": 0, "days": [], "examples": []}


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ({"from": "2021-02-27", "to": "2021-02-26"}, "must be before `to`"),
        ({"from": "2020-01-01", "to": "2021-02-26"}, "at most 366 days"),
        ({"to": "0001-01-02"}, "before every session"),
    ],
)
async def test_a_stretch_of_time_that_is_none_is_refused(api: AsyncClient, span: dict[str, str], said: str) -> None:
    answer = await api.post("/v1/triggers/dry-run", json={"conditions": {"min_events": 1}, **span})
    assert said in problem(answer, 422)["detail"]


async def test_what_has_fired_is_listed_by_state_and_the_dead_can_be_sent_again(
    api: AsyncClient, select: Select
) -> None:
    one = await made(api)
    for number, state in enumerate(["dead", "dead", "delivered"], start=1):
        select(
            "INSERT INTO trigger_firings SELECT ('0000000000000000000000000000000' || %s)::uuid, %s::uuid,"
            " gen_random_uuid(), 'a', 'a', 'a', now(), now(), now() + make_interval(secs => %s), '{}', %s, 8, now(),"
            " now(), '503' RETURNING 1",
            *(number, one["trigger_id"], number, state),
        )  # fmt: skip
    path = f"/v1/triggers/{one['trigger_id']}/deliveries"
    ids = [f"msg_{number:032x}" for number in (3, 2, 1)]
    page = (await api.get(path, params={"limit": 2})).json()
    assert [row["webhook_id"] for row in page["deliveries"]] == ids[:2]
    rest = (await api.get(path, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([row["webhook_id"] for row in rest["deliveries"]], rest["next_cursor"]) == (ids[2:], None)
    dead = (await api.get(path, params={"state": "dead"})).json()["deliveries"]
    assert [(row["state"], row["attempts"], row["answer"], row["next_attempt_at"]) for row in dead] == [
        ("dead", 8, "503", None),
        ("dead", 8, "503", None),
    ]
    problem(await api.post(f"{path}/{ids[0]}/retry"), 404)
    problem(await api.post(f"{path}/nonsense/retry"), 422)
    assert (await api.post(f"{path}/{ids[1]}/retry")).json() == {"retried": 1}
    assert (await api.post(f"{path}/retry")).json() == {"retried": 1}
    firings = (await api.get(f"/v1/triggers/{one['trigger_id']}")).json()["firings"]
    assert firings == {"pending": 2, "delivered": 1, "dead": 0}
    assert "state" in problem(await api.get(path, params={"state": "lost"}), 422)["detail"]
    assert "cursor" in problem(await api.get(path, params={"cursor": "e30="}), 422)["detail"]


async def test_a_closed_session_is_told_as_it_is_listed(api: AsyncClient, keep: Keep) -> None:
    one = session(DAY, events=3)
    await keep(one)
    [listed] = (await api.get("/v1/sessions")).json()["sessions"]
    assert set(listed) == set(shown("visits", one))
