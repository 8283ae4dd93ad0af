"""`clickloom score`, as a person uses it: over files, and over the database."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clickloom.errors import InvalidSetting
from services.cli.__main__ import app
from services.generator.truth import Truth, read_truth

Lines = list[bytes]


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", **environment})


class Files:
    """Generated traffic, its truth, and its sessions as `clickloom sessionize` cuts them."""

    def __init__(self, folder: Path, *arguments: str, sessionize: tuple[str, ...] = (), **environment: str) -> None:
        self.events, self.truth = folder / "events", folder / "truth"
        self.sessions, self.late = folder / "sessions", folder / "late"
        written = ("--out", str(self.events), "--truth", str(self.truth))
        made = run("generate", "--count", "3000", "--seed", "3", *written, *arguments, **environment)
        assert made.exit_code == 0, made.output
        cut = run("sessionize", str(self.events), "--late", str(self.late), *sessionize)
        assert cut.exit_code == 0, cut.output
        self.sessions.write_bytes(cut.stdout_bytes)

    def score(self, *arguments: str) -> Result:
        return run("score", str(self.truth), "--sessions", str(self.sessions), *arguments)

    def read(self) -> Truth:
        return read_truth(self.truth.read_bytes().splitlines())

    def tamper(self, change: Callable[[Lines], Lines]) -> None:
        lines = change(self.sessions.read_bytes().splitlines(keepends=True))
        self.sessions.write_bytes(b"".join(lines))


ROUGH = ("--disorder", "0.2", "--duplicates", "0.05", "--bots", "0.05")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, *ROUGH)


def counted(result: Result) -> dict[str, str]:
    cells = [line.split("│") for line in result.stdout.splitlines() if line.startswith("│")]
    return {row[1].strip(): row[2].strip() for row in cells}


def test_disorder_duplicates_and_bots_leave_every_session_exact(files: Files) -> None:
    result = files.score()
    assert result.exit_code == 0, result.output
    table = counted(result)
    assert table["exact"] == table["true"] == table["made"]
    assert int(table["exact"].replace(",", "")) == len(files.read().sessions) > 500


def longest(lines: Lines) -> int:
    return max(range(len(lines)), key=lambda number: json.loads(lines[number])["duration_sec"])


def split(lines: Lines) -> Lines:
    number = longest(lines)
    row = json.loads(lines[number])
    halves = [{**row, "end_session": row["begin_session"]}, {**row, "begin_session": row["end_session"]}]
    return [*lines[:number], *(json.dumps(half).encode() + b"\n" for half in halves), *lines[number + 1 :]]


def missing(lines: Lines) -> Lines:
    return lines[1:]


def joined(lines: Lines) -> Lines:
    rows = sorted(map(json.loads, lines), key=lambda row: (row["user_id"], row["device_id"], row["begin_session"]))
    number = next(
        n for n in range(len(rows)) if all(rows[n][key] == rows[n + 1][key] for key in ("user_id", "device_id"))
    )
    rows[number]["end_session"] = rows.pop(number + 1)["end_session"]
    return [json.dumps(row).encode() + b"\n" for row in rows]


def changed(lines: Lines) -> Lines:
    return [lines[0].replace(b'"events":', b'"events":1'), *lines[1:]]


@pytest.mark.parametrize(("change", "count"), [(split, 1), (missing, 1), (joined, 2), (changed, 1)])
def test_a_session_that_was_tampered_with_is_found(
    tmp_path: Path, change: Callable[[Lines], Lines], count: int
) -> None:
    files = Files(tmp_path, *ROUGH, "--rate", "1")
    files.tamper(change)
    result = files.score()
    assert result.exit_code == 1
    table = counted(result)
    assert table[change.__name__] == table["unexplained"] == str(count)
    assert f"{change.__name__}: " in result.stdout


def test_an_extra_session_is_found(files: Files) -> None:
    files.tamper(lambda lines: [*lines, lines[0].replace(b'"user_id":"', b'"user_id":"9')])
    result = files.score()
    assert (result.exit_code, counted(result)["extra"]) == (1, "1")


def test_every_late_click_and_no_other_is_in_the_late_output(tmp_path: Path) -> None:
    files = Files(tmp_path, *ROUGH, "--late", "0.02")
    result = files.score("--late", str(files.late))
    assert result.exit_code == 0, result.output
    table = counted(result)
    count = len(files.read().late)
    assert count > 30
    assert (table["late clicks found"], table["late though in time"]) == (f"{count} of {count}", "0")
    files.late.write_bytes(b"".join(files.late.read_bytes().splitlines(keepends=True)[1:]))
    result = files.score("--late", str(files.late))
    assert result.exit_code == 1
    assert counted(result)["late clicks found"] == f"{count - 1} of {count}"


def test_deviations_beyond_the_bounds_are_explained_by_the_late_output(tmp_path: Path) -> None:
    """The pipeline waits for less than the traffic needs: what it makes is not exact, but it says why."""
    beyond = ("--disorder", "0.3", "--disorder-within", "5m", "--rate", "5")
    impatient = ("--window", "session(gap=20s)", "--out-of-orderness", "0s", "--allowed-lateness", "0s")
    files = Files(tmp_path, *beyond, sessionize=impatient, WINDOWS="visits = session(gap=20s)")
    result = files.score("--late", str(files.late))
    assert result.exit_code == 1
    table = counted(result)
    assert int(table["missing"]) > 100
    assert int(table["late though in time"]) > 100
    assert table["unexplained"] == "0"


def test_a_changelog_is_refused(files: Files) -> None:
    files.sessions.write_bytes(run("sessionize", str(files.events), "--emit", "changelog").stdout_bytes)
    result = files.score()
    assert isinstance(result.exception, InvalidSetting)
    assert "--emit final" in str(result.exception)


def test_late_clicks_of_a_file_are_refused_beside_the_databases_sessions(files: Files) -> None:
    result = run("score", str(files.truth), "--late", "x")
    assert result.exit_code == 2
    assert "--late belongs to --sessions" in result.output
