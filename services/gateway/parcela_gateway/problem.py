"""Every error of the gateway as a problem document (RFC 9457), whoever raised it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from parcela.errors import ParcelaError
from parcela.jobs.records import Problem
from parcela_gateway.prefix import under_prefix

MEDIA_TYPE = "application/problem+json"
SEE = "/docs#"  # a problem's type leads to its place on the page about the API

log = logging.getLogger("parcela.gateway")


class Refused(ParcelaError):
    """A refusal that HTTP needs more than a status for.

    Args:
        message: what is wrong, and what to do.
        headers: of the response, such as ``Retry-After``.
        extra: further members of the document.
    """

    exit_code = 2
    status = 400
    slug = "refused"

    def __init__(
        self,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


class NoSuchAddress(Refused):
    """There is nothing at this address."""

    status = 404
    slug = "not-found"


class WrongMethod(Refused):
    """The address is there, but not for this method."""

    status = 405
    slug = "method-not-allowed"


class BadParameters(Refused):
    """A parameter of the request is not what it may be."""

    status = 422
    slug = "bad-parameters"


class Internal(ParcelaError):
    """A fault of Parcela's own."""

    slug = "internal"


class ProblemDocument(BaseModel):
    """Why a request, or a job, failed (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="which problem it is; the part after # names it", examples=["/docs#bad-scan"]
    )
    title: str = Field(description="the same in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this one, and what to do")

    @classmethod
    def of(cls, problem: Problem) -> ProblemDocument:
        """The document of a problem that is on record."""
        return cls(
            type=under_prefix(SEE) + problem.slug,
            title=problem.title,
            status=problem.status,
            detail=problem.detail,
        )

    @classmethod
    def of_error(cls, error: ParcelaError) -> ProblemDocument:
        """The document that an error stands for."""
        return cls.of(Problem.of(error))


def problem_response(
    error: ParcelaError | Problem,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """The response that an error stands for."""
    problem = Problem.of(error) if isinstance(error, ParcelaError) else error
    content = ProblemDocument.of(problem).model_dump() | dict(extra or {})
    return JSONResponse(content, problem.status, dict(headers or {}), media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ParcelaError, _explained)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_exception_handler(RequestValidationError, _bad_parameters)
    app.add_exception_handler(Exception, _unforeseen)


def _explained(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ParcelaError)
    if error.status >= 500:
        log.warning("%s: %s", error.slug, error)
    if isinstance(error, Refused):
        return problem_response(error, headers=error.headers, extra=error.extra)
    headers = {"Retry-After": "5"} if error.status == 503 else {}
    return problem_response(error, headers=headers)


def _of_the_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        problem: Problem | Refused = NoSuchAddress(
            "there is nothing here: /docs lists what there is"
        )
    elif error.status_code == 405:
        problem = WrongMethod("this address is not for this method: /docs lists what it is for")
        return problem_response(problem, headers={"Allow": ", ".join(sorted(_methods(request)))})
    else:
        status = HTTPStatus(error.status_code)
        slug = status.phrase.lower().replace(" ", "-")
        problem = Problem(slug=slug, title=status.phrase, status=status, detail=str(error.detail))
    return problem_response(problem, headers=error.headers)


def _methods(request: Request) -> set[str]:
    """What an address is for, all its routes together: the framework names those of the first alone."""
    routes = [
        route for route in request.app.state.routes if route.matches(request.scope)[0] != Match.NONE
    ]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


def _bad_parameters(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's 422, without what was sent: it may be a name."""
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": _place(fault["loc"]), "what": str(fault["msg"])} for fault in error.errors()
    ]
    detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults)
    return problem_response(BadParameters(detail), extra={"errors": faults})


def _place(where: tuple[int | str, ...]) -> str:
    return " ".join(str(part) for part in where[:2])


def _unforeseen(_: Request, __: Exception) -> JSONResponse:
    return problem_response(Internal("a fault of Parcela's own: the gateway's log says more"))
