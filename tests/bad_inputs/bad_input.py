"""One bad input: a file, and what the command and the API say of it. ``docs/bad-inputs.md`` lists all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from nifti_files import image, nifti, write

Build = Callable[[Path], Path]


class Answer(Enum):
    """What the API does with a file; its value is what the page says of it."""

    REFUSED = "422, the same"
    JOB_FAILS = "202; the job fails with the same"
    NO_FILE = "(no file to send)"
    EMPTY = "422, only 0 bytes … copy"
    NOT_NIFTI = "422, not a NIfTI file … convert it"
    CONVERT = "422, a DICOM file, not NIfTI … dcm2niix"
    SAME_VALUE = "202; the job fails with: the same value (0) … export"

    def words(self, row: BadInput) -> tuple[str, str]:
        """What is wrong, and the remedy, in the API's words."""
        if self in (Answer.REFUSED, Answer.JOB_FAILS):
            return row.wrong, row.remedy
        wrong, remedy = self.value.split(" … ")
        return wrong.split(", ", 1)[-1].split(": ", 1)[-1], remedy

    @property
    def accepted(self) -> bool:
        """Whether the upload is taken, and its job fails."""
        return self.value.startswith("202")


@dataclass(frozen=True)
class BadInput:
    """One row of the page.

    Attributes:
        kind: the heading that it stands under.
        file: what is given, in words.
        build: writes it into a folder of its own, and returns its path.
        wrong: words that say what is wrong.
        remedy: words that say what to do, behind those.
        api: what the API does with the same bytes.
        slow: takes a second or more, so that the quick tests leave it out.
    """

    kind: str
    file: str
    build: Build
    wrong: str
    remedy: str
    api: Answer = Answer.REFUSED
    slow: bool = False


BAD_INPUTS: dict[str, BadInput] = {}


def case(
    kind: str,
    file: str,
    wrong: str,
    remedy: str,
    *,
    api: Answer = Answer.REFUSED,
    slow: bool = False,
) -> Callable[[Build], Build]:
    """Add an input that a function writes."""

    def add(build: Build) -> Build:
        assert file not in BAD_INPUTS, file
        BAD_INPUTS[file] = BadInput(kind, file, build, wrong, remedy, api, slow)
        return build

    return add


def bytes_case(
    kind: str, file: str, name: str, content: bytes, wrong: str, remedy: str, **how: Any
) -> None:
    """Add a file that consists of these bytes."""

    def build(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    case(kind, file, wrong, remedy, **how)(build)


def scan_case(
    kind: str,
    file: str,
    wrong: str,
    remedy: str,
    data: Any = None,
    api: Answer = Answer.REFUSED,
    **fields: Any,
) -> None:
    """Add a NIfTI file, packed, with these voxels and header fields."""

    def build(folder: Path) -> Path:
        voxels = image() if data is None else data
        return write(folder / "scan.nii.gz", nifti(voxels, **fields))

    case(kind, file, wrong, remedy, api=api)(build)
