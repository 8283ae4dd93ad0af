"""The truth on disk."""

import pytest

from clickloom.errors import InvalidSetting
from clickloom.settings import Settings
from services.generator.plan import Plan
from services.generator.truth import Record, Truth, as_line, read_truth
from tests.services.generator.traffic import generated


def lines() -> list[bytes]:
    return as_lines(generated(Plan(seed=1, count=200), Settings())[1])


def as_lines(truth: Truth) -> list[bytes]:
    records: list[Record] = [truth.run, *truth.sessions, *truth.late, truth.end]
    return list(map(as_line, records))


def test_a_truth_comes_back_as_it_was_written() -> None:
    written = lines()
    read = read_truth(written)
    assert as_lines(read) == written
    assert read.sessions


def test_a_truth_that_was_cut_short_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="cut short"):
        read_truth(lines()[:-1])
    with pytest.raises(InvalidSetting, match="cut short"):
        read_truth(lines()[1:])


def test_what_is_no_record_is_named_by_its_line() -> None:
    written = lines()
    written[2] = written[2].replace(b'"events":', b'"clicks":')
    with pytest.raises(InvalidSetting, match="line 3 of the truth"):
        read_truth(written)
