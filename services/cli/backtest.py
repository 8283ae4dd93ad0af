"""`clickloom backtest`: the same clicks under several window definitions, side by side."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from clickloom.errors import InvalidSetting
from clickloom.keys import SEPARATOR
from clickloom.session import Session
from clickloom.times import to_datetime
from clickloom.windows.rules import Rules
from clickloom.windows.spec import Window, parse_window
from services.cli.compare import Fate, clusters
from services.cli.sessionize import sessionize
from services.cli.source import Format, open_source, read_lines, readable_again
from services.generator.truth import Visit

QUANTILES = (50, 90, 99)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What one definition makes of the clicks. Rates are shares of the sessions; null if there are none."""

    window: str
    sessions: int
    clicks: int  # in sessions; late ones are in none
    bounces: int
    bounce_rate: float | None
    conversions: int
    conversion_rate: float | None
    revenue: Decimal
    duration_sec: dict[str, float]  # p50, p90, p99
    split: int | None  # of the first definition's sessions: several sessions here; null for the first itself
    joined: int | None  # of the first definition's sessions: in one session here with others of them


def parse_definitions(texts: Sequence[str]) -> list[Window]:
    """Raises InvalidSetting."""
    if len(texts) < 2:
        raise InvalidSetting("backtest compares definitions: give --window twice, as --window 'session(gap=10m)'")
    return [parse_window(text) for text in texts]


def backtest(file: str, form: Format, texts: Sequence[str], rules: Rules, rejected: list[str]) -> list[Column]:
    """A column a definition, each but the first compared with the first. Raises InvalidSetting before it reads."""
    windows = parse_definitions(texts)
    columns: list[Column] = []
    first: list[Visit] = []
    with readable_again(file) as path:
        for text, window in zip(texts, windows, strict=True):
            rejected.clear()  # each reading finds the same ones
            visits, bounces = _cut(path, form, window, rules, rejected)
            fates = _fates(first, visits) if columns else None
            first = first if columns else visits
            columns.append(_column(text, visits, bounces, fates))
    return columns


def _cut(path: str, form: Format, window: Window, rules: Rules, rejected: list[str]) -> tuple[list[Visit], int]:
    """The sessions of one definition, and how many are bounced."""
    visits: list[Visit] = []
    bounces = 0
    with open_source(path) as lines:
        for session in sessionize(read_lines(lines, form, rules, rejected), window, rules):
            visits.append(_visit(session))
            bounces += session.bounced
    return visits, bounces


def _visit(session: Session) -> Visit:
    return Visit(
        user_id=f"{session.site_id}{SEPARATOR}{session.user_id}",  # one user on two sites is two visitors
        device_id=session.device_id,
        begin_session=to_datetime(session.begin_us),
        end_session=to_datetime(session.end_us),
        events=session.events,
        begin_navigation=session.begin_navigation,
        end_navigation=session.end_navigation,
        converted=session.converted,
        orders=session.orders,
        revenue=session.revenue,
    )


def _fates(first: Sequence[Visit], visits: Sequence[Visit]) -> Counter[Fate]:
    """What became of the first definition's sessions."""
    return Counter(cluster.fate(one) for cluster in clusters(first, visits) for one in cluster.left)


def _column(text: str, visits: Sequence[Visit], bounces: int, fates: Counter[Fate] | None) -> Column:
    conversions = sum(visit.converted or False for visit in visits)
    return Column(
        window=text,
        sessions=len(visits),
        clicks=sum(visit.events for visit in visits),
        bounces=bounces,
        bounce_rate=bounces / len(visits) if visits else None,
        conversions=conversions,
        conversion_rate=conversions / len(visits) if visits else None,
        revenue=sum((visit.revenue or Decimal(0) for visit in visits), Decimal(0)),
        duration_sec=_quantiles(visits),
        split=None if fates is None else fates[Fate.split],
        joined=None if fates is None else fates[Fate.joined],
    )


def _quantiles(visits: Sequence[Visit]) -> dict[str, float]:
    if not visits:
        return {}
    durations = [(visit.end_session - visit.begin_session).total_seconds() for visit in visits]
    values = np.percentile(durations, QUANTILES).tolist()
    return {f"p{q}": round(value, 3) for q, value in zip(QUANTILES, values, strict=True)}


def print_columns(columns: Sequence[Column]) -> None:
    """A table on standard output, a column a definition."""
    console = Console(highlight=False)
    table = Table("", *(column.window for column in columns), title="the same clicks")
    for shown in table.columns[1:]:
        shown.justify = "right"
    rows = [dict(_cells(column)) for column in columns]
    for name in rows[0]:
        table.add_row(name, *(row[name] for row in rows))
    console.print(table)


def _cells(column: Column) -> Iterator[tuple[str, str]]:
    yield "sessions", f"{column.sessions:,}"
    yield "clicks in them", f"{column.clicks:,}"
    yield "bounces", f"{column.bounces:,}"
    yield "bounce rate", _percent(column.bounce_rate)
    yield "conversions", f"{column.conversions:,}"
    yield "conversion rate", _percent(column.conversion_rate)
    yield "revenue", f"{column.revenue:,}"
    for q in QUANTILES:
        yield f"duration p{q}, s", _known(column.duration_sec.get(f"p{q}"))
    yield "of the first, split here", _known(column.split)
    yield "of the first, joined here", _known(column.joined)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"
