"""The worked examples of docs/measure.md, typed from start to end: what they print is what the page says."""

from __future__ import annotations

import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from command import parcela_here
from parcela.atlas.aal import atlas_labels

DEMO = "parcela demo --fast -o demo"


def blocks(page: Path) -> list[tuple[str, str]]:
    """The section's fenced blocks in their order: language and text."""
    section = page.read_text(encoding="utf-8").partition("\n## Worked examples\n")[2]
    section = section.partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.mark.slow  # seven seconds, most of them nilearn's
def test_given_the_page_when_its_examples_are_typed_then_they_print_what_it_says(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed, compared = "", 0

    for language, text in blocks(checkout / "docs" / "measure.md"):
        if language == "sh":
            type_command(text)
        elif language == "python":
            with redirect_stdout(StringIO()) as output:
                exec(compile(text, "docs/measure.md", "exec"), names)
            printed = output.getvalue()
        else:
            assert printed == text
            compared += 1

    assert compared == 3


def type_command(text: str) -> None:
    """Run it; in the demonstration's place AAL's own labels on the same head stand, which cost no minute."""
    if text.partition("#")[0].strip() == DEMO:
        labels, affine = atlas_labels()
        Path("demo").mkdir()
        nib.save(nib.Nifti1Image(np.uint8(labels), affine), "demo/colin27_dseg.nii.gz")
        return
    program, *words = shlex.split(text, comments=True)
    done = parcela_here(*words)
    assert (program, done.code) == ("parcela", 0), done.err
