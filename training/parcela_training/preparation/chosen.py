"""The cohort that a command names, split; without one the virtual cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from parcela_training.cohorts.cohort import Cohort
from parcela_training.cohorts.find import find_cohort
from parcela_training.cohorts.split import Split, split_cohort
from parcela_training.cohorts.split_sizes import SPLIT_PRESETS, Sizes, parse_sizes
from parcela_training.cohorts.virtual.cohort import Progress, write_virtual_cohort
from parcela_training.preparation.settings import preparation

FEWEST_VIRTUAL = 20


def chosen_split(
    cohort: Path | None,
    virtual: Path,
    *,
    preset: str,
    sizes: str | None = None,
    by: Literal["subject", "image"] = "subject",
    seed: int = 0,
    progress: Progress | None = None,
) -> Split:
    """Read a cohort and split it.

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
    preparation(preset)
    found = find_cohort(cohort) if cohort else _virtual(virtual, preset, asked, progress)
    return split_cohort(found, preset=preset, asked=asked, by=by, seed=seed)


def _virtual(folder: Path, preset: str, asked: Sizes | None, progress: Progress | None) -> Cohort:
    least = asked.least if asked else SPLIT_PRESETS[preset].least
    fewest = least if asked and asked.unit == "images" else max(FEWEST_VIRTUAL, least)
    return write_virtual_cohort(folder, fewest, extent="head", progress=progress)
