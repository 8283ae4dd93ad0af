"""What the design asks for, and by which figure it is judged."""

from typing import NamedTuple


class Budget(NamedTuple):
    what: str
    part: str
    figure: str  # by name
    limit: float
    unit: str
    at_least: bool = True

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def asked(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:,.0f} {self.unit}"


BUDGETS = (
    Budget(
        "sessionizer: stream in, changelog out, state durable, paths and duplicates",
        *("sessionizer", "sessionizer, durable, per CPU-second", 500_000, "clicks/s"),
    ),
    Budget("clicks into Postgres", "persister", "persister, clicks, wall time", 150_000, "rows/s"),
    Budget("sessions with rollups into Postgres", "persister", "persister, sessions, wall time", 50_000, "rows/s"),
    Budget("import of 10 million clicks", "import-10-million", "import, visits", 200_000, "clicks/s"),
    Budget("ingest, single events", "ingest", "ingest, one event a request", 8_000, "events/s"),
    Budget("ingest, batches", "ingest", "ingest, 500 events a request", 150_000, "events/s"),
    Budget(
        "click accepted → SSE event, 10,000 clicks/s, 99 %",
        *("live", "… 99 % within, 1,000 subscribers", 500, "ms", False),
    ),
    Budget("window closed → row in Postgres, 99 %", "latency", "closed → row, 99 % within", 1_000, "ms", False),
    Budget("dashboard query, 10 million sessions, 95 %", "queries-10-million", "all questions: p95", 100, "ms", False),
    Budget("… without a filter", "queries-10-million", "all questions, no filter: p95", 100, "ms", False),
    Budget("… of one device type", "queries-10-million", "all questions, one device type: p95", 100, "ms", False),
    Budget("… of one campaign", "queries-10-million", "all questions, one campaign: p95", 100, "ms", False),
    Budget("the same, a million sessions", "queries", "all questions: p95", 100, "ms", False),
    Budget("first page of 10 million sessions", "queries-10-million", "sessions, first page: median", 30, "ms", False),
    Budget("… of a million", "queries", "sessions, first page: median", 30, "ms", False),
    # 30 days have as many sessions in both
    Budget(
        "funnel of 5 steps, 30 days, 0.8 million sessions",
        *("queries-10-million", "funnel of 5 steps: median", 1_000, "ms", False),
    ),
    Budget("paths, the same", "queries-10-million", "paths from an event: median", 1_000, "ms", False),
    Budget("first view, all of it drawn, a million sessions", "dashboard", "first view", 1_000, "ms", False),
    Budget("Live at 10,000 clicks/s", "dashboard", "Live: frames", 60, "frames/s"),
    Budget(
        "Redis, a click in a full batch", "sessionizer", "Valkey's memory, a click in full batches", 70, "bytes", False
    ),
    Budget("Redis, an open session", "sessionizer", "Valkey's memory, an open session", 200, "bytes", False),
)
