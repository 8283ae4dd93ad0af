"""An API that asks for keys."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from clickloom.settings import Settings
from clickloom.signing_keys import parse_signing_keys
from tests.services.api.conftest import Make, serving

ACCESS_KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
async def write_key(make: Make) -> str:
    return await make("write", "shop")


@pytest.fixture
def locked_settings(locked: Settings) -> Settings:
    return locked.model_copy(update={"kinesis_keys": parse_signing_keys(f"{ACCESS_KEY}:{SECRET}:shop")})


@pytest.fixture
async def shop_api(locked_settings: Settings, write_key: str) -> AsyncIterator[AsyncClient]:
    async with serving(locked_settings) as client:
        yield client
