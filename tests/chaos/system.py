"""The processes under test: two stores, the services before them, and a network of proxies between."""

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import migrations
from clickloom.settings import Settings
from clickloom.times import parse_duration
from services.cli.embedded import embedded_postgres, embedded_valkey
from services.cli.server import Watch
from tests.chaos.plan import LINKS, POSTGRES, SERVICES, VALKEY
from tests.processes import Process, Start, starting
from tests.proxy import Proxy, proxy_before

LEASE_S = 3.0
PARTITIONS = 6
WINDOWS = "visits = session(gap=10s); minutes = stagger(range=5s)"  # both close and revise all the time
OUT_OF_ORDERNESS = "2s"
ALLOWED_LATENESS = "3m"  # for as long clicks may be held up by faults, and must be in time all the same
ENVIRONMENT = {
    "AUTH": "off",
    "PARTITIONS": str(PARTITIONS),
    "WINDOWS": WINDOWS,
    "OUT_OF_ORDERNESS": OUT_OF_ORDERNESS,
    "ALLOWED_LATENESS": ALLOWED_LATENESS,
    "LEASE": f"{LEASE_S:g}s",
}
# Only what is on disk is acknowledged: what a Valkey that is killed has lost, nobody was told that it has.
VALKEY_OPTIONS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "auto-aof-rewrite-percentage": "0",
    "maxmemory-policy": "noeviction",
    "save": "",
}
AGAIN_AFTER_S = 1.0  # a service that ended because a store was away as it started is started again

RunStore = Callable[[Watch], AbstractContextManager[str]]


class Store:
    """A store that can be killed, and started again with the same files."""

    def __init__(self, run: RunStore) -> None:
        self._run = run
        self._running: AbstractContextManager[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Its URL, when it answers."""
        self._running = self._run(self._watch)
        return await asyncio.to_thread(self._running.__enter__)

    def _watch(self, _: str, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, signum: int) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            await asyncio.to_thread(running.__exit__, None, None, None)


class System:
    """Everything that runs, by name."""

    def __init__(
        self,
        *,
        start: Start,
        stores: Mapping[str, Store],
        links: Mapping[str, Proxy],
        addresses: Mapping[str, dict[str, str]],
        settings: Settings,
        port: int,
    ) -> None:
        self.stores = stores
        self.links = links
        self.settings = settings  # with the stores' own addresses, past the network
        self.api_url = f"http://127.0.0.1:{port}"
        self.ended: list[str] = []  # what ended though nobody asked it to, and no store was away
        self._start = start
        self._addresses = addresses
        self._services: dict[str, Process] = {}

    def start(self, service: str) -> None:
        self._services[service] = self._start(service.partition("-")[0], **self._addresses[service])

    def start_generator(self, *arguments: str) -> Process:
        """With known truth it must not be hurt itself: it is at the stores, and nobody kills it."""
        urls = {"REDIS_URL": self.settings.redis_url, "DATABASE_URL": self.settings.database_url}
        return self._start("generator", *arguments, **urls)

    def kill(self, service: str) -> None:
        """From now on it is not there; a service that had just ended by itself too."""
        process = self._services.pop(service)
        if process.alive:
            process.kill()

    def signal(self, name: str, signum: int) -> None:
        if name in self.stores:
            self.stores[name].signal(signum)
        elif self._services[name].alive:
            self._services[name].signal(signum)

    async def stop(self) -> None:
        """Ask all services to end, with the network as it should be."""
        for link in self.links.values():
            link.mend()
        services = {name: process for name, process in self._services.items() if process.alive}
        for process in services.values():
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for name, process in services.items():
            if code := await process.ended():
                self.ended.append(f"{name} ended with {code} when it was asked to end, see {process.log}")

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Start again what ends by itself, as any supervisor does, as long as the block lasts."""
        task = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _supervise(self) -> None:
        while True:
            for service, process in list(self._services.items()):
                if not process.alive:
                    await self._start_again(service, process)
            await asyncio.sleep(0.1)

    async def _start_again(self, service: str, process: Process) -> None:
        last = "".join(process.output.splitlines()[-1:])
        if "does not answer" not in last:
            self.ended.append(f"{service} ended by itself, see {process.log}: {last}")
        await asyncio.sleep(AGAIN_AFTER_S)
        if self._services.get(service) is process:
            self.start(service)


@asynccontextmanager
async def running(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[System]:
    """Stores, services and network, as long as the block lasts; their logs and files are in the folder."""
    async with AsyncExitStack() as stack:
        stores = {
            VALKEY: Store(lambda watch: embedded_valkey(folder / VALKEY, VALKEY_OPTIONS, watch=watch)),
            POSTGRES: Store(lambda watch: embedded_postgres(folder, watch=watch)),
        }
        urls = {}
        for name, store in stores.items():
            stack.push_async_callback(store.stop)
            urls[name] = await store.start()
        await asyncio.to_thread(migrations.upgrade, urls[POSTGRES])
        sockets = {
            VALKEY: urlsplit(urls[VALKEY]).path,
            POSTGRES: f"{parse_qs(urlsplit(urls[POSTGRES]).query)['host'][0]}/.s.PGSQL.5432",
        }
        links = {link: await stack.enter_async_context(proxy_before(sockets[link.partition("~")[2]])) for link in LINKS}
        port = _free_port()
        start = stack.enter_context(starting({**environment, **ENVIRONMENT, "PORT": str(port)}, folder))
        system = System(
            start=start,
            stores=stores,
            links=links,
            addresses={service: _addresses(service, links, urls) for service in SERVICES},
            settings=Settings(
                redis_url=urls[VALKEY],
                database_url=urls[POSTGRES],
                partitions=PARTITIONS,
                windows=WINDOWS,
                out_of_orderness_us=parse_duration(OUT_OF_ORDERNESS),
                allowed_lateness_us=parse_duration(ALLOWED_LATENESS),
            ),
            port=port,
        )
        try:
            yield system
        finally:
            await system.stop()


def _addresses(service: str, links: Mapping[str, Proxy], urls: Mapping[str, str]) -> dict[str, str]:
    """The stores as a service finds them: behind its own links."""
    valkey, postgres = links[f"{service}~{VALKEY}"], links.get(f"{service}~{POSTGRES}")
    database_url = f"postgresql://postgres@127.0.0.1:{postgres.port}/clickloom" if postgres else urls[POSTGRES]
    return {"REDIS_URL": valkey.url, "DATABASE_URL": database_url}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
