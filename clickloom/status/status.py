"""What there is to tell."""

from dataclasses import dataclass, field

from clickloom.status.archive import ArchiveStatus


@dataclass(slots=True, kw_only=True)
class ReaderRow:
    """One reader of one stream."""

    stream: str
    length: int
    reader: str
    lag: int | None  # entries; None: unknown, or the reader has no group there
    owner: str | None = None
    watermark: str | None = None
    last_commit: str | None = None


@dataclass(slots=True, kw_only=True)
class Status:
    """All that is known; times are ISO 8601."""

    as_of: str
    partitions: int
    windows: dict[str, str]
    memory_bytes: int
    memory_limit_bytes: int | None
    memory_level: float = 0.0  # used, of the mark at which ingest closes; of a cluster the fullest node's
    sessionizers: list[str]
    persister_runs: bool | None  # None: Postgres does not answer
    readers: list[ReaderRow]
    triggers_run: bool | None = None  # None: nobody has ever started them, or Postgres does not answer
    dead_webhooks: int = 0  # of triggers, which are not tried any more
    archive: ArchiveStatus | None = None  # None: there is none, or Postgres does not answer
    ingest_closed: str = ""  # why, for want of memory; empty: it is open
    troubles: list[str] = field(default_factory=list)
