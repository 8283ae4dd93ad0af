"""However history comes in parts, what is there in the end is one batch over all of it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clickloom.click import Click
from clickloom.settings import Settings
from clickloom.windows.spec import parse_windows
from services.persister.recount import check_rollups
from tests.clicks import click
from tests.services.cli.history.files import event_of, imbalance, import_files, sessions_in, tables, write_lines
from tests.windows.answers import batch_answer

WINDOWS = "visits = session(gap=30m, max_duration=2h); minutes = stagger(range=1m)"
START_S = 1_600_000_000
PARTS = 3

# Times that make windows decide: at the gap, a second beside it, in one minute, and far away.
seconds = st.builds(
    lambda halves, beside: 1_800 * halves + beside, st.integers(0, 9), st.sampled_from([-1, 0, 1, 20, 600, 1_799])
)
parts = st.sets(st.integers(0, PARTS - 1), min_size=1)
clicks = st.tuples(seconds, st.sampled_from("ab"), st.sampled_from("xy"), parts)


def made(found: Sequence[tuple[int, str, str, set[int]]], *, named: bool) -> list[tuple[Click, set[int]]]:
    """With the parts that each click is in; no two are alike."""
    events = {(second, user, event): parts for second, user, event, parts in found}
    return [
        (click(START_S + second, user=user, event=event, event_id=f"{number}" if named else None), parts)
        for number, ((second, user, event), parts) in enumerate(events.items())
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(clicks, min_size=1, max_size=25), st.booleans())
def test_parts_that_overlap_come_to_one_batch_over_all_and_again_change_nothing(
    settings: Settings, database: "psycopg.Connection[Any]", found: list[tuple[int, str, str, set[int]]], named: bool
) -> None:
    database.execute(
        "TRUNCATE clicks, sessions, session_rollups, ledger, ledger_windows, ledger_streams, rejected_events"
    )
    events, mine = made(found, named=named), settings.model_copy(update={"windows": WINDOWS})
    with TemporaryDirectory() as folder:
        files = [
            write_lines(Path(folder) / f"{part}.jsonl", [event_of(one) for one, parts in events if part in parts])
            for part in range(PARTS)
        ]
        for file in files:
            assert import_files(mine, file).loaded.left == 0
            assert imbalance(mine, "visits", "minutes") == []
            assert check_rollups(database).differences == []
        everything = [one for one, _ in events]
        for window in parse_windows(WINDOWS):
            assert sessions_in(database, window.name) == batch_answer(everything, window)
        assert database.execute("SELECT count(*) FROM clicks").fetchall() == [(len(events),)]
        before = tables(database)
        assert import_files(mine, *files).loaded.new == 0
        assert tables(database) == before
