"""What the OpenAPI description says beyond what FastAPI finds out by itself: the upload's body, files, problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from parcela_gateway.problem import MEDIA_TYPE, ProblemDocument

BINARY = {"type": "string", "format": "binary"}
MAP = {"application/gzip": {"schema": BINARY}}
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}

SCAN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "a T1-weighted scan in the field `file`: .nii, .nii.gz, .mgz, or a zip of a DICOM series",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": BINARY},
                }
            }
        },
    }
}

DESCRIPTION = """Brain parcellation of T1-weighted MRI: the 116 regions of the AAL atlas in the scan's own geometry.

Send a scan to `/predict/`, ask for its job, fetch the result:

    curl -F file=@scan.nii.gz http://127.0.0.1:8000/predict/
    curl http://127.0.0.1:8000/jobs/ID
    curl -O http://127.0.0.1:8000/jobs/ID/bundle.zip

Research software, not a medical device."""


Responses = dict[int | str, dict[str, Any]]


def answers(good: Responses, *statuses: int) -> Responses:
    """The responses of a route: the good ones, and a problem for each of the other statuses."""
    return {**good, **problems(*statuses)}


def problems(*statuses: int) -> Responses:
    """A problem for each status."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": PROBLEM}
        for status in statuses
    }


def describe(app: FastAPI, *, keys: bool) -> None:
    """Make ``/openapi.json``."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=DESCRIPTION,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _without_the_frameworks_422(document)
            parts = document["components"]
            parts["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema()
            if keys:
                parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                document["security"] = [{"key": []}]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _without_the_frameworks_422(document: dict[str, Any]) -> None:
    """FastAPI adds a 422 of its own form to whatever has a parameter; here bad parameters are problems like others."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
