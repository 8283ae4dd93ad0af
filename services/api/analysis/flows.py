"""What comes after an event, or before it, level by level: as SQL, and as nodes and links. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    Text,
    case,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from clickloom.tables import sessions
from services.api.analysis.scope import Scope

Kind = Literal["event", "other", "exit", "entry", "cut"]

_ZERO: ColumnElement[int] = literal_column("0")  # OFFSET 0: what is above is not worked out again where it is used


@dataclass(frozen=True, slots=True)
class Flow:
    """event: it begins there, at its first time in a session; None: with the session's first event."""

    event: str | None
    backwards: bool
    levels: int
    collapsed: bool  # whether an event that comes again at once is one


class Pair(NamedTuple):
    """So many sessions had these two, one after the other; without a second one that was the end of what is kept."""

    level: int  # of the first; 0 is where the flow begins
    first: str
    second: str | None
    cut: bool  # the session had more events than are kept
    sessions: int


class Node(NamedTuple):
    level: int
    kind: Kind
    event: str | None = None  # of the kind `event`

    @property
    def id(self) -> str:
        return ":".join([str(self.level), self.kind, *([self.event] if self.event is not None else [])])


Nodes = Counter[Node]
Links = Counter[tuple[Node, Node]]


def pairs_statement(scope: Scope, flow: Flow) -> Select[Any]:
    """Rows of Pair. Sessions with the same stretch of events are counted together first, which saves most work."""
    stretches = _stretches(scope, flow)
    at = func.generate_series(0, flow.levels - 1).table_valued(column("level", Integer)).render_derived(name="at")
    level = at.c.level
    stretch, size = stretches.c.stretch, func.cardinality(stretches.c.stretch)
    first = stretch[size - level] if flow.backwards else stretch[level + 1]
    second = stretch[size - level - 1] if flow.backwards else stretch[level + 2]
    pairs = (
        select(level, first.label("first"), second.label("second"), stretches.c.cut, stretches.c.sessions)
        .select_from(stretches.join(at, true()))
        .where(level < size)
        .subquery("pairs")
    )
    cut = case((pairs.c.second.is_(None), pairs.c.cut), else_=False)
    by = (pairs.c.level, pairs.c.first, pairs.c.second, cut.label("cut"))
    return select(*by, func.sum(pairs.c.sessions).cast(Integer).label("sessions")).group_by(*by)


def _stretches(scope: Scope, flow: Flow) -> Subquery:
    """`stretch`, the events of levels 0 to `levels`, and how many sessions have it."""
    some = _paths(scope, flow)
    begin = literal(1) if flow.event is None else func.array_position(some.c.path, literal(flow.event, Text))
    begins = select(some.c.path, some.c.cut, begin.label("begin")).offset(_ZERO).subquery("begins")
    low = func.greatest(begins.c.begin - flow.levels, 1) if flow.backwards else begins.c.begin
    high = begins.c.begin if flow.backwards else begins.c.begin + flow.levels
    cut = literal(False) if flow.backwards else begins.c.cut
    stretch = begins.c.path[low:high]
    found = select(stretch.label("stretch"), cut.label("cut"), func.count().label("sessions"))
    return found.group_by(stretch, cut).subquery("stretches")


def _paths(scope: Scope, flow: Flow) -> Subquery:
    at = sessions.c
    path = _collapsed(at.path) if flow.collapsed else at.path
    found = select(path.label("path"), at.path_truncated.label("cut")).where(scope.holds())
    if flow.event is not None:
        found = found.where(at.path.contains([flow.event]))
    return (found.offset(_ZERO) if flow.collapsed else found).subquery("paths")


def _collapsed(path: ColumnElement[Any]) -> ColumnElement[Any]:
    event = func.unnest(path).table_valued(column("name", Text), with_ordinality="position").render_derived()
    changed = event.c.name.is_distinct_from(path[event.c.position - 1])
    kept = select(event.c.name).where(changed).order_by(event.c.position).correlate(sessions)
    return func.array(kept.scalar_subquery(), type_=ARRAY(Text))


def nodes_and_links(pairs: Iterable[Pair], flow: Flow, most: int) -> tuple[Nodes, Links]:
    """Sessions at each node and link. Of a level the most frequent events are nodes, the rest together is `other`."""
    pairs = list(pairs)
    shown = _shown(pairs, most)
    nodes, links = Nodes(), Links()
    for pair in pairs:
        source = _node(pair.level, pair.first, shown)
        if pair.second is None:
            target = Node(pair.level + 1, _end(flow, cut=pair.cut))
        else:
            target = _node(pair.level + 1, pair.second, shown)
        links[source, target] += pair.sessions
        nodes[target] += pair.sessions
        if pair.level == 0:
            nodes[source] += pair.sessions
    return nodes, links


def _shown(pairs: list[Pair], most: int) -> set[tuple[int, str]]:
    """Level and name of the events that are nodes of their own."""
    counts: dict[int, Counter[str]] = {}
    for pair in pairs:
        if pair.level == 0:
            counts.setdefault(0, Counter())[pair.first] += pair.sessions
        if pair.second is not None:
            counts.setdefault(pair.level + 1, Counter())[pair.second] += pair.sessions
    ranked = ((level, sorted(events, key=lambda name: (-events[name], name))) for level, events in counts.items())
    return {(level, name) for level, names in ranked for name in names[:most]}


def _node(level: int, event: str, shown: set[tuple[int, str]]) -> Node:
    return Node(level, "event", event) if (level, event) in shown else Node(level, "other")


def _end(flow: Flow, *, cut: bool) -> Kind:
    if flow.backwards:
        return "entry"
    return "cut" if cut else "exit"
