"""Errors as RFC 9457 problem details."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from psycopg.errors import InvalidRegularExpression, QueryCanceled
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

TOO_SLOW = (
    "PostgreSQL was stopped, for this took longer than QUERY_TIMEOUT: ask for less, as a shorter time, or raise it"
)
# What Pydantic says which kind of a union it has tried.
_TYPES = frozenset({"str", "int", "float", "bool", "list", "dict", "none"})
BUSY = "all connections to PostgreSQL are in use; ask again, or raise DATABASE_POOL"


class ProblemDetail(BaseModel):
    """RFC 9457. A kind of problem may have members of its own besides."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="the status says what kind of problem it is")
    title: str = Field(description="of the status")
    status: int
    detail: str = Field(description="what is wrong, and what to do about it")


class Problem(Exception):
    """Ends the request with a problem detail; `more` adds members of its own."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more


def wrong_parameter(field: str, message: str) -> Problem:
    return Problem(422, f"{field}: {message}", errors=[{"field": field, "message": message}])


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    return JSONResponse(_content(status, detail, **more), status, headers, media_type=MEDIA_TYPE)


def _content(status: int, detail: str, **more: Any) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def documented(status: int, detail: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    """A problem that a route can end in, for the API's description, with an example."""
    content = {"schema": ProblemDetail.model_json_schema(), "example": _content(status, detail, **more)}
    return {status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: content}}}


def documented_parameter(field: str, message: str) -> dict[int | str, dict[str, Any]]:
    """A parameter that is refused, for the API's description."""
    return documented(422, f"{field}: {message}", errors=[{"field": field, "message": message}])


def _field(place: Sequence[int | str]) -> str:
    """`steps[1].event`: without where it was found (query, path) and which of several types a value could have."""
    where, *parts = place
    if not parts or isinstance(parts[0], int):  # no member: the body is no object, or no JSON
        return str(where)
    if where != "body":
        return str(parts[0])
    members = (part for part in parts if isinstance(part, int) or (part.isidentifier() and part not in _TYPES))
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in members).removeprefix(".")


def _message(fault: Mapping[str, Any], request: Request) -> str:
    """What is wrong, and, of a parameter that is none, what there is."""
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 2:
        known = _parameters(request.scope["route"], body=fault["loc"][0] == "body")
        return f"there is none of that name; there are {', '.join(known)}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _parameters(route: APIRoute, *, body: bool) -> list[str]:
    found: list[str] = []
    for parameter in route.dependant.body_params if body else route.dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += [field.alias or name for name, field in kind.model_fields.items()]
        else:
            found.append(parameter.alias)
    return found


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem detail, the framework's own too."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return problem_response(error.status, error.detail, error.headers, **error.more)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = [{"field": _field(fault["loc"]), "message": _message(fault, request)} for fault in error.errors()]
        detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        return problem_response(422, detail, errors=faults)

    async def away(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, OperationalError) and isinstance(error.orig, QueryCanceled):
            return problem_response(503, TOO_SLOW)
        return problem_response(503, "PostgreSQL does not answer; ask again", {"Retry-After": "1"})

    async def value(_: Request, error: Exception) -> JSONResponse:
        """A value of the question that only PostgreSQL can tell to be none, as a regular expression."""
        assert isinstance(error, DataError)
        told = str(error.orig).splitlines()[0]
        if isinstance(error.orig, InvalidRegularExpression):
            return problem_response(422, f"filters: {told}", errors=[{"field": "filters", "message": told}])
        return problem_response(422, f"a value of the question is none to PostgreSQL: {told}")

    async def busy(_: Request, error: Exception) -> JSONResponse:
        return problem_response(503, BUSY, {"Retry-After": "1"})

    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return problem_response(500, "an error of the server; its log has it")

    app.add_exception_handler(Problem, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(OperationalError, away)
    app.add_exception_handler(DataError, value)
    app.add_exception_handler(PoolTimeout, busy)
    app.add_exception_handler(Exception, unforeseen)
