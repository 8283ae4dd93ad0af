"""What changes of a bucket's sessions: those made of all clicks, held against those that stand. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from clickloom.keys import visitor_key
from clickloom.session import Session
from clickloom.wire import Revoked


@dataclass(frozen=True, slots=True)
class Standing:
    """A session as Postgres has it."""

    site_id: str
    user_id: str
    device_id: str
    uid: UUID
    begin_us: int
    end_us: int
    events: int
    version: int
    closed_by: str

    @property
    def key(self) -> str:
        return visitor_key(self.site_id, self.user_id, self.device_id)


@dataclass(frozen=True, slots=True)
class Revision:
    """− and + rows, as a changelog has them."""

    minus: list[Revoked] = field(default_factory=list)
    plus: list[Session] = field(default_factory=list)
    changed: int = 0  # of plus: of the place of a session that stood


def revise(made: Sequence[Session], standing: Sequence[Standing]) -> Revision:
    """A session whose clicks are the same stays as it is; one that takes another's clicks has a later version."""
    if not standing:
        return Revision(plus=list(made))
    of_visitor: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in standing:
        of_visitor[one.key].append(one)
    uids = {session.uid for session in made}
    gone = [one for one in standing if one.uid.bytes not in uids]
    revision = Revision([Revoked(one.uid.bytes, one.version, one.begin_us) for one in gone])
    plus, changed = revision.plus, 0
    for session in made:
        before = _before(session, of_visitor)
        if not any(_is_same(session, one) for one in before):
            version = 1 + max((one.version for one in before), default=0)
            because = "imported" if before else None
            plus.append(msgspec.structs.replace(session, version=version, revised_because=because))
            changed += bool(before)
    return Revision(revision.minus, plus, changed)


def _before(session: Session, of_visitor: dict[str, list[Standing]]) -> list[Standing]:
    """The sessions whose time it takes."""
    known = of_visitor.get(visitor_key(session.site_id, session.user_id, session.device_id), [])
    return [one for one in known if one.begin_us <= session.end_us and session.begin_us <= one.end_us]


def _is_same(session: Session, one: Standing) -> bool:
    """Nothing but more clicks makes a session other than it was, or a neighbour within the gap, which `closed_by`
    tells."""
    told = (one.uid.bytes, one.end_us, one.events, one.closed_by)
    return told == (session.uid, session.end_us, session.events, session.closed_by)
