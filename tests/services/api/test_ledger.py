"""`GET /v1/ledger`: its questions and its form. What it finds is tested where the ledger is written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.api.ledger import LedgerAnswer
from tests.services.api.ingest.test_native import problem
from tests.services.api.test_description import description


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"window": "weeks"}, "window"),
        ({"from": "2021-02-26T10:00:00Z", "to": "2021-02-26T10:00:30Z"}, "from"),
        ({"from": "2021-02-26T10:00:00Z", "to": "2021-02-28T10:00:00Z"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"limit": "0"}, "limit"),
        ({"site_id": "nul\0"}, "site_id"),
        ({"page": "2"}, "page"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem_that_names_the_field(
    api: AsyncClient, asked: dict[str, str], field: str
) -> None:
    found = problem(await api.get("/v1/ledger", params=asked), 422)
    assert found["detail"].startswith(f"{field}: ")
    assert found["errors"][0]["field"] == field


async def test_the_example_is_an_answer(api: AsyncClient) -> None:
    schemas = (await description(api))["components"]["schemas"]
    example = schemas["LedgerAnswer"]["example"]
    LedgerAnswer.model_validate(example)
    answer: dict[str, Any] = (await api.get("/v1/ledger")).json()
    assert set(example) == set(schemas["LedgerAnswer"]["properties"]) == set(answer)


async def test_without_times_it_is_of_the_last_hour(api: AsyncClient) -> None:
    answer = (await api.get("/v1/ledger", params={"to": "2021-02-26T10:00:59"})).json()
    assert (answer["from"], answer["to"]) == ("2021-02-26T09:00:00Z", "2021-02-26T10:00:00Z")
    answer = (await api.get("/v1/ledger")).json()
    now = datetime.now(UTC)
    assert datetime.fromisoformat(answer["from"]) < now - timedelta(minutes=50)
    assert datetime.fromisoformat(answer["to"]) > now
