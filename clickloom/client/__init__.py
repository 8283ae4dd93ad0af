"""Clickloom's HTTP API from Python, sync and async: `from clickloom.client import Client` (docs/client.md)."""

from clickloom.client.answers import Accepted, ApiError, Click, LiveTick, Moment, PathStep, Refused, Session, Summary
from clickloom.client.asynchronous import AsyncClient, AsyncSessions
from clickloom.client.questions import SessionFilters
from clickloom.client.synchronous import Client, Sessions
from clickloom.client.tables import MissingLibrary, SqlTable

__all__ = [
    "Accepted",
    "ApiError",
    "AsyncClient",
    "AsyncSessions",
    "Click",
    "Client",
    "LiveTick",
    "MissingLibrary",
    "Moment",
    "PathStep",
    "Refused",
    "Session",
    "SessionFilters",
    "Sessions",
    "SqlTable",
    "Summary",
]
