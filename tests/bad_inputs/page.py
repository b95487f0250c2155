"""``docs/bad-inputs.md`` from the inputs: ``PYTHONPATH=tests .venv/bin/python -m bad_inputs.page`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bad_inputs import files, headers
from bad_inputs.bad_input import BAD_INPUTS, BadInput

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bad-inputs.md"
WRITTEN_BY = (files, headers)  # importing them declares the inputs
HEAD = """# Bad inputs

What is said of {count} files that are no scan, or not a whole one. `parcela predict SCAN` ends with exit code 2 and
one line: the file's name, what is wrong, what to do. The API answers 422 with a [problem document](api.md) of the same
words; where only the voxels are bad, it takes the upload (202), and the job fails with those words. Nothing is
computed, and nothing is left behind. What is odd and still taken is in [situations](situations.md).

`tests/bad_inputs` makes each file, gives it to the real command and to a real gateway, and compares; the same
declarations make this page, and a test fails when it is stale. Quoted is a part of what is said.

"""


def render() -> str:
    """The whole page."""
    return HEAD.format(count=len(BAD_INPUTS)) + "".join(_tables()) + FIGURES


def _tables() -> Iterator[str]:
    for kind in dict.fromkeys(row.kind for row in BAD_INPUTS.values()):
        yield f"## {kind}\n\n| file | the command says | the API answers |\n|---|---|---|\n"
        yield from (_row(row) for row in BAD_INPUTS.values() if row.kind == kind)
        yield "\n"


def _row(row: BadInput) -> str:
    return f"| {row.file} | {row.wrong} … {row.remedy} | {row.api.value} |\n"


FIGURES = """## Time and memory

Each of these files alone, given to `parcela predict` in a process of its own, may take 2 seconds of a processor
(its own and its children's, so that nothing else on the machine counts) and 256 MB. Measured on two cores under a
load of 20: 1.4 seconds at most for a DICOM file or a zip, which a further process reads, 1.0 for all others, and
97 MB. Nearly one second of that, and 93 MB, is the start of the command.

<!-- not run: it is a test of the slow ones -->
```sh
python -m pytest -s tests/bad_inputs/test_bad_inputs.py -k neither_long_nor_much_memory
```

A real scan at the limits (512³ voxels, 2 GB) takes longer, as does the upload of a bomb that is exactly as large as
allowed: the gateway unpacks it as it would any scan of that size.

## Damaged at random

Files made of eight sound ones (NIfTI-1 and -2 in both byte orders, FreeSurfer's, packed and not): bytes of the header,
whole fields, the gzip stream, the end, a hole or another file's tail were changed. A child process with limits of
memory and time reads them. What is accepted is compared with what nibabel reads of the same bytes: shape, affine, every
intensity. The test fails at a crash, a hang, or anything accepted that differs.

| files | refused with one line | read as nibabel reads them | crashes, hangs, other geometry or intensities |
|---|---|---|---|
| 20,000 | 9,877 | 10,123 | 0 |

<!-- not run: it is a test itself, and runs among the others -->
```sh
python -m pytest tests/bad_inputs/test_mutants.py
```

The first 20,000 brought to light one crash (an affine of 10⁻³⁵ in a file of FreeSurfer's) and files that nibabel
refuses (a damaged magic, the line feeds of NIfTI-2's changed): they are refused now. On purpose, a `vox_offset` of 0 is
read as right behind the header (nibabel would read the header as voxels), and a header in m or µm is read in mm where
only that makes a head.
"""


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
