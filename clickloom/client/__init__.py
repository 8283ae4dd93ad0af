"""Clickloom's HTTP API from Python, sync and async: `from clickloom.client import Client` (docs/client.md)."""

from clickloom.client.answers import Accepted, ApiError, Click, Moment, PathStep, Refused, Session
from clickloom.client.asynchronous import AsyncClient, AsyncSessions
from clickloom.client.live import Gap, LiveClick, LiveClicks, LiveSessions, LiveTick
from clickloom.client.numbers import Funnel, Numbers, Paths, Retention
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
    "Funnel",
    "Gap",
    "LiveClick",
    "LiveClicks",
    "LiveSessions",
    "LiveTick",
    "MissingLibrary",
    "Moment",
    "Numbers",
    "PathStep",
    "Paths",
    "Refused",
    "Retention",
    "Session",
    "SessionFilters",
    "Sessions",
    "SqlTable",
]
