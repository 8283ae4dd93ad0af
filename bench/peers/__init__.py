"""Other systems on the same clicks, with the answer checked: `python -m bench --only peers`."""

from collections.abc import Iterator, Sequence

from bench.measure import Figure
from bench.peers.peer import PEERS, Peer
from bench.peers.run import Run, run
from bench.workload import Workload


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Events a second of the CPU time of the whole process tree, and of wall time on one core; start-up left out."""
    return [figure for peer in PEERS for figure in _figures(peer, workload, [run(peer, workload) for _ in range(runs)])]


def _figures(peer: Peer, workload: Workload, found: Sequence[Run]) -> Iterator[Figure]:
    name = f"{workload.name}: {peer.name}"
    yield Figure(name, f"events/s of CPU time; {peer.guarantee}", [workload.clicks / one.cpu_s for one in found])
    yield Figure("… on one core", "events/s of wall time", [workload.clicks / one.wall_s for one in found])
