"""The log of segments: what is read back is what was written last, and outdated segments go."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickloom.errors import UnknownVersion
from clickloom.keys import SEPARATOR, Person, visitor_key
from clickloom.windows.stored import decode_segment
from services.sessionizer import segments as module
from services.sessionizer.segments import Segments

Commits = list[dict[str, bytes | None]]  # visitor → sessions; None: forgotten


class Log:
    """The segments as Redis keeps them, and what the newest values are."""

    def __init__(self) -> None:
        self.segments = Segments()
        self.stored: dict[int, bytes] = {}
        self.newest: dict[str, bytes] = {}

    def commit(self, number: int, changed: dict[str, bytes | None], gone: Person | None = None) -> None:
        """`gone`: is expelled, of whom the newest values forget everything before `changed`."""
        rewritten = self.segments.outdated()
        if gone:
            rewritten += self.segments.expel(gone)
            self.newest = {key: value for key, value in self.newest.items() if not gone.owns(key)}
        again = {visitor: self.newest[visitor] for visitor in rewritten if visitor in self.newest}
        written = {**again, **{visitor: value for visitor, value in changed.items() if value is not None}}
        forgotten = [visitor for visitor, value in changed.items() if value is None]
        for visitor in forgotten:
            written.pop(visitor, None)
        value, dropped = self.segments.add(number, written, forgotten)
        self.stored |= {number: value} if value else {}
        for old in dropped:
            del self.stored[old]
        self.newest = {**self.newest, **written}
        for visitor in forgotten:
            self.newest.pop(visitor, None)

    def restored(self) -> tuple[Segments, dict[str, bytes]]:
        segments, sessions = Segments(), dict[str, bytes]()
        for number, value in sorted(self.stored.items()):
            segments.restore(number, value, sessions)
        return segments, sessions


@pytest.fixture
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLACK_BYTES", 0)


visits = st.dictionaries(
    st.sampled_from([visitor_key(site, user, "d") for site in "xy" for user in "abc"]),
    st.none() | st.binary(max_size=20),
    max_size=4,
)
changes = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.binary(max_size=20), max_size=4)


@given(st.lists(changes, max_size=40), st.integers(0, 40))
def test_the_newest_sessions_are_read_back_after_any_commits_and_a_change_of_owner(commits: Commits, at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLACK_BYTES", 0)
        log = Log()
        for number, changed in enumerate(commits, start=1):
            log.commit(number, changed)
            if number == at:
                log.segments, _ = log.restored()
        assert log.restored()[1] == log.newest


@pytest.mark.usefixtures("no_slack")
def test_what_is_stored_stays_in_proportion_to_what_counts() -> None:
    log, random = Log(), Random(1)
    for number in range(1, 500):
        log.commit(number, {f"visitor {random.randrange(300)}": random.randbytes(100) for _ in range(20)})
    counts = sum(map(len, log.newest.values()))
    assert len(log.newest) == 300
    assert sum(map(len, log.stored.values())) < 2 * counts


@pytest.mark.usefixtures("no_slack")
def test_nothing_is_stored_of_visitors_that_are_all_forgotten() -> None:
    log = Log()
    log.commit(1, dict.fromkeys("abc", b"sessions"))
    log.commit(2, dict.fromkeys("abc"))
    log.commit(3, {})
    assert log.stored == {}


def test_a_visitor_that_came_and_went_between_two_commits_leaves_no_trace() -> None:
    assert Segments().add(1, {}, ["a"]) == (b"", [])


def test_a_segment_of_a_later_version_stops_the_reader() -> None:
    with pytest.raises(UnknownVersion, match="version 2"):
        decode_segment(msgspec.msgpack.encode([2, {}, []]))


actions = st.lists(st.tuples(visits, st.sampled_from([None, None, None, *"abc"])), max_size=30)


@given(actions, st.integers(0, 30))
def test_who_was_expelled_is_in_no_segment_and_all_others_are_as_they_were(
    commits: list[tuple[dict[str, bytes | None], str | None]], at: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SLACK_BYTES", 0)
        log = Log()
        for number, (changed, gone) in enumerate(commits, start=1):
            if number == at:
                log.segments, _ = log.restored()
            log.commit(number, changed, Person(None, gone) if gone else None)
            assert log.restored()[1] == log.newest
            if gone and not any(key.split(SEPARATOR)[1] == gone for key in changed):
                assert not any(f"{SEPARATOR}{gone}{SEPARATOR}".encode() in value for value in log.stored.values())
