"""The FastAPI application."""

import asyncio

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from clickloom.settings import Settings
from services.api import health, ledger, live, problems, query
from services.api.ingest import native
from services.api.resources import lifespan_of


def create_app(settings: Settings, *, stop: asyncio.Event) -> FastAPI:
    """stop: ends the event streams, so that the server can."""
    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/files",
        title="Clickloom",
        version="0.1.0",
        summary="Turns clicks into sessions while they happen.",
        lifespan=lifespan_of(settings, stop),
    )
    problems.install(app)
    for part in (native, query, ledger, live, health):
        app.include_router(part.router)
    return app
