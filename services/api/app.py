"""The FastAPI application."""

from fastapi import FastAPI

from clickloom.settings import Settings
from services.api import health, ingest, ledger, live, problems, query
from services.api.resources import lifespan_of


def create_app(settings: Settings) -> FastAPI:
    app = FastAPI(
        title="Clickloom",
        version="0.1.0",
        summary="Turns clicks into sessions while they happen.",
        lifespan=lifespan_of(settings),
    )
    problems.install(app)
    for part in (ingest, query, ledger, live, health):
        app.include_router(part.router)
    return app
