"""The examples of funnels, paths, retention and the names of events in the API's description."""

import pytest
from httpx import AsyncClient
from pydantic import BaseModel

from services.api.analysis.event_names import EventNamesAnswer
from services.api.analysis.funnels import FunnelAnswer
from services.api.analysis.paths import PathsAnswer
from services.api.analysis.retention import RetentionAnswer
from tests.services.api.test_description import description


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/funnels", FunnelAnswer),
        ("/v1/paths", PathsAnswer),
        ("/v1/retention", RetentionAnswer),
        ("/v1/event-names", EventNamesAnswer),
    ],
)
async def test_the_examples_are_what_is_asked_and_answered(api: AsyncClient, path: str, kind: type[BaseModel]) -> None:
    document = await description(api)
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    asked = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]["example"]
    answer = await api.post(path, json=asked)
    assert answer.status_code == 200, answer.text
    example = document["components"]["schemas"][kind.__name__]["example"]
    kind.model_validate(example)
    assert example.keys() == answer.json().keys()
    assert example["query"].keys() <= answer.json()["query"].keys()  # FastAPI leaves nulls out of examples
