"""Generated traffic for tests, what the window code makes of it, and its sessions counted in a third way."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from decimal import Decimal
from itertools import islice, pairwise

from clickloom.click import Click, normalise
from clickloom.keys import partition_of
from clickloom.session import Session
from clickloom.settings import Settings
from clickloom.times import parse_time, to_datetime
from clickloom.windows.partition import Partition
from clickloom.windows.rules import Rules
from clickloom.windows.spec import SessionWindow
from clickloom.wire import RecordBatch
from services.generator.arrivals import Line
from services.generator.plan import Plan
from services.generator.truth import Record, Truth, Visit, as_line, read_truth

START_US = parse_time("2024-01-01T12:00:00Z")
FAR_US = 2**61
CUT = 37  # clicks a batch


def generated(plan: Plan, settings: Settings) -> tuple[list[Line], Truth]:
    """The plan's lines in the order of arrival, and their truth."""
    records: list[Record] = [plan.run(settings, START_US)]
    arrivals = plan.arrivals(settings, records.append)
    lines: list[Line] = []
    for time_us in islice(plan.live_slots(START_US), plan.count):
        arrivals.add(time_us)
        lines += arrivals.take(time_us)
    lines += arrivals.finish()
    return lines, read_truth(map(as_line, [*records, arrivals.end]))


def clicks_of(lines: Iterable[Line]) -> list[Click]:
    """The lines that are clicks, in our form."""
    clicks = [copy(line) for line in lines if isinstance(line, Click)]
    return [normalise(click, received_us=FAR_US, future_bound_us=0, new_event_id=str) for click in clicks]


def islands(clicks: Iterable[Click], gap_us: int) -> list[Visit]:
    """Gaps and islands over all clicks at once."""
    by_visitor: defaultdict[tuple[str, str], list[Click]] = defaultdict(list)
    for click in clicks:
        by_visitor[str(click.user_id), click.device_id].append(click)
    found = []
    for members in by_visitor.values():
        members.sort(key=lambda click: click.time_us)
        breaks = [i for i, (a, b) in enumerate(pairwise(members), start=1) if b.time_us - a.time_us > gap_us]
        found += [_island(members[low:high]) for low, high in pairwise([0, *breaks, len(members)])]
    return found


def _island(clicks: Sequence[Click]) -> Visit:
    orders = {click.order_id: click.revenue or Decimal(0) for click in clicks if click.order_id}
    return Visit(
        user_id=str(clicks[0].user_id),
        device_id=clicks[0].device_id,
        begin_session=to_datetime(clicks[0].time_us),
        end_session=to_datetime(clicks[-1].time_us),
        events=len(clicks),
        begin_navigation=clicks[0].client_event,
        end_navigation=clicks[-1].client_event,
        converted=any(click.client_event == "beer_checkout" for click in clicks),
        orders=len(orders),
        revenue=sum(orders.values(), Decimal(0)),
    )


def made_of(
    clicks: Sequence[Click], window: SessionWindow, rules: Rules, *, partitions: int = 1
) -> tuple[list[Visit], set[str]]:
    """The final sessions of the window code and the ids of the late clicks, with a watermark a partition."""
    final: dict[object, Session] = {}
    late: set[str] = set()
    for number in range(partitions):
        partition = Partition(window, rules)
        mine = [click for click in clicks if partition_of(click.key, partitions) == number]
        for low in range(0, len(mine) + CUT, CUT):
            if low < len(mine):
                partition.apply(RecordBatch.of(mine[low : low + CUT], FAR_US))
            else:
                partition.finish()
            changelog = partition.take_changes(0).changelog
            late |= {click.event_id for click in changelog.late}
            for minus in changelog.minus:
                del final[minus.uid]
            final |= {plus.uid: plus for plus in changelog.plus}
    return [visit_of(session) for session in final.values()], late


def visit_of(session: Session) -> Visit:
    return Visit(
        user_id=session.user_id,
        device_id=session.device_id,
        begin_session=to_datetime(session.begin_us),
        end_session=to_datetime(session.end_us),
        events=session.events,
        begin_navigation=session.begin_navigation,
        end_navigation=session.end_navigation,
        converted=session.converted,
        orders=session.orders,
        revenue=session.revenue,
    )


def rows(visits: Iterable[Visit]) -> list[tuple[object, ...]]:
    """Comparable and in order."""
    return sorted(tuple(getattr(visit, name) for name in Visit.__struct_fields__) for visit in visits)
