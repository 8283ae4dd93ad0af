"""The FastAPI application."""

import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.routing import Route

from clickloom.settings import Settings
from services.api import health, ledger, open_sessions, persons, problems, status, triggers
from services.api.access import AccessKeys
from services.api.analysis import event_names, funnels, paths, retention
from services.api.dashboard import routes as dashboard
from services.api.dashboard import signin
from services.api.ingest import native, pixel, script, tracker
from services.api.ingest.kinesis import routes as kinesis
from services.api.ingest.pages import PagesMaySend
from services.api.ingest.segment import routes as segment
from services.api.ingest.sender import SCHEME
from services.api.live import routes as live
from services.api.query import choices, query, sessions, sql, timeline
from services.api.resources import lifespan_of
from services.api.shop import routes as shop


def create_app(settings: Settings, *, stop: asyncio.Event) -> FastAPI:
    """stop: ends the event streams, so that the server can."""
    access = AccessKeys(off=settings.auth == "off")
    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/files",
        title="Clickloom",
        version="0.1.0",
        summary="Turns clicks into sessions while they happen.",
        lifespan=lifespan_of(settings, stop, access),
    )
    problems.install(app)
    app.add_middleware(PagesMaySend, access=access, paths=native.PATHS | tracker.PATHS | segment.PATHS)
    ways_in = (native, tracker, pixel, script, segment, kinesis)
    analysis = (event_names, funnels, paths, retention)
    questions = (query, open_sessions, sessions, timeline, *analysis, sql, choices, ledger, live)
    for part in (*ways_in, *questions, status, triggers, persons, health, dashboard, signin, shop):
        app.include_router(part.router)
    _describe_write_keys(app)
    # FastAPI's own routes of the ways in, which come after these, only describe them.
    for path, endpoint in (native.HOT | tracker.HOT | segment.HOT | kinesis.HOT).items():
        app.router.routes.insert(0, Route(path, endpoint, methods=["POST"]))
    return app


def _describe_write_keys(app: FastAPI) -> None:
    """Routes that events come in by read their key themselves, from more places than FastAPI's schemes can say."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"].setdefault("securitySchemes", {}).update({**SCHEME, **kinesis.SCHEME})
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI's documentation has it
