"""Which images train, which validate and which test.

By subject unless told otherwise: images of one person in two parts let a network be tested on brains it was trained
on. The thesis splits by image; that is an option here, and its leak is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from parcela.errors import BadRequest
from parcela_training.cohorts.cohort import PARTS, Cohort, Image, listed
from parcela_training.cohorts.find import find_cohort
from parcela_training.cohorts.split_sizes import Sizes, parse_sizes, preset_sizes, split_preset
from parcela_training.cohorts.split_subjects import divide, draw, interleaved
from parcela_training.cohorts.table import write_table
from parcela_training.cohorts.virtual_cohort import write_virtual_cohort
from parcela_training.options import Part, SplitBy
from parcela_training.progress import OnItem

By = Literal[SplitBy, "column"]

FEWEST_VIRTUAL = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """Subjects with images in more than one part.

    Attributes:
        subjects: their names.
        images: how many images of theirs are used.
        tested_on: how many images outside train show a subject that is in train.
    """

    subjects: tuple[str, ...]
    images: int
    tested_on: int


@dataclass(frozen=True)
class Split:
    """A cohort in three parts.

    Attributes:
        cohort: the whole of it.
        parts: image id to part; images in no part are left out.
        by: how it came about; ``column`` is the cohort's own.
        asked: the sizes asked for; None for the cohort's own split.
        seed: of the random order; None for the cohort's own split.
    """

    cohort: Cohort
    parts: Mapping[str, Part]
    by: By
    asked: Sizes | None = None
    seed: int | None = None

    def images(self, part: Part) -> tuple[Image, ...]:
        """The images of one part, in the order of their ids, each saying so in its ``split``."""
        images = (image for image in self.cohort.images if self.parts.get(image.id) == part)
        return tuple(replace(image, split=part) for image in images)

    def counts(self) -> dict[Part, int]:
        """How many images each part has."""
        return {part: len(self.images(part)) for part in PARTS}

    def leak(self) -> Leak:
        """Who is in more than one part; empty for a split by subject."""
        where: dict[str, list[Part]] = {}
        for image in self.cohort.images:
            if image.id in self.parts:
                where.setdefault(image.subject, []).append(self.parts[image.id])
        leaking = {name: parts for name, parts in where.items() if len(set(parts)) > 1}
        trained = [parts for parts in leaking.values() if "train" in parts]
        seen = sum(part != "train" for parts in trained for part in parts)
        return Leak(tuple(sorted(leaking)), sum(map(len, leaking.values())), seen)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about this split, one sentence each."""
        return (*_size_warnings(self), *_leak_warnings(self))


def split_cohort(
    cohort: Cohort,
    *,
    preset: str = "modern",
    asked: Sizes | None = None,
    by: SplitBy = "subject",
    seed: int = 0,
) -> Split:
    """Split a cohort: as ``asked``, else as its own split column says, else as the preset does.

    Equal cohort and seed give the same split on every machine, wherever the files lie. By subject, the parts have as
    near as possible the images asked for, data sets are spread over them evenly, and nobody is in two. By image, all
    images are shuffled, as the thesis does it.

    Raises:
        BadRequest: too few images or subjects, no such preset, or a split column that is incomplete.
    """
    if asked is None and any(image.split for image in cohort.images):
        return _own_split(cohort)
    subjects = cohort.subjects()
    sizes = asked or preset_sizes(preset, len(cohort.images), len(subjects))
    counts = sizes.counts(len(cohort.images))
    if by == "image":
        ids = sorted((image.id for image in cohort.images), key=lambda name: draw(seed, name))
        order = [part for part, n in zip(PARTS, counts, strict=True) for _ in range(n)]
        return Split(cohort, dict(zip(ids, order, strict=False)), "image", sizes, seed)
    if len(subjects) < len(PARTS):
        raise BadRequest(
            f"found {len(cohort.images)} images of {len(subjects)} subjects: a split by subject needs three "
            "at least; add subjects, or split by image"
        )
    parts = divide(interleaved(subjects, seed), counts)
    return Split(cohort, parts, "subject", sizes, seed)


def load_split(
    cohort: Path | None,
    virtual: Path,
    *,
    preset: str,
    sizes: str | None = None,
    by: SplitBy = "subject",
    seed: int = 0,
    progress: OnItem | None = None,
) -> Split:
    """Read the cohort that a command names, and split it; without one a virtual cohort.

    Args:
        cohort: its path, in any layout; None: a virtual cohort of whole heads of 2 mm, their brain masks beside
            them, as many as the split needs, at least 20.
        virtual: the folder where that one is made, or lies from an earlier run.
        preset: whose split is taken where neither ``sizes`` nor the cohort says another.
        sizes: such as ``150/25/25``.
        by, seed: see ``split_cohort``.
        progress: called after each virtual subject.

    Raises:
        BadRequest: there is no such preset or cohort, or too few images.
    """
    asked = parse_sizes(sizes) if sizes else None
    scans = find_cohort(cohort) if cohort else _virtual(virtual, preset, asked, progress)
    return split_cohort(scans, preset=preset, asked=asked, by=by, seed=seed)


def _virtual(folder: Path, preset: str, asked: Sizes | None, progress: OnItem | None) -> Cohort:
    least = asked.least if asked else split_preset(preset).least
    fewest = least if asked and asked.unit == "images" else max(FEWEST_VIRTUAL, least)
    return write_virtual_cohort(folder, fewest, extent="head", progress=progress)


def write_split(path: Path, split: Split) -> None:
    """The images of the three parts as a TSV file, itself a cohort with a split column (``read_table``).

    Raises:
        OSError: the file cannot be written.
    """
    write_table(path, [image for part in PARTS for image in split.images(part)])


def _own_split(cohort: Cohort) -> Split:
    without = [image.id for image in cohort.images if not image.split]
    if without:
        raise BadRequest(
            f"{len(without)} of {len(cohort.images)} images have no split in the cohort's table ({listed(without)}): "
            "give every image one, or empty the column, or give --split"
        )
    parts = {image.id: image.split for image in cohort.images if image.split}
    if absent := [part for part in PARTS if part not in parts.values()]:
        raise BadRequest(
            f"the cohort's split column has no image in {listed(absent)}: fill it, or give --split"
        )
    return Split(cohort, parts, "column")


def _size_warnings(split: Split) -> list[str]:
    warnings = []
    got = "/".join(str(n) for n in split.counts().values())
    asked = split.asked
    if asked and asked.unit == "images" and got != str(asked):
        warnings.append(
            f"asked for {asked} images, got {got}: subjects with several images are not divided"
        )
    if left := len(split.cohort.images) - len(split.parts):
        warnings.append(f"{left} of {len(split.cohort.images)} images are in no part and not used")
    return warnings


def _leak_warnings(split: Split) -> list[str]:
    leak = split.leak()
    if not leak.subjects:
        return []
    counts = split.counts()
    text = (
        f"the split leaks: {len(leak.subjects)} of {len(split.cohort.subjects())} subjects are in more than one part "
        f"({leak.images} images); {leak.tested_on} of the {counts['val'] + counts['test']} validation and test images "
        "show someone who was trained on, so that the measured Dice is too high; splitting by subject avoids it"
    )
    return [text]
