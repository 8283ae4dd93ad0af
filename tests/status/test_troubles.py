"""What is wrong is named, with the remedy."""

from clickloom.layout import PERSISTER
from clickloom.status.status import ReaderRow, Status
from clickloom.status.troubles import find_troubles


def status_of(*rows: ReaderRow, ingest_closed: str = "") -> Status:
    return Status(
        as_of="2026-01-01T00:00:00Z",
        partitions=1,
        windows={"visits": "session(gap=30m, max_duration=1d)"},
        memory_bytes=0,
        memory_limit_bytes=100,
        sessionizers=[],
        persister_runs=True,
        readers=list(rows),
        ingest_closed=ingest_closed,
    )


def test_troubles_are_named_with_what_waits_and_the_remedy() -> None:
    status = status_of(
        ReaderRow(stream="clicks:{0}", length=9, reader="visits", lag=1_234),
        ReaderRow(stream="clicks:{0}", length=9, reader="theirs", lag=2),
        ReaderRow(stream="clicks:{0}", length=9, reader=PERSISTER, lag=None),
        ingest_closed="Redis holds 90.0 MB, and takes no more above REDIS_HIGH_WATER (80.0 MB)",
    )
    assert list(find_troubles(status, configured={"visits"})) == [
        "ingest is closed: Redis holds 90.0 MB, and takes no more above REDIS_HIGH_WATER (80.0 MB);"
        " start what reads, or raise maxmemory",
        "visits is not served in clicks:{0}: 1,234 entries wait for it and are not trimmed; start a sessionizer",
        "theirs is nobody of Clickloom's: 2 entries wait for it and are not trimmed;"
        " if it is not needed, `clickloom readers remove theirs`",
        "clicks:{0} cannot tell how far persister is: restart a sessionizer",
    ]


def test_nothing_is_said_when_all_is_well() -> None:
    status = status_of(ReaderRow(stream="clicks:{0}", length=0, reader="visits", lag=0, owner="a"))
    assert list(find_troubles(status, configured={"visits"})) == []
