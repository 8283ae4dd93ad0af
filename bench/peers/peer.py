"""The systems: what they need, how they are run, and what they hold if they are killed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True, slots=True)
class Place:
    """Of one run: the interpreter of the system's own environment, the clicks, and where the sessions go."""

    python: Path
    lines: Path
    chunks: Path  # the same in files of 100,000 lines, a click of a day later at the end
    out: Path  # nothing is there yet

    @property
    def flink(self) -> Path:
        """The folder of its jars."""
        (found,) = self.python.parents[1].glob("lib/python*/site-packages/pyflink/lib")
        return found


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` runs it once; it prints `begin` and `end` around its work."""

    name: str
    environment: str  # those of the same name share one
    packages: Sequence[str]
    guarantee: str
    command: Callable[[Place], Sequence[str]]
    rows: str = "**/*"  # where under `out` its sessions are, if that is a folder
    exact: bool = True  # whether each click is counted


def _script(name: str, *arguments: Callable[[Place], Path]) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        return [str(place.python), str(SCRIPTS / name), *(str(argument(place)) for argument in arguments)]

    return command


def _java(place: Place) -> Sequence[str]:
    """Compiled first: what Flink reads back by name must be a class on the path."""
    opened = ("java.base/java.util", "java.base/java.lang", "java.base/java.time")
    rights = " ".join(f"--add-opens={module}=ALL-UNNAMED" for module in opened)
    compiled = f"javac -d classes -cp '{place.flink}/*' '{SCRIPTS / 'FlinkSessions.java'}'"
    started = f"java {rights} -Xmx6g -cp 'classes:{place.flink}/*' FlinkSessions '{place.lines}' '{place.out}'"
    return ["sh", "-c", f"{compiled} && exec {started}"]


def _lines(place: Place) -> Path:
    return place.lines


def _chunks(place: Place) -> Path:
    return place.chunks


def _out(place: Place) -> Path:
    return place.out


FLINK = ("apache-flink==2.3.0",)
BATCH = ("duckdb==2.0.0", "polars==2.1.0")
EVERY_SECOND = "exactly once, a checkpoint a second"
NOTHING = "nothing is held: a batch over the whole file"

PEERS: Sequence[Peer] = (
    Peer("Flink, Java", "flink", FLINK, EVERY_SECOND, _java),
    Peer("Flink, SQL", "flink", FLINK, EVERY_SECOND, _script("flink_sql.py", _lines, _out)),
    Peer(
        "Spark Structured Streaming",
        *("spark", ("pyspark==4.3.0",), "exactly once, a checkpoint a batch of 400,000"),
        _script("spark_stream.py", _chunks, _out),
        "*.csv",
    ),
    Peer(
        "Bytewax",
        *("bytewax", ("bytewax==0.21.1", "orjson"), "no checkpoints; of sessions that merge it loses some clicks"),
        _script("bytewax_flow.py", _lines, _out),
        exact=False,
    ),
    Peer("DuckDB, batch", "batch", BATCH, NOTHING, _script("duckdb_batch.py", _lines, _out)),
    Peer("Polars, batch", "batch", BATCH, NOTHING, _script("polars_batch.py", _lines, _out)),
)
