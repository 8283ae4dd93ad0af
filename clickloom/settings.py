"""Every setting, from the environment or a `.env` file. Only this module reads it."""

import contextlib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from clickloom.errors import InvalidSetting
from clickloom.memory import Amount, parse_amount
from clickloom.signing_keys import SigningKeys, parse_signing_keys
from clickloom.times import parse_duration
from clickloom.triggers.schedule import parse_waits
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window, parse_windows

EXAMPLE_PASSWORDS = {"change-me", "postgres", "password"}  # of .env.example, and what everybody tries


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _amount(value: object) -> object:
    return parse_amount(value) if isinstance(value, str) else value


def _names(value: object) -> object:
    return frozenset(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _signing_keys(value: object) -> object:
    return parse_signing_keys(value) if isinstance(value, str) else value


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


Duration = Annotated[int, BeforeValidator(_duration)]  # µs; written 30m, 10s, 24h
Memory = Annotated[Amount, NoDecode, BeforeValidator(_amount)]  # written 80%, 512MB
Names = Annotated[str | frozenset[str], BeforeValidator(_names)]  # written a, b, c

Signers = Annotated[SigningKeys, NoDecode, BeforeValidator(_signing_keys)]  # written ACCESS_KEY:SECRET:SITE ...


class Settings(BaseSettings):
    """One attribute a setting; its name in the environment is the attribute's in capitals, without `_us`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(unix|rediss?(\+cluster)?)://",
        description="Redis or Valkey; also unix:///path, redis+cluster://host:port",
    )
    database_url: str = Field(
        "postgresql://postgres@127.0.0.1:5432/clickloom",
        pattern=r"^postgres(ql(\+psycopg)?)?://",
        description="PostgreSQL",
    )
    database_pool: int = Field(10, ge=1, le=1_000, description="connections to PostgreSQL of one API process")
    query_timeout_us: Duration = Field(
        10_000_000,
        ge=1_000_000,
        alias="QUERY_TIMEOUT",
        description="how long PostgreSQL may work for one answer of the API",
    )
    namespace: str = Field("", pattern=r"^[a-z0-9_-]*$", description="prefix of every key in Redis")
    redis_high_water: Memory = Field(
        parse_amount("80%"),
        description="memory of Redis above which ingest is closed: a share of maxmemory (of the machine's memory"
        " without one), or a size",
    )
    partitions: int = Field(8, ge=1, le=1024, description="hash slots of the streams; fixed at first start")

    windows: str = Field(
        "visits = session(gap=30m); minutes = stagger(range=1m)",
        description="how clicks are cut into sessions; definitions between semicolons",
    )
    out_of_orderness_us: Duration = Field(
        10_000_000, ge=0, alias="OUT_OF_ORDERNESS", description="how far the watermark stays behind"
    )
    allowed_lateness_us: Duration = Field(
        300_000_000,
        ge=0,
        alias="ALLOWED_LATENESS",
        description="how long an emitted session can still change",
    )
    future_bound_us: Duration = Field(
        300_000_000,
        ge=0,
        alias="FUTURE_BOUND",
        description="how far ahead of the server an event time may be",
    )
    conversion_events: Names = Field(
        frozenset({"beer_checkout", "order_completed", "Order Completed"}),
        description="events that make a session converted",
    )
    bounce_us: Duration = Field(
        20_000_000, ge=0, alias="BOUNCE", description="a shorter session without conversion is bounced"
    )

    sessions_of_bots: bool = Field(False, description="whether the clicks of bots make sessions, as people's do")

    commit_interval_us: Duration = Field(
        250_000, gt=0, alias="COMMIT_INTERVAL", description="the longest time between two commits"
    )
    commit_sessions: int = Field(20_000, ge=1, description="changed sessions after which a commit is made")
    lease_us: Duration = Field(
        6_000_000, ge=1_000_000, alias="LEASE", description="how long a lease outlives its owner"
    )

    stream_retention_us: Duration = Field(
        0,
        ge=0,
        alias="STREAM_RETENTION",
        description="how long streams keep what every reader has read; 0: not at all",
    )

    live_retention_us: Duration = Field(
        60_000_000,
        ge=0,
        alias="LIVE_RETENTION",
        description="how long streams keep what every reader has read, so that live streams can be resumed; less when"
        " Redis is half full",
    )

    buffer_seconds: float = Field(0.5, gt=0, description="how long the persister gathers rows")
    buffer_rows: int = Field(50_000, ge=1, description="how many rows the persister gathers")

    clicks_retention_days: int = Field(
        0, ge=0, le=36_500, description="how long clicks are kept in Postgres; 0: for ever"
    )
    sessions_retention_days: int = Field(0, ge=0, le=36_500, description="how long sessions are kept; by months")
    session_rollups_retention_days: int = Field(0, ge=0, le=36_500, description="how long rollups are kept; by months")
    late_clicks_retention_days: int = Field(0, ge=0, le=36_500, description="how long late clicks are kept")
    rejected_events_retention_days: int = Field(0, ge=0, le=36_500, description="how long rejected events are kept")
    archive_url: str = Field(
        "",
        description="where the persister keeps an archive of clicks and sessions: a folder or s3://bucket/prefix;"
        " empty: nowhere",
    )
    archive_seconds: float = Field(300.0, gt=0, description="how long the archive gathers rows for a file")
    archive_rows: int = Field(500_000, ge=1, description="how many rows the archive gathers for a file")

    webhook_private: str = Field(
        "off",
        pattern="^(on|off)$",
        description="whether webhooks of triggers may go to this machine and to private networks",
    )
    webhook_retries: str = Field(
        "5s, 5m, 30m, 2h, 5h, 10h, 14h",
        description="how long to wait after each attempt at a webhook; after the last it is dead",
    )
    webhook_timeout_us: Duration = Field(
        15_000_000, ge=100_000, le=60_000_000, alias="WEBHOOK_TIMEOUT", description="how long a receiver may take"
    )
    firings_kept_days: int = Field(
        30, ge=2, le=36_500, description="how long firings of triggers are kept whose webhook is delivered or dead"
    )

    host: str = Field("127.0.0.1", description="the address that the API, and METRICS_PORT, listen on")
    port: int = Field(8080, ge=0, le=65535, description="the port that the API listens on")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="the port on which sessionizer, persister, triggers and `clickloom ledger --every` answer /healthz,"
        " /readyz and /metrics; 0: none",
    )
    publish: str = Field(
        "",
        pattern=r"^(|\d+|.*:\d+)$",
        description="where the API's port is published, as 127.0.0.1:8080, if it is (docker compose); to others than"
        " this machine, the example's passwords are refused",
    )
    auth: str = Field(
        "on",
        pattern="^(on|off)$",
        description="whether events and questions need a key; off is only for an address of this machine alone",
    )
    sign_in_us: Duration = Field(
        43_200_000_000,
        ge=60_000_000,
        alias="SIGN_IN",
        description="how long a sign-in to the dashboard lasts",
    )
    demo_shop: bool = Field(
        False, description="whether the API serves the demo's shop at /shop; `clickloom up --demo` sets it"
    )
    kinesis_keys: Signers = Field(
        {},
        description="who may put records by the Kinesis protocol: ACCESS_KEY:SECRET:SITE, several between blanks",
    )
    rate_limit_key: str = Field("off", description="events that one write key may send, as 60000/1m")
    rate_limit_address: str = Field("off", description="events that one address may send, as 6000/1m")
    user_id_salt: SecretStr = Field(
        SecretStr(""),
        max_length=64,
        description="a secret with which user ids that come in over HTTP are hashed; empty: they are kept as they come",
    )
    keep_client_address: bool = Field(
        False, description="whether the network (/24, /48) of a sender's address is kept with its clicks"
    )
    trusted_proxies: str = Field(
        "",
        description="addresses or networks of proxies, between commas, whose X-Forwarded-For is believed",
    )
    data_dir: Path = Field(Path(".clickloom"), description="where `clickloom up` keeps its servers' data")
    ingest_durability: str = Field(
        "memory",
        pattern="^(memory|disk)$",
        description="what an accepted event is in when ingest says so: Redis' memory, or its append-only file on disk",
    )
    embedded_memory: Memory = Field(
        parse_amount("25%"),
        description="maxmemory of the Valkey that `clickloom up` starts: a share of the machine's memory, or a size",
    )
    log_format: str = Field("console", pattern="^(console|json)$", description="console or json")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")

    @model_validator(mode="after")
    def _closed_to_others(self) -> Self:
        if self.auth == "off" and not _is_loopback(self.host):
            raise ValueError(f"AUTH: off lets everybody in who reaches {self.host}; bind a HOST of this machine alone")
        return self

    @model_validator(mode="after")
    def _no_known_password_in_public(self) -> Self:
        if self.publish and not _is_loopback(self.publish.rpartition(":")[0].strip("[]")):
            for setting, url in (("REDIS_URL", self.redis_url), ("DATABASE_URL", self.database_url)):
                if unquote(urlsplit(url).password or "") in EXAMPLE_PASSWORDS:
                    raise ValueError(
                        f"{setting}: has the example's password, and the API is published on {self.publish}; choose"
                        " another, or publish on 127.0.0.1"
                    )
        return self

    @model_validator(mode="after")
    def _rollups_outlive_sessions(self) -> Self:
        """Rollups that are gone before their sessions could not be held against them."""
        rollups, sessions = self.session_rollups_retention_days, self.sessions_retention_days
        if rollups and not 0 < sessions <= rollups:
            raise ValueError(
                f"SESSION_ROLLUPS_RETENTION_DAYS: {rollups}, but sessions are kept longer; set SESSIONS_RETENTION_DAYS"
                f" to {rollups} or less, or keep rollups for ever (0)"
            )
        return self

    def retention_days(self) -> dict[str, int]:
        """Days to keep, by table, of those that are not kept for ever."""
        ending = "_retention_days"
        found = {name.removesuffix(ending): getattr(self, name) for name in type(self).model_fields if ending in name}
        return {table: days for table, days in found.items() if days}

    def rules(self) -> Rules:
        """The rules that hold for every window."""
        return Rules(
            out_of_orderness_us=self.out_of_orderness_us,
            allowed_lateness_us=self.allowed_lateness_us,
            future_bound_us=self.future_bound_us,
            conversion_events=frozenset(self.conversion_events),
            bounce_us=self.bounce_us,
            bots=self.sessions_of_bots,
        )

    def retry_waits(self) -> tuple[int, ...]:
        """µs. Raises InvalidSetting."""
        return parse_waits(self.webhook_retries)

    def parsed_windows(self) -> tuple[Window, ...]:
        """Raises InvalidSetting."""
        return parse_windows(self.windows)


def _fault(error: Any) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, error['loc'])).upper()}: {message}" if error["loc"] else message


def load_settings(**overrides: object) -> Settings:
    """The settings, checked; `overrides` win over the environment. Raises InvalidSetting, naming the setting."""
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks what mypy cannot
    except ValidationError as error:
        raise InvalidSetting("; ".join(map(_fault, error.errors()))) from error
    settings.parsed_windows()
    settings.retry_waits()
    return settings
