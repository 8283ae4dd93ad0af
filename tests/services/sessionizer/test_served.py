"""What a part tells of its commits."""

from prometheus_client import REGISTRY

from clickloom.keys import Person
from clickloom.times import SECOND_US
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.wire import Tally
from services.sessionizer.leases import Lease, Part
from services.sessionizer.schedule import CommitPolicy
from services.sessionizer.segments import Segments
from services.sessionizer.served import Served
from services.sessionizer.store import Position
from tests.clicks import batch, click

WINDOW = SessionWindow("told", gap_us=10 * SECOND_US)
RULES = Rules(out_of_orderness_us=0, allowed_lateness_us=0)


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"clickloom_sessionizer_{name}_total", {"window": "told"}) or 0


def test_late_clicks_and_duplicates_are_counted_by_window_and_told_with_their_entry() -> None:
    served = Served(
        Lease(Part(0, "told"), 1, "worker"),
        Partition(WINDOW, RULES),
        Segments(),
        at=Position("4-0", 7),
        policy=CommitPolicy(interval_us=250_000, sessions=20_000),
        now_us=0,
    )
    twice = click(100)
    served.apply(["5-0", "5-1", "6-0"], [batch(twice), None, batch(twice, click(1), click(2), click(101))])
    changelog = served.take_commit(0).changes.changelog
    assert (changelog.number, changelog.read_to, changelog.open_events) == (8, (6, 0), {"default": 2})
    assert changelog.tallies == [Tally((5, 0), "default", 1), Tally((6, 0), "default", 4, duplicates=1, late=2)]
    assert [late.position for late in changelog.late] == [(6, 0, 1), (6, 0, 2)]
    assert (counted("duplicates"), counted("late_clicks")) == (1, 2)
    assert served.take_commit(0).changes.changelog.tallies == []


def test_a_commit_tells_whose_sessions_it_closed_for_they_are_erased() -> None:
    served = Served(
        Lease(Part(0, "told"), 1, "worker"),
        Partition(WINDOW, RULES),
        Segments(),
        at=Position("4-0", 7),
        policy=CommitPolicy(interval_us=250_000, sessions=20_000),
        now_us=0,
    )
    erasure = batch()
    erasure.erase = [Person(None, "64")]
    served.apply(["5-0", "6-0"], [batch(click(1)), erasure])
    changelog = served.take_commit(0).changes.changelog
    assert (changelog.erased, [row.user_id for row in changelog.plus]) == ([Person(None, "64")], ["64"])
    assert served.take_commit(0).changes.changelog.erased == []
