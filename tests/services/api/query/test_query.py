"""Numbers of `POST /v1/query` equal hand-written SQL over `sessions`, whatever they are read from."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from httpx import AsyncClient

from clickloom.durations import BOUNDS_S, class_of, quantile
from clickloom.session import Session, Touch
from clickloom.settings import Settings
from clickloom.times import SECOND_US
from services.persister.day_counter import count, due
from tests.conftest import Select
from tests.services.api.conftest import Keep
from tests.sessions import session

BEGIN = datetime(2025, 3, 28, tzinfo=UTC)  # with the day on which summer time begins in Berlin
DAYS = 6
RANGE = ["2025-03-28", "2025-04-02"]

PAGES = {
    "https://shop.example": "/",
    "https://shop.example#/top": "/",
    "https://shop.example/beer/7?a=b/c": "/beer/7",
    "http://a/b//c#d?e": "/b//c",
    "HTTPS://shop.example/beer/7": "/beer/7",
    "//shop.example/cart": "/cart",
    "/cart?from=https://shop.example/x": "/cart",
    "": "/",
}

Ask = Callable[..., Awaitable[dict[str, Any]]]
Count = Callable[[], Awaitable[int]]


@pytest.fixture
def ask(api: AsyncClient) -> Ask:
    async def ask(**query: Any) -> dict[str, Any]:
        answer = await api.post("/v1/query", json={"date_range": RANGE, **query})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return ask


@pytest.fixture
def count_days(settings: Settings) -> Count:
    async def count_days() -> int:
        async with await psycopg.AsyncConnection.connect(settings.database_url, autocommit=True) as connection:
            days = await due(connection, datetime.now(UTC), quiet_s=-1)
            assert all([await count(connection, day) for day in days])
            return len(days)

    return count_days


def made(number: int, chance: Random) -> Session:
    """One of many, with a bit of everything."""
    begin_s = BEGIN.timestamp() + chance.random() * DAYS * 86_400
    duration_s = int(chance.expovariate(1 / 200)) * chance.choice([0, 1, 1])
    orders = chance.choice([0, 0, 0, 1])
    touch = Touch(
        entry_url=chance.choice([None, *PAGES]),
        referrer=chance.choice([None, "https://www.google.com/search", "https://blog.example/"]),
        utm_source=chance.choice([None, "letter"]),
        utm_campaign=chance.choice([None, "spring", "summer"]),
        experiments=chance.choice([None, {"button": "red"}, {"button": "blue", "price": "high"}]),
        currency=chance.choice([None, "EUR"]) if not orders else "EUR",
    )
    return session(
        begin_s,
        end_us=round((begin_s + duration_s) * SECOND_US),
        user=str(chance.randrange(300)),
        site_id=chance.choice(["shop", "shop", "blog"]),
        device_type=chance.choice(["mobile", "computer", "tablet"]),
        begin_navigation=chance.choice(["home", "beer"]),
        end_navigation=chance.choice(["home", "cart"]),
        events=chance.randrange(1, 20),
        bounced=duration_s < 20,
        converted=bool(orders),
        orders=orders,
        revenue=Decimal(orders * chance.randrange(1, 10_000)).scaleb(-2),
        touch=touch,
        uid=number.to_bytes(16, "big"),
    )


METRICS = {
    "sessions": "count(*)",
    "clicks": "sum(events)",
    "visitors": "count(DISTINCT (site_id, user_id))",
    "events_per_session": "round(avg(events), 2)::float",
    "duration_total": "sum(duration_sec)",
    "duration_avg": "round(avg(duration_sec), 2)::float",
    "bounce_rate": "round(100.0 * count(*) FILTER (WHERE bounced) / count(*), 2)::float",
    "conversions": "count(*) FILTER (WHERE converted)",
    "conversion_rate": "round(100.0 * count(*) FILTER (WHERE converted) / count(*), 2)::float",
    "orders": "sum(orders)",
    "revenue": "trim_scale(sum(revenue))::text",
    "revenue_per_session": "trim_scale(round(sum(revenue) / count(*), 6))::text",
}
QUANTILES = ["duration_p50", "duration_p90", "duration_p99"]


def _when(url: str, page: str) -> str:
    return f"WHEN '{url}' THEN '{page}'"


LOCAL = "begin_session AT TIME ZONE '{zone}'"
BY = {
    (): "",
    ("device_type",): "device_type",
    ("begin_navigation", "device_type"): "begin_navigation, device_type",
    ("end_navigation",): "end_navigation",
    ("entry_page",): f"CASE entry_url {' '.join(_when(url, page) for url, page in PAGES.items())} END",
    ("referrer_host", "site_id"): "CASE WHEN referrer LIKE '%%google%%' THEN 'google.com' WHEN referrer IS NOT NULL"
    " THEN 'blog.example' END, site_id",
    ("utm_source", "utm_campaign"): "utm_source, utm_campaign",
    ("experiment:button",): "experiments ->> 'button'",
    ("converted",): "converted",
    ("events",): "events",
    ("time:hour",): "to_char(date_trunc('hour', begin_session, '{zone}'), 'YYYY-MM-DD HH24:MI')",
    ("time:day", "device_type"): f"to_char({LOCAL}, 'YYYY-MM-DD'), device_type",
    ("time:week",): f"to_char(date_trunc('week', {LOCAL}), 'YYYY-MM-DD')",
    ("time:month", "utm_source"): f"to_char({LOCAL}, 'YYYY-MM-01'), utm_source",
    ("time:minute",): "to_char(date_trunc('minute', begin_session), 'YYYY-MM-DD HH24:MI')",
}
FILTERED: list[tuple[list[Any], str]] = [
    ([], "true"),
    ([["is", "device_type", ["mobile", "tablet"]]], "device_type IN ('mobile', 'tablet')"),
    ([["is_not", "utm_source", ["letter"]]], "utm_source IS DISTINCT FROM 'letter'"),
    (
        [["is", "device_type", ["mobile"]], ["or", [["contains", "entry_page", ["beer"]], ["is", "event", ["cart"]]]]],
        "device_type = 'mobile' AND (entry_url LIKE '%%/beer/%%' OR 'cart' = ANY(path))",
    ),
]
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata"]


def expected(
    select: Select, by: tuple[str, ...], where: str, zone: str, *, begin: str = "2025-03-28", end: str = "2025-04-03"
) -> list[list[Any]]:
    """Dimensions, then metrics, by hand-written SQL."""
    parts = [BY[by].format(zone=zone)] if by else []
    of_experiment = " AND experiments ? 'button'" if "experiment:button" in by else ""
    query = f"""
        SELECT {", ".join([*parts, *METRICS.values()])}, array_agg(duration_sec) FROM sessions
        WHERE "window" = 'visits' AND begin_session >= '{begin} {zone}' AND begin_session < '{end} {zone}'
            AND {where}{of_experiment}
        {"GROUP BY " + ", ".join(str(number + 1) for number, _ in enumerate(by)) if by else ""}
    """
    rows = select(query.replace("%%", "%"))
    return [[*row[:-1], *quantiles(row[-1])] for row in rows]


def quantiles(durations: list[int]) -> list[float | None]:
    counts = [0] * len(BOUNDS_S)
    for duration in durations:
        counts[class_of(duration)] += 1
    return [quantile(counts, share) for share in (0.5, 0.9, 0.99)]


def flat(answer: dict[str, Any]) -> list[list[Any]]:
    return [[*map(moment, row["dimensions"]), *row["metrics"]] for row in answer["results"]]


def moment(label: Any) -> Any:
    """Times as the SQL has them: in UTC."""
    if isinstance(label, str) and "T" in label:
        return datetime.fromisoformat(label).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    return label


@pytest.mark.parametrize("zone", ZONES)
async def test_numbers_are_those_of_hand_written_sql_whatever_they_are_read_from(
    ask: Ask, keep: Keep, count_days: Count, select: Select, zone: str
) -> None:
    chance = Random(7)
    await keep(*(made(number, chance) for number in range(600)))
    select("SELECT set_config('TimeZone', 'UTC', false)")
    for counted in (False, True):
        if counted:
            assert await count_days() > DAYS
        for number, by in enumerate(BY):
            filters, where = FILTERED[number % 4]
            answer = await ask(metrics=[*METRICS, *QUANTILES], dimensions=by, filters=filters, timezone=zone)
            found, wanted = flat(answer), expected(select, by, where, zone)
            assert sorted(found, key=repr) == sorted(wanted, key=repr), (by, filters, counted)


@pytest.mark.parametrize("by", [("time:week",), ("time:month", "utm_source")])
async def test_weeks_and_months_of_years_are_those_of_hand_written_sql(
    ask: Ask, keep: Keep, count_days: Count, select: Select, by: tuple[str, ...]
) -> None:
    """Of another zone than UTC: so many pieces that each table is read once for all of its own."""
    chance = Random(8)
    await keep(*(made(number, chance) for number in range(600)))
    await count_days()
    select("SELECT set_config('TimeZone', 'UTC', false)")
    years, zone = ["2024-06-03", "2026-06-07"], "Europe/Berlin"
    answer = await ask(metrics=[*METRICS, *QUANTILES], dimensions=by, timezone=zone, date_range=years)
    wanted = expected(select, by, "true", zone, begin="2024-06-03", end="2026-06-08")
    assert sorted(flat(answer), key=repr) == sorted(wanted, key=repr)
