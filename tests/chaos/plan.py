"""Which fault when. Pure: the random source is an argument; the same seed gives the same faults in the same order."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SESSIONIZERS = ("sessionizer-1", "sessionizer-2")
PERSISTERS = ("persister-1", "persister-2")
SERVICES = (*SESSIONIZERS, *PERSISTERS, "api")
VALKEY, POSTGRES = "valkey", "postgres"
STORES = (VALKEY, POSTGRES)
LINKS = tuple(f"{service}~{VALKEY}" for service in SERVICES) + tuple(
    f"{service}~{POSTGRES}" for service in (*PERSISTERS, "api")
)


class Kind(StrEnum):
    kill = "kill"  # SIGKILL; started again after a while
    pause = "pause"  # SIGSTOP, and SIGCONT after a while
    cut = "cut"  # connections are reset and new ones refused for a while
    silence = "silence"  # nothing goes through for a while; then what was under way arrives
    delay = "delay"  # everything arrives late for a while
    tear = "tear"  # requests are cut off in their middle, or the connection before their answer, for a while
    truncate = "truncate"  # Valkey is killed and loses its last commits, though none of its input


NETWORK = (Kind.cut, Kind.silence, Kind.delay, Kind.tear)

Card = tuple[Kind, str]

_LASTS_S = {
    Kind.kill: (0.0, 4.0),
    Kind.cut: (0.1, 5.0),
    Kind.silence: (0.5, 6.0),
    Kind.delay: (1.0, 6.0),
    Kind.tear: (1.0, 4.0),
    Kind.truncate: (0.5, 2.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    at_s: float  # since the begin
    kind: Kind
    target: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.kind:<8} {self.target:<22} {self.lasts_s:4.1f} s"


def faults(random: Random, *, seconds: float, every_s: float, lease_s: float) -> Iterator[Fault]:
    """Faults that begin within so many seconds, one every so often on average, and come to every kind and target.

    They overlap, but a target has one at a time, and a lease's time to itself after it.
    """
    deck: list[Card] = []
    free_at: dict[str, float] = {}
    at_s = every_s * random.random()
    while at_s < seconds:
        busy = {target for target, moment_s in free_at.items() if moment_s > at_s}
        if not any(_fits(card, busy) for card in deck):
            deck += _deck(random)
        card = next((card for card in deck if _fits(card, busy)), None)
        if card is not None:
            deck.remove(card)
            kind, target = card
            fault = Fault(at_s, kind, target, round(_lasts_s(kind, random, lease_s), 1))
            free_at |= dict.fromkeys(targets_of(card), at_s + fault.lasts_s + lease_s)
            yield fault
        at_s += every_s * random.uniform(0.4, 1.6)


def targets_of(card: Card) -> frozenset[str]:
    """What no other fault may be about meanwhile."""
    kind, target = card
    return frozenset({target, *PERSISTERS} if kind is Kind.truncate else {target})


def _fits(card: Card, busy: set[str]) -> bool:
    return busy.isdisjoint(targets_of(card))


def _deck(random: Random) -> list[Card]:
    """Every process killed and paused, every link disturbed, services twice as often as stores."""
    kills = [(Kind.kill, target) for target in (*SERVICES, *SERVICES, *STORES)]
    pauses = [(Kind.pause, target) for target in (*SERVICES, *SERVICES, VALKEY)]  # Postgres is many processes
    network = [(random.choice(NETWORK), link) for link in LINKS]
    deck = [*kills, *pauses, *network, (Kind.truncate, VALKEY)]
    random.shuffle(deck)
    return deck


def _lasts_s(kind: Kind, random: Random, lease_s: float) -> float:
    if kind is Kind.pause:  # well within a lease, or well beyond it
        return lease_s * (random.uniform(0.2, 0.7) if random.random() < 0.5 else random.uniform(1.5, 3))
    least, most = _LASTS_S[kind]
    return random.uniform(least, most)
