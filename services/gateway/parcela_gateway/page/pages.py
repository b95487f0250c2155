"""The pages for people: `/`, and `/docs` made from the OpenAPI description. Nothing in them comes from another host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from parcela.bundle.page import render_page
from parcela.errors import ParcelaError

router = APIRouter(include_in_schema=False)
SAFE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    return _page("home.html", title="Parcela", here=str(request.base_url))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    return _page(
        "docs.html",
        title="Parcela: the API",
        api=request.app.openapi(),
        choices=_choices,
        problems=sorted(set(_problems(ParcelaError))),
    )


def _page(template: str, **values: object) -> HTMLResponse:
    return HTMLResponse(render_page(__package__, template, **values), headers=SAFE)


def _choices(schema: dict[str, Any]) -> str:
    """What a parameter may be, such as ``unet | both``; the name of its type where any value of it will do."""
    types = [part.get("type", "") for part in schema.get("anyOf", [schema])]
    words = map(str, schema.get("enum", [])) if "enum" in schema else types
    return " | ".join(word for word in words if word != "null")


def _problems(kind: type[ParcelaError]) -> Iterator[tuple[str, int, str]]:
    """Slug, status and meaning of an error and of all that derive from it."""
    yield kind.slug, kind.status, (kind.__doc__ or "").split("\n")[0]
    for narrower in kind.__subclasses__():
        yield from _problems(narrower)
