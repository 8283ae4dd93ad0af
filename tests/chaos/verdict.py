"""Whether everything is exact in the end."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from redis.asyncio import Redis

from clickloom.connect import open_redis
from clickloom.database import libpq_url
from clickloom.keys import Keys
from clickloom.settings import Settings
from clickloom.status.reading import read_status
from clickloom.streams import START, read_stream, register_reader
from clickloom.times import SECOND_US
from clickloom.windows.spec import SessionWindow, Window
from clickloom.wire import FIELD, decode_changelog
from services.cli import ledger
from services.cli.score import score_database
from services.cli.verdict import Score
from services.generator.truth import Truth
from services.persister.recount import check_rollups
from tests.changelog import Sessions, apply

WITNESS = "chaos"  # a reader that keeps changelogs from being trimmed, so that all of them can be walked
POLL_S = 1.0
IDLE_S = 10.0

Say = Callable[[str], None]
EXAMPLES = 10

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class Verdict:
    """What there is, and everything that is not as it must be."""

    clicks: int = 0
    duplicates: int = 0  # clicks that came again: by the truth, or because their sender did not know
    sessions: dict[str, int] = field(default_factory=dict)  # by window
    scores: dict[str, Score] = field(default_factory=dict)  # by site
    duplicate_rows: int = 0
    ledger: list[str] = field(default_factory=list)  # what does not balance
    rollups: list[str] = field(default_factory=list)  # what is not as a recount gives it
    findings: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.findings


async def keep_changelogs(redis: Redis, settings: Settings) -> None:
    keys = Keys(settings.namespace)
    for window in settings.parsed_windows():
        for number in range(settings.partitions):
            await register_reader(redis, keys.sessions(window.name, number), WITNESS)


async def judge(settings: Settings, truths: Sequence[Truth], *, within_s: float, say: Say) -> Verdict:
    """Look until all is exact, or for so long."""
    deadline = time.monotonic() + within_s
    async with open_redis(settings.redis_url) as redis:
        while True:
            verdict = await _look(redis, settings, truths)
            if verdict.exact or time.monotonic() > deadline:
                return verdict
            say(f"not yet: {verdict.findings[0]}")
            await asyncio.sleep(POLL_S)


async def _look(redis: Redis, settings: Settings, truths: Sequence[Truth]) -> Verdict:
    verdict = Verdict(findings=await _troubles(redis, settings))
    with psycopg.connect(libpq_url(settings.database_url, application_name="chaos"), autocommit=True) as connection:
        _count(verdict, connection)
        for truth in truths:
            verdict.findings += _against_truth(verdict, connection, truth, settings.database_url)
        for window in settings.parsed_windows():
            verdict.findings += against_batch(connection, window)
            changelog = await _walk(redis, settings, window.name, verdict.findings)
            verdict.findings += _against_changelog(connection, window.name, changelog)
        verdict.rollups = _against_recount(connection)
        verdict.findings += verdict.rollups
    verdict.ledger = await _ledger(settings, verdict.clicks)
    verdict.findings += verdict.ledger
    return verdict


async def _troubles(redis: Redis, settings: Settings) -> list[str]:
    """Every lag and every trouble that `clickloom status` knows of, but for the witness.

    A partition's idle commit is a lag for a moment: there must be one without any.
    """
    deadline = time.monotonic() + IDLE_S
    while True:
        status = await read_status(redis, settings)
        lags = [reader for reader in status.readers if reader.lag != 0 and reader.reader != WITNESS]
        troubles = [trouble for trouble in status.troubles if not trouble.startswith(f"{WITNESS} is nobody of")]
        if not (lags or troubles) or time.monotonic() > deadline:
            return [f"{reader.reader} has a lag of {reader.lag} in {reader.stream}" for reader in lags] + troubles
        await asyncio.sleep(0.05)


def _against_recount(connection: Connection) -> list[str]:
    check = check_rollups(connection)
    told = [f"rollup {one.place} is {one.kept}, a recount gives {one.recounted}" for one in check.differences]
    return told[:EXAMPLES]


def _count(verdict: Verdict, connection: Connection) -> None:
    positions = "count(DISTINCT (partition, entry_ms, entry_seq, entry_row))"
    clicks, distinct, events = _row(
        connection, f"SELECT count(*), {positions}, count(DISTINCT (site_id, event_id)) FROM clicks"
    )
    verdict.clicks, verdict.duplicate_rows, verdict.duplicates = clicks, clicks - distinct, clicks - events
    if verdict.duplicate_rows:
        verdict.findings.append(f"{verdict.duplicate_rows} rows of clicks are a second one of their stream position")
    sessions = connection.execute('SELECT "window", count(*) FROM sessions GROUP BY 1').fetchall()
    verdict.sessions = dict(sessions)


def _against_truth(verdict: Verdict, connection: Connection, truth: Truth, database_url: str) -> Iterator[str]:
    site, end = truth.run.site_id, truth.end
    score = score_database(truth, database_url, wait_s=0)
    verdict.scores[site] = score
    if not score.perfect:
        yield (
            f"{site}: {score.exact} of {score.true_sessions} sessions are exact; {dict(score.found)}, late clicks found"
            f" {score.late_found} of {score.true_late}, late though in time {score.late_unknown}"
        )
        yield from (f"{site}: {example}" for example in score.examples)
    (events,) = _row(connection, "SELECT count(DISTINCT event_id) FROM clicks WHERE site_id = %s", site)
    if events != (sent := end.clicks + end.late + end.bots):
        yield f"{site}: {events} events are in clicks, {sent} were sent"


# An event is accepted if it came more often than it was refused as late: of several only the first can be in time.
_ACCEPTED = """
WITH refused AS (
  SELECT site_id, user_id, device_id, event_id, count(*) AS times FROM late_clicks WHERE "window" = %(window)s
  GROUP BY 1, 2, 3, 4
), accepted AS (
  SELECT site_id, user_id, device_id, min(client_timestamp) AS at
  FROM clicks LEFT JOIN refused USING (site_id, user_id, device_id, event_id)
  GROUP BY site_id, user_id, device_id, event_id HAVING count(*) > coalesce(max(times), 0)
)"""
_BY_GAP = """
, marked AS (
  SELECT *, coalesce(at - lag(at) OVER visitor > make_interval(secs => %(gap_s)s), true) AS begins FROM accepted
  WINDOW visitor AS (PARTITION BY site_id, user_id, device_id ORDER BY at)
), numbered AS (
  SELECT *, count(*) FILTER (WHERE begins) OVER (
    PARTITION BY site_id, user_id, device_id ORDER BY at ROWS UNBOUNDED PRECEDING) AS island FROM marked
)"""
_BY_MINUTE = ", numbered AS (SELECT *, date_trunc('minute', at) AS island FROM accepted)"
_DIFFERENCE = """
, batch AS (
  SELECT site_id, user_id, device_id, min(at) AS begin_session, max(at) AS end_session, count(*)::int AS events
  FROM numbered GROUP BY site_id, user_id, device_id, island
), made AS (
  SELECT site_id, user_id, device_id, begin_session, end_session, events FROM sessions WHERE "window" = %(window)s
)
SELECT 'not made' AS what, * FROM (SELECT * FROM batch EXCEPT ALL SELECT * FROM made) AS missing
UNION ALL
SELECT 'made though', * FROM (SELECT * FROM made EXCEPT ALL SELECT * FROM batch) AS extra
ORDER BY 2, 3, 4, 5
"""


def against_batch(connection: Connection, window: Window) -> Iterator[str]:
    """Sessions against plain SQL over the accepted rows of clicks."""
    by_gap = isinstance(window, SessionWindow)
    query = _ACCEPTED + (_BY_GAP if by_gap else _BY_MINUTE) + _DIFFERENCE
    values = {"window": window.name, "gap_s": window.reach_us / SECOND_US}
    rows = connection.execute(query.encode(), values).fetchall()
    if rows:
        yield f"{window.name}: {len(rows)} differences to a batch over clicks"
    for what, site, user, device, begin, end, events in rows[:EXAMPLES]:
        yield f"{window.name}: {what}: {site} {user} {device} {begin.isoformat()} to {end.isoformat()}, {events} events"


async def _walk(redis: Redis, settings: Settings, window: str, findings: list[str]) -> Sessions:
    """What the whole changelog says in the end; a − row without its + row is a finding."""
    sessions = Sessions()
    keys = Keys(settings.namespace)
    for number in range(settings.partitions):
        after = START
        while entries := await read_stream(redis, keys.sessions(window, number), after, count=500, block_ms=None):
            after = entries[-1][0].decode()
            for entry_id, fields in entries:
                try:
                    apply(decode_changelog(fields[FIELD]), sessions)
                except (AssertionError, KeyError) as error:
                    where = f"{keys.sessions(window, number)} {entry_id.decode()}"
                    findings.append(f"{where}: a row that does not go with those before it: {error!r}")
    return sessions


def _against_changelog(connection: Connection, window: str, changelog: Sessions) -> Iterator[str]:
    query = 'SELECT session_uid, version, events FROM sessions WHERE "window" = %s'
    stored = {uid: tuple(rest) for uid, *rest in connection.execute(query, [window]).fetchall()}
    expected = {uid: (session.version, session.events) for uid, session in changelog.items()}
    differing = {uid for uid in stored.keys() | expected.keys() if stored.get(uid) != expected.get(uid)}
    if differing:
        yield f"{window}: {len(differing)} sessions in Postgres are not those of the changelog"
    for uid in sorted(differing)[:EXAMPLES]:
        yield f"{window}: {uid} (version, events): {expected.get(uid)} in the changelog, {stored.get(uid)} in Postgres"


async def _ledger(settings: Settings, clicks: int) -> list[str]:
    """What does not balance, or is not settled yet, or is not about all there is."""
    found = await ledger.read(settings, None, None, window=None, site_id=None, wait_s=0)
    unequal = [f"ledger: {one}" for one in found.differences]
    if not found.settled:
        unequal.append("ledger: some is on its way still")
    if found.clicks != clicks:
        unequal.append(f"ledger: it knows of {found.clicks} clicks, {clicks} are in clicks")
    return unequal


def _row(connection: Connection, query: str, *values: Any) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return row
