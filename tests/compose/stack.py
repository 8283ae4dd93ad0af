"""A running `docker compose` of this repository, as its user sees it."""

import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from httpx import Client, HTTPError

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0  # a machine that others use too; a test that succeeds never waits so long
POLL_S = 0.25
SEND_S = 0.05

T = TypeVar("T")


class Stack:
    def __init__(self, folder: Path, *, project: str, files: tuple[str, ...] = ("docker-compose.yml",)) -> None:
        self.port = _free_port()
        environment = folder / "env"
        environment.write_text(
            f"VALKEY_PASSWORD={secrets.token_hex(16)}\nPOSTGRES_PASSWORD={secrets.token_hex(16)}\n"
            f"PUBLISH=127.0.0.1:{self.port}\nPARTITIONS=4\nOUT_OF_ORDERNESS=60s\nLEASE=2s\nGRAFANA_PASSWORD=change-me\n"
        )
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_FILE": os.pathsep.join(files),
            "COMPOSE_ENV_FILES": str(environment),
            "ENV_FILE": str(environment),
        }
        self._web = Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def run(self, *command: str, fed: bytes = b"", fails: bool = False) -> str:
        """A command in the repository, which Compose's variables point to this stack; gives its standard output."""
        done = subprocess.run(command, cwd=ROOT, env=self._environment, input=fed, capture_output=True, check=False)
        told = done.stderr.decode(errors="replace")
        assert bool(done.returncode) == fails, (
            f"{' '.join(command)}: {done.returncode}\n{done.stdout!r}\n{told[-4000:]}"
        )
        return done.stdout.decode() if not fails else told

    def compose(self, *arguments: str, fed: bytes = b"") -> str:
        return self.run("docker", "compose", *arguments, fed=fed)

    def cli(self, *arguments: str, fed: bytes = b"") -> str:
        """`docker compose run --rm cli …`."""
        return self.compose("run", "--rm", "-T", "cli", *arguments, fed=fed).strip()

    def up(self, *arguments: str) -> None:
        """Up and healthy."""
        self.compose("up", "-d", "--wait", "--wait-timeout", "180", *arguments)

    def close(self) -> None:
        self._web.close()

    def down(self) -> None:
        """With all that it holds."""
        self.compose("--profile", "*", "down", "-v", "--remove-orphans", "--timeout", "20")

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> Any:
        return json.loads(self.run("docker", "inspect", container))[0]

    def health(self, container: str) -> str:
        return str(self.inspect(container)["State"]["Health"]["Status"])

    def healthy(self) -> bool:
        """Whether every container that runs is."""
        rows = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return bool(rows) and all(row["Health"] in ("healthy", "") for row in rows)

    def owners(self) -> set[str]:
        """Host names of the sessionizers that serve something."""
        served = "for key in $(valkey-cli --scan --pattern 'lease:*'); do valkey-cli get $key; done"
        tokens = self.compose("exec", "-T", "valkey", "sh", "-c", served).split()
        return {token.partition(":")[2].partition("-")[0] for token in tokens}

    def received(self, key: str) -> int:
        """All that came within a day, when all of it is in Postgres; it must balance, then and before."""

        def settled() -> Any:
            begin, end = datetime.now(UTC) - timedelta(hours=23), datetime.now(UTC) + timedelta(minutes=5)
            ledger = self._ask("/v1/ledger", key, {"from": begin.isoformat(), "to": end.isoformat()})
            assert not ledger or ledger["balanced"], ledger
            return ledger if ledger and ledger["settled"] else None

        return int(self.until(settled, what="all to be in Postgres")["received"])

    def sessions(self, key: str, **filters: str) -> list[dict[str, Any]]:
        """All of them, page by page."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while not found or page["next_cursor"]:
            cursor = {"cursor": page["next_cursor"]} if page else {}
            page = self._ask("/v1/sessions", key, {"limit": 1000, **filters, **cursor})
            assert page["sessions"]
            found += page["sessions"]
        return found

    def _ask(self, path: str, key: str, params: dict[str, Any]) -> Any:
        """None if there is no answer, or only the one that a store is away."""
        try:
            answer = self._web.get(path, params=params, headers={"Authorization": f"Bearer {key}"})
        except HTTPError:
            return None
        assert answer.status_code in (200, 502, 503), answer.text
        return answer.json() if answer.status_code == 200 else None

    @contextmanager
    def sending(self, key: str) -> Iterator[list[str]]:
        """Events, one a request and each until it is taken, while the block lasts; gives the ids of those taken."""
        taken: list[str] = []
        stop = threading.Event()

        def send() -> None:
            while not stop.is_set():
                event_id = uuid4().hex
                while not self._taken(key, event_id):
                    time.sleep(POLL_S)
                taken.append(event_id)
                stop.wait(SEND_S)

        with ThreadPoolExecutor(1) as pool:
            sender = pool.submit(send)
            try:
                yield taken
            finally:
                stop.set()
                sender.result()

    def _taken(self, key: str, event_id: str) -> bool:
        event = {
            "event_id": event_id,
            "user_id": event_id[:2],
            "device_id": "computer",
            "client_event": "page_view",
            "client_timestamp": int(time.time() * 1_000),
        }
        try:
            answer = self._web.post("/v1/events", json=event, headers={"Authorization": f"Bearer {key}"})
        except HTTPError:
            return False
        assert answer.status_code in (202, 502, 503, 504), answer.text
        return answer.status_code == 202

    @staticmethod
    def until(condition: Callable[[], T], *, what: str, within_s: float = PATIENCE_S) -> T:
        deadline = time.monotonic() + within_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
            time.sleep(POLL_S)
        return found


@contextmanager
def stack(folder: Path, *, project: str, files: tuple[str, ...] = ("docker-compose.yml",)) -> Iterator[Stack]:
    """Nothing of it is there before, nor afterwards."""
    with closing(Stack(folder, project=project, files=files)) as made:
        made.down()
        try:
            yield made
        finally:
            made.down()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
