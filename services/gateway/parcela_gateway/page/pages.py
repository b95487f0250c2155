"""The pages for people: `/` with what it is built of, and `/docs` made from the OpenAPI description.

Nothing in them comes from another host. `built/` is made by ``make web`` from ``web/`` and kept in the repository: who
installs Parcela needs no Node.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from parcela.atlas.aal import COLIN27_HEAD, intact
from parcela.bundle.page import render_page
from parcela.errors import ParcelaError
from parcela_gateway.problem import NoSuchAddress

BUILT = Path(__file__).with_name("built")
SAMPLE = "colin27.nii.gz"
TYPES = {".js": "text/javascript", ".css": "text/css"}
EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# Pictures as `data:` are NiiVue's letters and materials. Its Zarr reader, which needs WebAssembly, is left out.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
router = APIRouter(include_in_schema=False)


@router.get("/")
def home(request: Request) -> HTMLResponse:
    """The page: drop a scan, follow it, look at it."""
    built = json.loads((BUILT / "built.json").read_text(encoding="utf-8"))
    html = render_page(__package__, "home.html", built=built, here=str(request.base_url))
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return HTMLResponse(html, headers=EVERYWHERE | headers)


@router.get("/assets/{name}")
def asset(request: Request, name: str) -> Response:
    """A file that the page is built of. Its name holds the hash of its content: it never changes."""
    file = BUILT / name
    # compared, never joined and opened: a name may be anything
    if file not in BUILT.iterdir() or file.suffix not in TYPES:
        raise NoSuchAddress("the page has no such file: reload it")
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    headers |= {"Content-Encoding": "gzip"} if packs else {}
    content = _packed(file) if packs else file.read_bytes()
    return Response(content, headers=EVERYWHERE | headers, media_type=TYPES[file.suffix])


@router.get(f"/sample/{SAMPLE}")
def sample() -> FileResponse:
    """Colin27's head, to try Parcela with."""
    return FileResponse(intact(COLIN27_HEAD), media_type="application/gzip", filename=SAMPLE)


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The API for reading."""
    return reading_page(
        "docs.html",
        title="Parcela: the API",
        api=request.app.openapi(),
        choices=_choices,
        problems=sorted(set(_problems(ParcelaError))),
    )


def reading_page(template: str, **values: object) -> HTMLResponse:
    """A page without a script, under a policy that lets in the one style sheet that is in it."""
    html = render_page(__package__, template, **values)
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    return HTMLResponse(html, headers=EVERYWHERE | {"Content-Security-Policy": policy})


@cache
def _packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


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
