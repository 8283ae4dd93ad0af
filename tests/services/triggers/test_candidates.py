"""Open sessions for which triggers fire, out of the segments that sessionizers commit."""

from clickloom.stored_part import StoredPart
from clickloom.times import MINUTE_US, SECOND_US
from clickloom.windows.names import SWEPT_AT_LEAST
from clickloom.windows.partition import Changes, Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.windows.stored import VERSION, Segment, decode_meta
from services.triggers.candidates import Candidates
from tests.clicks import batch, click
from tests.triggers.making import trigger

RULES = Rules(out_of_orderness_us=0)
CART = trigger(on="open", event="cart", without="checkout", within="10m")


class Commits:
    """A partition, and what its commits leave in Redis."""

    def __init__(self) -> None:
        self.partition = Partition(SessionWindow("visits", gap_us=30 * MINUTE_US), RULES)
        self.segments: dict[int, Segment] = {}
        self.names: dict[int, str] = {}

    def commit(self, *clicks: tuple[float, str, str], until: float) -> StoredPart:
        """Clicks as (seconds, user, event), and the watermark in seconds."""
        if clicks:
            self.partition.apply(batch(*(click(at, user=user, event=event) for at, user, event in clicks)))
        self.partition.advance(round(until * SECOND_US))
        changes: Changes = self.partition.take_changes(0)
        number = len(self.segments) + 1
        self.segments[number] = Segment(VERSION, changes.sessions, changes.forgotten)
        self.names.update(changes.names_added)
        for code in changes.names_freed:
            del self.names[code]
        return StoredPart(dict(self.segments), dict(self.names), decode_meta(changes.meta))


def due(candidates: Candidates, part: StoredPart) -> list[str]:
    return [fired.session.user_id for fired in candidates.due(part, [CART])]


def test_what_is_left_for_so_long_is_due_from_then_on() -> None:
    commits, candidates = Commits(), Candidates("visits", RULES)
    left = commits.commit((0, "left", "cart"), (0, "looks", "nav"), until=599)
    assert due(candidates, left) == []
    assert due(candidates, commits.commit(until=600)) == ["left"]
    assert due(candidates, commits.commit(until=700)) == ["left"]


def test_only_what_the_newest_segment_says_of_a_visitor_counts() -> None:
    commits, candidates = Commits(), Candidates("visits", RULES)
    commits.commit((0, "left", "cart"), (0, "bought", "cart"), (0, "again", "cart"), until=1)
    part = commits.commit((300, "bought", "checkout"), (300, "again", "cart"), until=650)
    assert due(candidates, part) == ["left"]
    assert due(candidates, commits.commit(until=900)) == ["left", "again"]


def test_what_has_closed_or_is_forgotten_is_not_open() -> None:
    commits, candidates = Commits(), Candidates("visits", RULES)
    assert due(candidates, commits.commit((0, "left", "cart"), until=700)) == ["left"]
    assert due(candidates, commits.commit(until=1_801)) == []
    assert due(candidates, commits.commit(until=10_000)) == []


def test_a_new_trigger_is_judged_over_what_was_there_before() -> None:
    commits, candidates = Commits(), Candidates("visits", RULES)
    part = commits.commit((0, "left", "cart"), (0, "looks", "nav"), until=700)
    assert due(candidates, part) == ["left"]
    looks = trigger(on="open", event="nav", without="cart", within="5m")
    assert {fired.session.user_id for fired in candidates.due(part, [CART, looks])} == {"left", "looks"}
    candidates.forget()
    assert due(candidates, part) == ["left"]


def test_what_outdated_values_say_does_not_matter_though_their_codes_are_other_names_now_or_nobodys() -> None:
    commits, part = Commits(), None
    days, a_day = 19, SWEPT_AT_LEAST // 10  # names that never come again: in nineteen days they are swept twice
    for day in range(days):
        begin = day * 86_400
        others = [(begin, f"looks {day}", f"order {day} {n}") for n in range(a_day - 1)]
        left = [(begin, f"left {day}", event) for event in ("cart", f"order of {day}")]
        part = commits.commit(*others, *left, until=begin + 700)
    assert part
    assert max(part.names) < 2 * a_day, "the codes of most days are nobody's"
    assert due(Candidates("visits", RULES), part) == [f"left {days - 1}"]
