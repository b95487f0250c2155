"""HTML pages from templates: one base page and one style sheet for every page that Parcela writes."""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

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
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, BASE))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
