"""The services' Prometheus metrics: one definition each."""

from prometheus_client import Counter, Gauge

CLICKS = Counter("clickloom_sessionizer_clicks", "Clicks read, by window", ["window"])
DUPLICATES = Counter("clickloom_sessionizer_duplicates", "Clicks that were read before, by window", ["window"])
LATE = Counter("clickloom_sessionizer_late_clicks", "Clicks that came too late, by window", ["window"])
BOTS = Counter("clickloom_sessionizer_bot_clicks", "Clicks of bots, which make no sessions, by window", ["window"])
COMMITS = Counter("clickloom_sessionizer_commits", "Commits, by window", ["window"])
UNDECODABLE = Counter("clickloom_undecodable_entries", "Stream entries that could not be decoded", ["reader"])
ROLLED_BACK = Counter(
    "clickloom_rolled_back_streams", "Streams found behind their cursor: Redis lost entries", ["reader"]
)
EVENTS_ACCEPTED = Counter("clickloom_events_accepted", "Events put into the streams over HTTP")
EVENTS_REJECTED = Counter("clickloom_events_rejected", "Events refused over HTTP, by reason", ["code"])
ROWS = Counter("clickloom_persister_rows", "Rows written to Postgres, by table", ["table"])
ARCHIVED_ROWS = Counter("clickloom_archive_rows", "Rows written to the archive, by table", ["table"])
ARCHIVE_FAILURES = Counter("clickloom_archive_failures", "Times that the archive's place or Postgres was away")
MEMORY_LEVEL = Gauge(
    "clickloom_redis_memory_level", "Memory of Redis over REDIS_HIGH_WATER; more than 1: ingest answers 503"
)
LAG = Gauge("clickloom_lag_entries", "Stream entries that a reader has not committed", ["stream", "reader"])
STORE_FAILURES = Counter("clickloom_store_failures", "Steps that a store which is away, or refuses, ended", ["store"])
LEDGER_DIFFERENCES = Gauge("clickloom_ledger_differences", "Sums of the ledger that do not balance, when last counted")
LEDGER_COUNTED = Gauge("clickloom_ledger_counted_timestamp_seconds", "When the ledger was last counted")
# of clickloom/watch.py, which makes it when it is asked for: name, help
DUTY_AGE = ("clickloom_duty_age_seconds", "Time since a loop, or a part's commit, was last done, by name")
LIVE_SUBSCRIBERS = Gauge("clickloom_live_subscribers", "Open streams of live numbers")
FIRINGS = Counter("clickloom_trigger_firings", "Firings of triggers, by when they fired", ["on"])
WEBHOOKS = Counter("clickloom_webhooks", "Attempts at webhooks, by outcome: delivered, failed, dead", ["outcome"])
