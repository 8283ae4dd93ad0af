"""A real web log through the window code, held against figures of its own README."""

from pathlib import Path

from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from services.cli.sessionize import read_clicks, sessionize
from services.cli.source import Format, open_source


def test_the_web_log_has_the_sessions_that_were_counted_elsewhere(access_log: Path) -> None:
    rejected: list[str] = []
    rules = Rules(out_of_orderness_us=60_000_000)
    with open_source(str(access_log)) as lines:
        clicks = read_clicks(lines, Format.combined, rules, rejected)
        sessions = sessionize(clicks, SessionWindow("visits"), rules)
    assert len(sessions) == 3_223
    assert sum(session.events == 1 for session in sessions) == 1_774
    assert sum(session.events for session in sessions) == 9_999
    assert [line.split(":")[0] for line in rejected] == ["line 8899"]
