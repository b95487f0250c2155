"""A release has one version: the distribution's, the citation's and the change log's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml


def test_given_the_version_then_citation_and_change_log_have_it_too(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text())
    heading = re.search(r"^## (.+)$", (checkout / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heading is not None
    assert citation["version"] == project["version"]
    assert project["version"] in re.split(r"[ ()]", heading[1])
