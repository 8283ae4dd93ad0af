"""Triggers over HTTP: rules, dry runs, and what has fired."""

from fastapi import APIRouter

from services.api.triggers import deliveries, rules

router = APIRouter()
for part in (rules, deliveries):
    router.include_router(part.router)
