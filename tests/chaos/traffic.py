"""The shop's traffic, with known truth: straight onto the streams, and by HTTP."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from clickloom.settings import Settings
from clickloom.times import now_us, parse_duration
from services.generator.arrivals import Disturbances, Line
from services.generator.plan import Plan
from services.generator.truth import Record, Truth, as_line, read_truth
from tests.chaos.system import System
from tests.processes import Process

HTTP_SHARE = 0.2  # of the clicks
DISORDER, WITHIN, LATE, DUPLICATES, MALFORMED = 0.2, "15s", 0.005, 0.02, 0.005
TICK_S = 0.1
EVENTS = 500  # in a request
ANSWER_WITHIN_S = 8.0
AGAIN_AFTER_S = 0.3
ASK_EVERY_S = 0.3

_encode = msgspec.json.Encoder().encode


class Traffic:
    """The generator as a process at the stores themselves, under the site `streams…`, and a client of the API under
    `http…`. Both make sure that each event is taken, which may put it into the streams twice."""

    def __init__(self, generator: Process, http: "HttpTraffic", truth: Path) -> None:
        self._generator = generator
        self._http = http
        self._truth = truth

    @property
    def truths(self) -> list[Truth]:
        """When it has ended."""
        return [read_truth(self._truth.read_bytes().splitlines()), self._http.truth]

    @property
    def odd_answers(self) -> list[str]:
        return self._http.odd_answers

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """While the block lasts, no clicks come."""
        self._generator.signal(signal.SIGSTOP)
        self._http.flowing.clear()
        try:
            yield
        finally:
            self._http.flowing.set()
            self._generator.signal(signal.SIGCONT)


@asynccontextmanager
async def flowing(system: System, *, seed: int, rate: float, name: str, folder: Path) -> AsyncIterator[Traffic]:
    """Traffic as long as the block lasts; after it everything has been sent."""
    truth = folder / f"truth-{name}.jsonl"
    generator = system.start_generator(
        "--rate", str(rate * (1 - HTTP_SHARE)), "--seed", str(seed), "--site", f"streams-{name}", "--truth", str(truth),
        "--disorder", str(DISORDER), "--disorder-within", WITHIN, "--late", str(LATE),
        "--duplicates", str(DUPLICATES), "--malformed", str(MALFORMED),
    )  # fmt: skip
    await generator.logged("service.started")
    plan = Plan(
        seed=seed + 1,
        rate=rate * HTTP_SHARE,
        site_id=f"http-{name}",
        disturbances=Disturbances(
            disorder=DISORDER, disorder_within_us=parse_duration(WITHIN), late=LATE, duplicates=DUPLICATES
        ),
    )
    http = HttpTraffic(system.api_url, plan, system.settings)
    async with http.running():
        yield Traffic(generator, http, truth)
        generator.signal(signal.SIGTERM)
        assert await generator.ended() == 0, generator.output


class HttpTraffic:
    """A client of `POST /v1/events` that sends again, with the same event ids, until it knows that all is taken."""

    def __init__(self, api_url: str, plan: Plan, settings: Settings) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.odd_answers: list[str] = []  # other than taken, or asked to come again
        self._api_url = api_url
        self._plan = plan
        self._settings = settings
        self._records: list[Record] = []
        self._stop = asyncio.Event()

    @property
    def truth(self) -> Truth:
        return read_truth(map(as_line, self._records))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send as long as the block lasts, and then what is under way still."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._ask())]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*tasks)

    async def _ask(self) -> None:
        """Ask for sessions all the time, so that the API uses Postgres."""
        async with httpx.AsyncClient(base_url=self._api_url, timeout=ANSWER_WITHIN_S) as client:
            while not self._stop.is_set():
                with suppress(httpx.TransportError):
                    self._expect(await client.get("/v1/sessions?limit=10"), 200)
                await asyncio.sleep(ASK_EVERY_S)

    async def _send(self) -> None:
        begin_us = now_us()
        self._records.append(self._plan.run(self._settings, begin_us))
        arrivals = self._plan.arrivals(self._settings, self._records.append)
        slots = self._plan.live_slots(begin_us)
        async with httpx.AsyncClient(base_url=self._api_url, timeout=ANSWER_WITHIN_S) as client:
            while not self._stop.is_set():
                await self.flowing.wait()
                moment_us = now_us()
                for time_us in slots.due(moment_us):
                    arrivals.add(time_us)
                await self._post(client, arrivals.take(moment_us))
                await asyncio.sleep(TICK_S)
            await self._post(client, arrivals.finish())
        self._records.append(arrivals.end)

    async def _post(self, client: httpx.AsyncClient, lines: Sequence[Line]) -> None:
        for first in range(0, len(lines), EVENTS):
            body = b"[" + b",".join(map(_encode, lines[first : first + EVENTS])) + b"]"
            while not await self._taken(client, body):  # noqa: ASYNC110  # it is asked again
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _taken(self, client: httpx.AsyncClient, body: bytes) -> bool:
        try:
            answer = await client.post("/v1/events", content=body)
        except httpx.TransportError:
            return False
        return self._expect(answer, 202)

    def _expect(self, answer: httpx.Response, status: int) -> bool:
        """Whether it is answered; 503, while a store is away, asks to come again."""
        if answer.status_code not in (status, 503):
            asked = f"{answer.request.method} {answer.request.url.path}"
            self.odd_answers.append(f"{asked} was answered {answer.status_code}: {answer.text[:200]}")
        return answer.status_code == status
