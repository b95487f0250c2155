"""Cohorts on disk, made of the smallest NIfTI files there are: one byte string, linked or written many times."""

from __future__ import annotations

from pathlib import Path

from nifti_files import image, nifti, write

TINY = nifti(image((3, 4, 5)))
SERIES = "MPR__GradWarp__B1_Correction__N3__Scaled"


def scan(path: Path) -> Path:
    """A tiny scan under ``path``, packed when the name ends in ``.gz``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, TINY)


def adni(root: Path, visits: list[int], *, series: str = SERIES) -> Path:
    """ADNI's layout: ``visits[k]`` images of subject k, a year apart, ids counted through."""
    image_id = 100_000
    for number, count in enumerate(visits):
        subject = f"{number % 60:03d}_S_{number:04d}"
        for year in range(count):
            image_id += 1
            date = f"{2006 + year}-04-18_08_20_30.0"
            name = f"ADNI_{subject}_MR_{series}_Br_S13408_I{image_id}.nii"
            scan(root / "ADNI" / subject / series / date / f"I{image_id}" / name)
    return root
