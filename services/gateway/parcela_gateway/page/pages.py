"""The pages for people: `/`, and `/docs` made from the OpenAPI description. Nothing in them comes from another host."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from parcela.errors import ParcelaError

router = APIRouter(include_in_schema=False)
SAFE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: color-mix(in srgb, currentColor 8%, transparent); padding: .7rem; overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
:root { color-scheme: light dark; }
"""
HOME = """
<p>Parcellation of T1-weighted brain MRI: the 116 regions of the AAL atlas, in the scan's own geometry. Scans stay on
this installation.</p>
<pre>curl -F file=@scan.nii.gz {here}predict/
curl {here}jobs/ID
curl -O {here}jobs/ID/bundle.zip</pre>
<p><a href="docs">The API</a> · <a href="openapi.json">OpenAPI</a> · <a href="models">Networks</a> ·
<a href="readyz">Is it ready?</a></p>
<p>Research software, not a medical device.</p>
"""


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    return _page("Parcela", HOME.format(here=escape(str(request.base_url))))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    api = request.app.openapi()
    parts = [
        f"<p>{escape(api['info']['description'].split(chr(10))[0])} <a href='openapi.json'>OpenAPI</a></p>"
    ]
    for path, methods in api["paths"].items():
        parts += [_operation(path, method, what) for method, what in methods.items()]
    parts += [
        "<h2>Problems</h2><p>An error is a problem document (RFC 9457); its type is one of:</p><table>"
    ]
    parts += [
        f"<tr id='{slug}'><td><code>{slug}</code><td>{status}<td>{escape(said)}"
        for slug, status, said in sorted(set(_problems(ParcelaError)))
    ]
    return _page("Parcela: the API", "".join(parts) + "</table>")


def _operation(path: str, method: str, what: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}<td>{_choices(p['schema'])}"
        f"<td>{escape(p.get('description', ''))}"
        for p in what.get("parameters", [])
    ]
    answers = ", ".join(what["responses"])
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(what.get('description', ''))}</p>"
        f"<table>{''.join(rows)}</table><p>Answers {answers}.</p>"
    )


def _choices(schema: dict[str, Any]) -> str:
    kinds = [part.get("type", "") for part in schema.get("anyOf", [schema])]
    words = [str(word) for word in schema.get("enum", [])] or [
        kind for kind in kinds if kind != "null"
    ]
    default = f" (<code>{escape(str(schema['default']))}</code>)" if "default" in schema else ""
    return escape(" | ".join(words)) + default


def _problems(kind: type[ParcelaError]) -> Iterator[tuple[str, int, str]]:
    """Slug, status and meaning of an error and of all that derive from it."""
    yield kind.slug, kind.status, (kind.__doc__ or "").split("\n")[0]
    for narrower in kind.__subclasses__():
        yield from _problems(narrower)


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{title}</h1>{body}</html>",
        headers=SAFE,
    )
