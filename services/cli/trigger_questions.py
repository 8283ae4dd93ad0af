"""Triggers as somebody types them: read and checked as the API checks them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from clickloom.errors import RejectedInput
from clickloom.settings import Settings
from clickloom.triggers.draft import Draft, Question, check_url

D = TypeVar("D", bound=Question)


def checked(kind: type[D], asked: Mapping[str, Any], settings: Settings) -> D:
    """Raises BadParameter, naming what is wrong."""
    try:
        question = kind.model_validate(asked)
        question.check(settings.parsed_windows())
        if isinstance(question, Draft):
            check_url(question.url, private=settings.webhook_private == "on")
    except ValidationError as error:
        raise typer.BadParameter("; ".join(map(_fault, error.errors()))) from error
    except RejectedInput as error:
        raise typer.BadParameter(f"{error.code}: {error}") from error
    return question


def _fault(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


def conditions_of(texts: Sequence[str]) -> dict[str, Any]:
    """`experiments.button=red` is of an experiment. Raises BadParameter."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is no condition, as bounced=true or event=beer_cart")
        first, _, rest = name.partition(".")
        if rest:
            found.setdefault(first, {})[rest] = value
        else:
            found[name] = value
    return found
