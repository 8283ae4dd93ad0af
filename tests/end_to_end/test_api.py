"""The API as a process: it stops at once, whoever listens, and finishes what it was asked before."""

import asyncio
import os
import signal
import time
from pathlib import Path

from services.cli.embedded import embedded_valkey
from tests.end_to_end.api import asking
from tests.processes import Start

PROMPTLY_S = 4  # less than requests are given to end

EVENT = {"user_id": 64, "device_id": "computer", "client_event": "a", "client_timestamp": "2021-02-26T13:31:00"}


async def test_it_stops_promptly_while_somebody_listens_to_live_numbers(start: Start) -> None:
    api = start("api", PORT="0")
    async with asking(api) as client, client.stream("GET", "/v1/live/metrics") as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        asked = time.monotonic()
        api.signal(signal.SIGTERM)
        async for _ in lines:  # the stream ends whole: a cut one would raise
            pass
        assert await api.ended() == 0
        assert time.monotonic() - asked < PROMPTLY_S
    assert "service.stopped" in api.output
    assert "error" not in api.output
    assert "Traceback" not in api.output


async def test_a_request_that_waits_for_redis_is_answered_before_it_stops(start: Start, store_folder: Path) -> None:
    with embedded_valkey(store_folder, {"save": ""}) as url:
        api = start("api", PORT="0", REDIS_URL=url)
        async with asking(api) as client:
            server = int((store_folder / "valkey.pid").read_text())
            os.kill(server, signal.SIGSTOP)
            sent = asyncio.Event()

            async def trace(happened: str, _: object) -> None:
                if happened == "http11.send_request_body.complete":
                    sent.set()

            waiting = asyncio.create_task(client.post("/v1/events", json=EVENT, extensions={"trace": trace}))
            await sent.wait()
            assert (await client.get("/healthz")).status_code == 200, "one that came after it is answered: it is in"
            api.signal(signal.SIGTERM)
            os.kill(server, signal.SIGCONT)
            assert (await waiting).status_code == 202
            assert await api.ended() == 0


async def test_ctrl_c_twice_is_no_more_than_once(start: Start) -> None:
    api = start("api", PORT="0")
    async with asking(api):
        api.signal(signal.SIGINT)
        api.signal(signal.SIGINT)
        assert await api.ended() == 0
    assert "Traceback" not in api.output
