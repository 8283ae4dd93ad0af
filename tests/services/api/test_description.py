"""The API's own description, and errors of the framework in our form."""

import json
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI
from httpx import AsyncClient

from clickloom.click import parse_click
from services.api.ingest.segment.routes import PATHS as SEGMENT_PATHS
from services.api.problems import MEDIA_TYPE, ProblemDetail
from services.api.query.session_answers import SessionAnswer
from services.api.query.sql import SqlQuestion, SqlTable
from services.api.query.timeline import ClickAnswer
from tests.services.api.ingest.test_native import problem


async def description(api: AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get("/openapi.json")).json()
    return found


async def test_it_is_a_valid_openapi_document_whose_references_lead_somewhere(api: AsyncClient) -> None:
    document = await description(api)
    OpenAPI.model_validate(document)
    for reference in references(document):
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for member in value.values() for found in references(member)]
    return [found for member in value for found in references(member)] if isinstance(value, list) else []


async def test_every_error_is_described_as_a_problem_with_an_example_of_its_status(api: AsyncClient) -> None:
    document = await description(api)
    answers = {
        (path, status): answer
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400 and path != "/kinesis"  # whose errors are as AWS has them
    }
    assert {path for path, _ in answers} >= {"/v1/events", "/v1/batch", "/v1/sessions", "/v1/live/metrics", "/readyz"}
    for (path, status), answer in answers.items():
        assert list(answer["content"]) == [MEDIA_TYPE], (path, status)
        example = ProblemDetail.model_validate(answer["content"][MEDIA_TYPE]["example"])
        assert example.status == int(status)


async def test_every_way_in_and_out_says_which_key_it_needs(api: AsyncClient) -> None:
    document = await description(api)
    schemes = document["components"]["securitySchemes"]
    for path, methods in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in methods.values():
                [needed] = operation["security"]
                assert set(needed) <= set(schemes), path


async def test_the_examples_are_what_the_api_takes_and_gives(api: AsyncClient) -> None:
    document = await description(api)
    examples = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        for event in example["value"] if isinstance(example["value"], list) else [example["value"]]:
            parse_click(json.dumps(event))
        assert (await api.post("/v1/events", json=example["value"])).status_code == 202
    for model in (SessionAnswer, ClickAnswer, SqlTable, SqlQuestion):
        model.model_validate(document["components"]["schemas"][model.__name__]["example"])


async def test_the_examples_of_other_systems_protocols_are_what_the_api_takes(api: AsyncClient) -> None:
    document = await description(api)
    for path in SEGMENT_PATHS:
        [content] = document["paths"][path]["post"]["requestBody"]["content"].values()
        assert (await api.post(path, json=content["example"])).json() == {"success": True}, path
    kinesis = document["paths"]["/kinesis"]["post"]
    [content] = kinesis["requestBody"]["content"].values()
    for target in kinesis["parameters"][0]["schema"]["enum"]:
        body = {"StreamName": "a", "Records": [content["example"]], **content["example"]}
        answer = await api.post("/kinesis", json=body, headers={"x-amz-target": target})
        assert answer.status_code == 200, answer.text


async def test_the_fields_of_an_event_are_described(api: AsyncClient) -> None:
    document = await description(api)
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    event = body["schema"]["oneOf"][0]
    assert event["required"] == ["user_id", "device_id", "client_event", "client_timestamp"]
    assert event["properties"]["client_event"] == {"type": "string", "minLength": 1, "maxLength": 64}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/v1/events", 405), ("GET", "/v1/events", 405)]
)
async def test_the_frameworks_own_errors_are_problems_too(
    api: AsyncClient, method: str, path: str, status: int
) -> None:
    problem(await api.request(method, path), status)
