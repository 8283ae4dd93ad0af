"""What services say of themselves on METRICS_PORT, as processes."""

import signal

from httpx import AsyncClient, HTTPError

from clickloom.keys import Keys
from tests.processes import Process, Start, until
from tests.test_watch import free_port


async def told(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 if nobody listens."""
    try:
        async with AsyncClient(timeout=60) as client:
            answer = await client.get(f"http://127.0.0.1:{port}{path}")
            return answer.status_code, answer.text
    except HTTPError:
        return 0, ""


async def until_told(port: int, text: str, *, path: str = "/metrics") -> None:
    async def is_told() -> bool:
        return text in (await told(port, path))[1]

    await until(is_told, what=f"{text!r} at {path}")


async def test_sessionizer_and_persister_are_ready_and_tell_their_duties_and_the_lag(start: Start, keys: Keys) -> None:
    sessionizer, persister = free_port(), free_port()
    start("sessionizer", METRICS_PORT=str(sessionizer))
    start("persister", METRICS_PORT=str(persister))
    for port in (sessionizer, persister):
        await until_told(port, '"ok"', path="/readyz")
        await until_told(port, '"ok"', path="/healthz")
    await until_told(sessionizer, 'clickloom_duty_age_seconds{duty="serve"}')
    await until_told(sessionizer, 'clickloom_duty_age_seconds{duty="partition 3 of visits"}')
    await until_told(persister, 'clickloom_duty_age_seconds{duty="share 3"}')
    await until_told(sessionizer, f'clickloom_lag_entries{{reader="persister",stream="{keys.clicks(0)}"}} 0.0')


async def test_a_partition_that_is_given_away_is_no_duty_any_more(start: Start) -> None:
    port = free_port()
    start("sessionizer", METRICS_PORT=str(port))
    await until_told(port, 'duty="partition 3 of visits"')
    start("sessionizer")

    async def half_is_given() -> bool:
        return (await told(port, "/metrics"))[1].count('duty="partition ') == 4

    await until(half_is_given, what="four of eight parts")


async def test_the_ledger_is_counted_until_it_is_told_to_end(start: Start) -> None:
    port = free_port()
    audit: Process = start("cli", "ledger", "--every", "1s", METRICS_PORT=str(port))
    await until_told(port, "clickloom_ledger_differences 0.0")
    await until_told(port, "clickloom_ledger_counted_timestamp_seconds 1")
    await until_told(port, '"ok"', path="/readyz")
    audit.signal(signal.SIGTERM)
    assert await audit.ended() == 0
