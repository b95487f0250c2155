"""What every layout is read into: images of subjects, with the masks and labels that already lie beside them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parcela.errors import BadRequest
from parcela_training.options import Part

PARTS: tuple[Part, ...] = ("train", "val", "test")
_SPELLINGS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class Image:
    """One T1-weighted scan of a cohort.

    Attributes:
        id: unique in the cohort, whatever the case of its letters; safe as a file name; independent of where the
            cohort lies on disk.
        path: the NIfTI file.
        subject: who was scanned. Several images may share a subject.
        session: the visit, where the layout tells it.
        date: of the acquisition, as the layout writes it.
        series: name of the acquisition, as the layout writes it.
        dataset: the data set within the cohort.
        split: the part that the cohort itself assigns to the image.
        mask: a brain mask on the scan's grid.
        label: a label map of AAL's 116 regions, matched to the scan by its affine.
    """

    id: str
    path: Path
    subject: str
    session: str | None = None
    date: str | None = None
    series: str | None = None
    dataset: str = ""
    split: Part | None = None
    mask: Path | None = None
    label: Path | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One person of a cohort.

    Attributes:
        name: as the images have it.
        images: all scans of the person, at least one.
        columns: what the cohort's table says about the person; empty without a table.
    """

    name: str
    images: tuple[Image, ...]
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Cohort:
    """All images found under one path.

    Attributes:
        images: in the order of their ids.
        name: for reports.
        root: the path that was read.
        warnings: what a user should know about how the files were read, one sentence each.
        columns: per subject, the other columns of the cohort's table (age, sex, licence …).
    """

    images: tuple[Image, ...]
    name: str
    root: Path
    warnings: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(i.id.casefold() for i in self.images).items() if n > 1]
        if twice:
            raise ValueError(f"image ids are not unique: {listed(twice)}")

    def subjects(self) -> tuple[Subject, ...]:
        """The people scanned, in the order of their names."""
        images: dict[str, list[Image]] = {}
        for image in self.images:
            images.setdefault(image.subject, []).append(image)
        return tuple(
            Subject(name, tuple(images[name]), self.columns.get(name, {}))
            for name in sorted(images)
        )


def part_named(text: str, where: str) -> Part | None:
    """The part that a table's cell names, such as ``train`` or ``Validation``; None for an empty cell.

    Raises:
        BadRequest: the cell names no part; ``where`` says which cell.
    """
    if not text:
        return None
    if (part := _SPELLINGS.get(text.casefold())) is None:
        raise BadRequest(f"{where}: the split {text!r} is unknown: write train, val or test")
    return part


def unique_ids(wishes: Iterable[tuple[str, str]]) -> list[str]:
    """An id for every (wish, origin): the wish with only letters, digits, ``.``, ``_`` and ``-`` left.

    Wishes that fall together get eight hexadecimal digits of their origin's SHA-256 appended, so that no id depends
    on the order of the files.
    """
    pairs = [
        (re.sub(r"[^A-Za-z0-9._-]+", "-", wish).strip(".-") or "image", o) for wish, o in wishes
    ]
    count = Counter(wish.casefold() for wish, _ in pairs)
    return [
        f"{wish}-{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
        if count[wish.casefold()] > 1
        else wish
        for wish, origin in pairs
    ]


def listed(names: Iterable[object], most: int = 5) -> str:
    """``a, b, c``; of many names the first few and how many more there are."""
    words = [str(name) for name in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
