"""An API that asks for keys."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from clickloom.access import make_key
from clickloom.access_table import keep_key
from clickloom.settings import Settings
from clickloom.signing_keys import parse_signing_keys
from tests.services.api.conftest import serving

ACCESS_KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
async def write_key(engine: AsyncEngine) -> str:
    """Of the site `shop`."""
    text, key = make_key("write", name="shop", sites=["shop"], origins=[], scopes=[], created_at=datetime.now(UTC))
    await keep_key(engine, key)
    return text


@pytest.fixture
def locked_settings(settings: Settings) -> Settings:
    keys = parse_signing_keys(f"{ACCESS_KEY}:{SECRET}:shop")
    return settings.model_copy(update={"auth": "on", "kinesis_keys": keys})


@pytest.fixture
async def locked(locked_settings: Settings, write_key: str) -> AsyncIterator[AsyncClient]:
    async with serving(locked_settings) as client:
        yield client
