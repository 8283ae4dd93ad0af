"""What subscribers are shown of clicks and sessions, by what they asked for."""

from typing import Any

import msgspec

from clickloom.wire import Changelog
from services.api.live.views import ClicksView, SessionsView
from services.api.query.session_answers import SessionAnswer
from tests.clicks import batch, click
from tests.sessions import changelog, session


def sessions(*logs: Changelog, **asked: Any) -> dict[str, Any]:
    names = ("site_id", "user_id", "device_id", "device_type", "client_event", "converted", "bounced")
    view = SessionsView("visits", *(asked.get(name) for name in (*names, "at_most")))
    shown = view.show(list(logs))
    return msgspec.json.decode(shown) if shown else {"revoked": [], "sessions": []}


def clicks(*made: Any, **asked: Any) -> list[str]:
    names = ("site_id", "user_id", "device_type", "client_event", "is_bot")
    shown = ClicksView(*(asked.get(name) for name in names)).show([batch(*made)])
    return [one["event_id"] for one in msgspec.json.decode(shown)] if shown else []


def test_a_session_is_shown_as_a_question_would_show_it() -> None:
    [shown] = sessions(changelog(session(1e9)))["sessions"]
    assert set(shown) == set(SessionAnswer.model_fields)
    SessionAnswer.model_validate(shown)


def test_sessions_are_chosen_and_what_is_revoked_only_by_site() -> None:
    shop, blog = session(1e9, site_id="shop", converted=True), session(2e9, site_id="blog", user="65")
    logs = changelog(shop, blog, minus=(session(3e9, site_id="shop"), session(4e9, site_id="blog")))
    for asked, expected in (
        ({"site_id": "shop"}, (1, ["64"])),
        ({"site_id": "blog", "converted": True}, (1, [])),
        ({"user_id": "65"}, (2, ["65"])),
        ({"client_event": "beer_vitrine_nav"}, (2, ["64", "65"])),
        ({"client_event": "nothing", "bounced": True}, (2, [])),
    ):
        shown = sessions(logs, **asked)
        assert (len(shown["revoked"]), [row["user_id"] for row in shown["sessions"]]) == expected


def test_what_one_commit_shows_and_the_next_takes_back_is_not_told() -> None:
    old, new = session(1e9), session(1e9, version=2, events=3)
    assert sessions(changelog(old), changelog(minus=(old,))) == {"revoked": [], "sessions": []}
    shown = sessions(changelog(old), changelog(new, minus=(old,)))
    assert (shown["revoked"], [row["version"] for row in shown["sessions"]]) == ([], [2])


def test_of_many_sessions_the_newest_are_shown_revised_ones_first_and_the_others_counted() -> None:
    logs = changelog(session(1e9, version=2), session(2e9), session(3e9), session(4e9))
    shown = sessions(logs, at_most=2)
    assert [row["begin_session"][:4] for row in shown["sessions"]] == ["2096", "2001"]
    assert (shown["sessions"][1]["version"], shown["left_out"]) == (2, 2)
    assert sessions(logs, at_most=4)["left_out"] == 0
    assert "left_out" not in sessions(logs)


def test_clicks_are_chosen_by_site_user_device_event_and_bot() -> None:
    made = [
        click(1, event_id="a", site_id="shop", device_id="mobile"),
        click(2, event_id="b", user="65", event="cart", page_url="/x"),
        click(3, event_id="c", is_bot=True),
    ]
    assert clicks(*made) == ["a", "b", "c"]
    assert clicks(*made, site_id="shop") == clicks(*made, device_type="mobile") == ["a"]
    assert clicks(*made, user_id="65") == clicks(*made, client_event="cart") == ["b"]
    assert (clicks(*made, is_bot=True), clicks(*made, client_event="none")) == (["c"], [])
