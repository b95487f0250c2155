"""The pages of the site that are made from the code: the command, the API, Python, the settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import typer.main
from typer.cli import get_docs_for_click

import parcela
from parcela.settings import Settings
from parcela_cli.app import app
from parcela_gateway.app import create_app

MADE = "This page is made from the code.\n\n"


def reference() -> dict[str, str]:
    """Markdown of each page by its path in the site."""
    return {
        "reference/command.md": command_page(),
        "reference/settings.md": settings_page(),
        "reference/api.md": api_page(),
        "reference/python.md": python_page(),
    }


def command_page() -> str:
    """Each command as its ``--help`` tells of it."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="parcela")
    text = re.sub(
        r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text
    )  # cut short there; the headings tell
    return f"# The command, from `--help`\n\n{MADE}{text.partition(chr(10))[2]}"


def settings_page() -> str:
    """Each setting with its default."""
    rows = [
        f"| `PARCELA_{name.upper()}` | {_default(field.default)} | {_cell(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return f"# Settings\n\n{MADE}Settings are read from the environment.\n\n" + _table(
        ("variable", "default", "what it is"), rows
    )


def python_page() -> str:
    """What `import parcela` offers, from its docstrings."""
    entries = [
        f".. autofunction:: parcela.{name}"
        if not isinstance(getattr(parcela, name), type)
        else f".. autoclass:: parcela.{name}\n   :members:"
        for name in parcela.__all__
    ]
    body = "\n\n".join(f"```{{eval-rst}}\n{entry}\n```" for entry in entries)
    return f"# Python\n\n{MADE}{body}\n"


def api_page() -> str:
    """Each route of the gateway, from its OpenAPI description."""
    with TemporaryDirectory() as store:
        described = create_app(Settings(store=store)).openapi()
    routes = [
        _route(method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    about = described["info"]["description"].partition("\n")[0]
    return f"# API\n\n{MADE}{about}\n\n" + "\n".join(routes)


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        f"| `{entry['name']}` | {entry['in']} | {_schema(entry['schema'])} | "
        f"{_cell(entry.get('description', ''))} |"
        for entry in operation.get("parameters", [])
    ]
    answers = [
        f"| {status} | {_cell(answer['description'])} |"
        for status, answer in operation["responses"].items()
    ]
    parameters = _table(("parameter", "in", "values", "what it is"), rows) if rows else ""
    return (
        f"## `{method.upper()} {path}`\n\n{operation.get('description', '')}\n\n{parameters}\n"
        + _table(("answer", "when"), answers)
    )


def _schema(schema: dict[str, Any]) -> str:
    """What a parameter may be, and what it is unless given."""
    words = list(_words(schema))
    default = f" (default `{json.dumps(schema['default'])}`)" if "default" in schema else ""
    return ", ".join(f"`{word}`" for word in words) + default


def _words(schema: dict[str, Any]) -> Iterator[str]:
    for part in schema.get("anyOf", [schema]):
        yield from map(str, part.get("enum", [part.get("type", "any")]))


def _default(value: Any) -> str:
    return "" if value is None or value == "" else f"`{value}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


def _table(heads: tuple[str, ...], rows: list[str]) -> str:
    ruler = "|---" * len(heads) + "|"
    return "\n".join([f"| {' | '.join(heads)} |", ruler, *rows]) + "\n"
