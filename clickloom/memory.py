"""How full Redis may become before more is refused. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MEGABYTE = 2**20  # as Redis counts
_UNITS = {"KB": 2**10, "MB": MEGABYTE, "GB": 2**30}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|KB|MB|GB)", re.IGNORECASE)

_UNTOLD = 2**62  # of a server without a limit that does not tell of its machine
_OPENS_AT = 0.95  # of the mark: room for more than one request, so that it does not open and close at each


@dataclass(frozen=True, slots=True)
class Amount:
    """Some memory: a share of what there is, or so many bytes."""

    text: str
    share: float | None = None
    size: int = 0

    def of(self, whole: int) -> int:
        """In bytes."""
        return self.size if self.share is None else max(1, int(self.share * whole))


def parse_amount(text: str) -> Amount:
    """`80%`, `512MB`, `1.5GB`. Raises ValueError for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount of memory: write a share, as 80%, or a size in KB, MB or GB, as 512MB")
    number, unit = float(match[1]), match[2].upper()
    if not number or (unit == "%" and number > 100):
        raise ValueError(f"{text!r} cannot be: a share is more than 0% and at most 100%, a size more than 0")
    return Amount(text, share=number / 100) if unit == "%" else Amount(text, size=int(number * _UNITS[unit]))


class HighWater:
    """Whether Redis may take more. Once it may not, it may again when it is a little below the mark."""

    def __init__(self, amount: Amount) -> None:
        self._amount = amount
        self.level = 0.0  # memory used, of the mark; of a cluster the fullest node's
        self.trouble = ""  # why it may not take more; empty: it may

    def see(self, servers: Iterable[Mapping[str, Any]]) -> None:
        """What INFO says of the memory of each server. A share is of `maxmemory`, or of the machine's without one."""
        used, mark = max(map(self._fill, servers), key=lambda fill: fill[0] / fill[1])
        self.level = used / mark
        full = self.level > (_OPENS_AT if self.trouble else 1)
        self.trouble = self._reason(used, mark) if full else ""

    def _fill(self, server: Mapping[str, Any]) -> tuple[int, int]:
        """(used, mark) in bytes. As Redis compares with maxmemory: without the buffers of its log and replicas."""
        used = server["used_memory"] - server.get("mem_not_counted_for_evict", 0)
        return used, self._amount.of(server["maxmemory"] or server.get("total_system_memory") or _UNTOLD)

    def _reason(self, used: int, mark: int) -> str:
        held, limit = (f"{size / MEGABYTE:,.1f} MB" for size in (used, mark))
        limit = limit if self._amount.share is None else f"{self._amount.text} = {limit}"
        return f"Redis holds {held}, and takes no more above REDIS_HIGH_WATER ({limit})"
