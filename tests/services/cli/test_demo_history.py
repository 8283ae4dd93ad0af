"""The demo's past: made once, whole, also after it was cut short."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickloom.settings import Settings
from clickloom.times import from_datetime
from services.cli.demo_history import NOTE, make_past, note_past
from services.cli.history.run import Report
from tests.conftest import Select

DAYS = 14
RATE = 0.05


@pytest.fixture
def end() -> datetime:
    return datetime.now(UTC) - timedelta(hours=6)


@pytest.fixture
def note(settings: Settings, tmp_path: Path, end: datetime) -> Path:
    found = noted(settings, tmp_path, end)
    assert found is not None
    return found


def noted(settings: Settings, folder: Path, end: datetime, *, days: int = DAYS) -> Path | None:
    return note_past(settings.database_url, folder, end_us=from_datetime(end), days=days, rate=RATE)


def made(note: Path, settings: Settings) -> Report:
    return make_past(note, settings, patience_s=0)


def test_it_fills_its_days_with_visits_of_every_kind(
    note: Path, settings: Settings, end: datetime, select: Select
) -> None:
    report = made(note, settings)
    [(clicks, first, last)] = select("SELECT count(*), min(client_timestamp), max(client_timestamp) FROM clicks")
    assert clicks == report.loaded.new == pytest.approx(RATE / 10 * DAYS * 86_400, rel=0.05)
    assert timedelta(days=DAYS) - timedelta(hours=2) < last - first <= timedelta(days=DAYS)
    assert last < end
    kinds = "count(DISTINCT {0}) FROM sessions WHERE \"window\" = 'visits'"
    for column, at_least in {
        "device_type": 3,
        "referrer": 4,
        "utm_campaign": 4,
        "entry_url": 30,
        "experiments->>'landing'": 2,
        "experiments->>'checkout'": 2,
        "begin_navigation": 4,
        "date_trunc('day', begin_session)": DAYS,
        "converted": 2,
        "bounced": 2,
    }.items():
        assert select(f"SELECT {kinds.format(column)}")[0][0] >= at_least, column
    [(returning,)] = select("SELECT count(*) FROM (SELECT FROM sessions GROUP BY user_id HAVING count(*) > 5) AS often")
    assert returning > 10


def test_it_is_made_once(note: Path, settings: Settings, tmp_path: Path, end: datetime) -> None:
    made(note, settings)
    assert list(tmp_path.iterdir()) == []
    assert noted(settings, tmp_path, end) is None


def test_one_that_was_cut_short_is_made_as_it_was_noted(
    note: Path, settings: Settings, tmp_path: Path, end: datetime, select: Select
) -> None:
    told = note.read_bytes()
    made(note, settings)
    [before] = select("SELECT count(*), sum(events) FROM sessions")
    note.write_bytes(told)  # killed just before it was removed
    assert noted(settings, tmp_path, end + timedelta(hours=1), days=3) == note
    assert note.read_bytes() == told
    report = made(note, settings)
    assert (report.loaded.new, report.loaded.left) == (0, 0)
    assert select("SELECT count(*), sum(events) FROM sessions") == [before]
    assert not (tmp_path / NOTE).exists()


def test_who_wants_none_gets_none(settings: Settings, tmp_path: Path, end: datetime) -> None:
    assert noted(settings, tmp_path, end, days=0) is None
    assert list(tmp_path.iterdir()) == []
