"""Whether a click costs more when more users are there, and what more processes bring on this machine."""

from collections.abc import Iterator

from bench import end_to_end, sessionizer
from bench.measure import Figure
from bench.workload import A, Workload

# As many clicks of fewer and of more users, and so with fewer and more sessions open at once.
USERS = {
    "10,000": Workload("users-10k", ("--users", "10000"), 0, 2_000_000, None),
    "100,000": A,
    "1,000,000": Workload("B", ("--users", "1000000", "--seed", "11"), 286_183, 2_000_000, 67_502_692_477_902),
}
PROCESSES = (1, 2, 4)


def measure(workload: Workload, *, runs: int) -> list[Figure]:
    """Clicks a second: of CPU time of sessionizer and Valkey by users, of wall time the whole way by processes."""
    return [*_by_users(runs), *_by_processes(workload, runs)]


def _by_users(runs: int) -> Iterator[Figure]:
    for users, workload in USERS.items():
        batches = workload.batches()
        rates = [workload.clicks / sessionizer.cut(batches).both_s for _ in range(runs)]
        yield Figure(f"active users: {users}", "clicks/s of CPU time, Valkey's counted in", rates)


def _by_processes(workload: Workload, runs: int) -> Iterator[Figure]:
    batches = workload.partitioned(end_to_end.PARTITIONS)
    for count in PROCESSES:
        found = [end_to_end.run(workload, batches, processes=count) for _ in range(runs)]
        yield Figure(f"processes: {count}", "clicks/s of wall time", [workload.clicks / took_s for took_s, _ in found])
