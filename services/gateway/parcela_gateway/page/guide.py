"""The documentation at `/docs/guide`: the site that `make docs` built into this package, or where to find it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from parcela_gateway.page.pages import EVERYWHERE, reading_page
from parcela_gateway.problem import NoSuchAddress

GUIDE = Path(__file__).with_name("guide")
# The search is a form of the page's own, and reads the pages that it found.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = EVERYWHERE | {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
router = APIRouter(include_in_schema=False)


@router.get("/docs/guide")
@router.get("/docs/guide/{path:path}")
async def guide(request: Request, path: str = "") -> Response:
    """A file of the site; a folder is its start page."""
    if not GUIDE.is_dir():
        return _elsewhere(request, path)
    try:
        response = await StaticFiles(directory=GUIDE, html=True).get_response(path, request.scope)
    except HTTPException as error:
        if error.status_code != 404:
            raise
        raise NoSuchAddress("the guide has no such page: its start is /docs/guide/") from error
    response.headers.update(HEADERS)
    return response


def _elsewhere(request: Request, path: str) -> Response:
    """Where the documentation is, for who finds none here; raises NoSuchAddress for a page of it."""
    if path:
        raise NoSuchAddress(
            "the guide is not part of this installation: see /docs/guide/ for where it is"
        )
    if not request.url.path.endswith("/"):
        return RedirectResponse(f"{request.base_url}docs/guide/")
    return reading_page(
        "guide.html",
        title="Parcela: the documentation",
        version=request.app.version,
        here=str(request.base_url),
    )
