"""Text from templates: one base page and one style sheet for every HTML page that Parcela writes; Markdown beside."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

LANGUAGES = {"en": "English", "pt": "Português", "es": "Español"}
TABLES = (("parcela.atlas", "data/names.tsv"), ("parcela.bundle", "data/words.tsv"))
BASE = "parcela.bundle"  # its templates/ holds base.html and style.css, which others extend


def render_page(package: str, template: str, **values: object) -> str:
    """The text of one page; every value is escaped, and a name that the caller forgot is an error.

    Args:
        package: whose ``templates/`` holds the template, such as ``parcela_gateway.page``.
        template: file name; it extends ``base.html``, which prints ``title`` and the style sheet.
        values: what the template prints.

    Raises:
        UndefinedError: the template prints a value that was not given.
    """
    return _environment(package, escapes=True).get_template(template).render(values)


def render_text(package: str, template: str, **values: object) -> str:
    """The text of a template that is no HTML, such as Markdown: as `render_page`, with nothing escaped."""
    return _environment(package, escapes=False).get_template(template).render(values)


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """What reports and the page say, and what regions and lobes are called: by key, then by language."""
    texts = (files(package).joinpath(name).read_text(encoding="utf-8") for package, name in TABLES)
    rows = (row for text in texts for row in csv.DictReader(text.splitlines(), delimiter="\t"))
    return {row["key"]: {language: row[language] for language in LANGUAGES} for row in rows}


@cache
def _environment(package: str, *, escapes: bool) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, BASE))]),
        autoescape=escapes,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"words": words, "languages": LANGUAGES}
    return environment
