"""A small HTTP server beside the loops of a service: whether it lives and gets on, and its metrics.

In threads of its own, so that it answers, and says why, also when the event loop is stuck.
"""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clickloom.duties import Duties
from clickloom.lifecycle import listen
from clickloom.metrics import DUTY_AGE

log = structlog.get_logger()


@asynccontextmanager
async def watched(duties: Duties, *, host: str, port: int) -> AsyncIterator[None]:
    """Serve /healthz, /readyz and /metrics as long as the block lasts; port 0: not at all.

    Raises ServerUnavailable if the port is taken.
    """
    if not port:
        yield
        return
    ages = _Ages(duties)
    with _Server(duties, host, port) as server:
        log.info("watch.listening", url=f"http://{host}:{port}")
        threading.Thread(target=server.serve_forever, name="watch", daemon=True).start()
        REGISTRY.register(ages)
        try:
            yield
        finally:
            REGISTRY.unregister(ages)
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, duties: Duties, host: str, port: int) -> None:
        super().__init__((host, port), _Question, bind_and_activate=False)
        self.socket.close()
        self.socket = listen(host, port, setting="METRICS_PORT")
        self.server_activate()
        self.duties = duties


class _Question(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # s, for one who connects and is silent
    wbufsize = -1  # an answer goes out as one piece: who has read its first line may hang up

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
            case "/healthz":
                self._judge(self.server.duties.stuck(time.monotonic()))
            case "/readyz":
                self._judge(self.server.duties.behind(time.monotonic()))
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "ask for /healthz, /readyz or /metrics")

    def _judge(self, faults: list[str]) -> None:
        if faults:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "; ".join(faults))
        else:
            self._answer(HTTPStatus.OK, "application/json", b'{"status":"ok"}')

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
        self._answer(status, "application/problem+json", json.dumps(problem).encode())

    def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not a line every ten seconds, for ever."""


class _Ages(Collector):
    """`DUTY_AGE` of every duty, as they are when Prometheus asks."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties

    def collect(self) -> Iterable[GaugeMetricFamily]:
        found = GaugeMetricFamily(*DUTY_AGE, labels=["duty"])
        for name, age_s in self._duties.ages_s(time.monotonic()).items():
            found.add_metric([name], age_s)
        yield found
