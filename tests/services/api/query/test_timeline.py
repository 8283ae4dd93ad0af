"""`GET /v1/users/{user_id}/timeline`: clicks and sessions of one user, by time."""

from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from httpx import AsyncClient
from pydantic import SecretStr

from clickloom.click import Click
from clickloom.settings import Settings
from clickloom.wire import FIELD, encode
from services.api.ingest.privacy import Privacy
from services.api.query.timeline import Timeline
from services.persister.rows import Rows, add_clicks, add_entries
from services.persister.writer import write
from tests.clicks import batch, click
from tests.services.api.conftest import Keep, Make, serving
from tests.services.api.ingest.test_native import problem
from tests.services.api.query.test_sessions import DAY
from tests.sessions import session


async def keep_clicks(settings: Settings, *clicks: Click, arrival: float = DAY + 60) -> None:
    """Puts clicks into the table, as the persister does."""
    rows = Rows("clicks:{0}")
    add_entries(rows, [(b"1-0", {FIELD: encode(batch(*clicks, arrival=arrival))})], partial(add_clicks, 0))
    async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
        await write(connection, rows)


async def timeline(api: AsyncClient, user: str = "64", **asked: Any) -> list[str]:
    """`click cart` and `session`, page by page."""
    found: list[str] = []
    url = str(httpx.URL(f"/v1/users/{user}/timeline", params=asked))
    while url:
        answer = await api.get(url)
        assert answer.status_code == 200, answer.text
        Timeline.model_validate(answer.json())
        for one in answer.json()["timeline"]:
            found.append("session" if one["kind"] == "session" else f"click {one['click']['client_event']}")
        url = answer.links.get("next", {}).get("url", "")
    return found


VISIT = [click(DAY, event="vitrine"), click(DAY + 1, event="cart"), click(DAY + 2, event="checkout")]
SHOWN = ["click checkout", "click cart", "click vitrine", "session", "session"]


async def filled(settings: Settings, keep: Keep) -> None:
    others = [click(DAY + number, user=f"other{number}") for number in range(5)]
    await keep_clicks(settings, *VISIT, *others)
    await keep(session(DAY, events=3), session(DAY - 3600), session(DAY, user="other1"))
    await keep(session(DAY, window="minutes"), window="minutes")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_clicks_and_sessions_come_newest_first_page_by_page(
    api: AsyncClient, settings: Settings, keep: Keep, limit: int
) -> None:
    await filled(settings, keep)
    assert await timeline(api, limit=limit) == SHOWN


async def test_it_is_of_a_stretch_of_time(api: AsyncClient, settings: Settings, keep: Keep) -> None:
    await filled(settings, keep)
    assert await timeline(api, **{"from": "2021-02-26T00:00:01Z"}) == SHOWN[:2]
    assert await timeline(api, **{"from": "2021-02-26", "to": "2021-02-26T00:00:01Z"}) == SHOWN[2:4]
    assert await timeline(api, window="minutes", to="2021-02-26T00:00:01Z") == SHOWN[2:4]
    assert await timeline(api, site_id="shop") == []


async def test_clicks_of_one_moment_are_each_shown_once(api: AsyncClient, settings: Settings, keep: Keep) -> None:
    await keep_clicks(settings, *(click(DAY, event=f"e{number}") for number in range(7)))
    await keep(session(DAY, events=7))
    for limit in (1, 3):
        found = await timeline(api, limit=limit)
        assert found == [*(f"click e{number}" for number in reversed(range(7))), "session"]


async def test_a_user_whose_id_is_hashed_is_found_by_either(settings: Settings) -> None:
    salted = settings.model_copy(update={"user_id_salt": SecretStr("salt")})
    hashed = Privacy("salt", False).hashed("64")
    await keep_clicks(settings, click(DAY, user=hashed, event="cart"))
    async with serving(salted) as api:
        assert await timeline(api) == await timeline(api, hashed) == ["click cart"]


async def test_a_key_shows_its_sites_alone(locked: Settings, keep: Keep, make: Make) -> None:
    await keep(session(DAY, site_id="shop"), session(DAY + 1, site_id="blog"))
    key = await make("read", "shop")
    async with serving(locked) as api:
        assert (await api.get("/v1/users/64/timeline")).status_code == 401
        api.headers["authorization"] = f"Bearer {key}"
        assert await timeline(api) == ["session"]


@pytest.mark.parametrize(
    ("question", "field"),
    [("limit=0", "limit"), ("colour=red", "colour"), ("window=hours", "window"), ("cursor=x", "cursor")],
)
async def test_what_is_no_question_about_a_user_is_told(api: AsyncClient, question: str, field: str) -> None:
    answer = problem(await api.get(f"/v1/users/64/timeline?{question}"), 422)
    assert [error["field"] for error in answer["errors"]] == [field]
