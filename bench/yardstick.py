"""How fast this machine is just now, which on a shared one is not how fast it was an hour ago."""

import gc

import msgspec

from bench.measure import rates
from bench.workload import SMALL

DESIGN = 2_200_000  # clicks/s that msgspec decodes, as measured where the budgets were set
REPEATED = 5


class _Click(msgspec.Struct, gc=False):
    event_id: str
    user_id: str
    device_id: str
    client_event: str
    client_timestamp: str


def speed() -> list[float]:
    """JSON clicks that msgspec decodes, as parts of what it did on the machine on which the budgets were set."""
    lines = SMALL.lines().read_bytes().splitlines()
    decode = msgspec.json.Decoder(_Click).decode

    def work() -> int:
        for line in lines:
            decode(line)
        return len(lines)

    gc.freeze()
    return [rate / DESIGN for rate in rates(work, runs=REPEATED)]
