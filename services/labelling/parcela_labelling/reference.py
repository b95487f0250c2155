"""What share of a labelled brain each region usually takes: the reference that a new label map is held against.

    python -m parcela_labelling.reference MAP.nii.gz … > reference.tsv

makes the table from label maps. ``docs/labelling.md`` says from which ones ``data/reference.tsv``, which ships, is.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import regions
from parcela.atlas.counts import RegionCounts
from parcela.quality.measures import log_shares

HEADER = ("index", "name", "mean_log_fraction", "sd_log_fraction")


def volume_z(labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(116,): how many standard deviations each region's log share lies from the reference's mean."""
    mean, sd = reference()
    return (log_shares(RegionCounts.of(labels)) - mean) / sd


@cache
def reference() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each region's log share, (116,) each, as they ship."""
    text = files("parcela_labelling").joinpath("data/reference.tsv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    mean, sd = (np.array([float(row[column]) for row in rows]) for column in HEADER[2:])
    return mean, sd


def reference_table(maps: Iterable[NDArray[np.uint8]]) -> str:
    """The table, tab-separated, from label maps of several brains, before any opening."""
    shares = np.array([log_shares(RegionCounts.of(labels)) for labels in maps])  # (n, 116)
    mean, sd = shares.mean(0), shares.std(0, ddof=1)
    lines = [
        f"{region.index}\t{region.name}\t{mean[i]:.5f}\t{sd[i]:.5f}"
        for i, region in enumerate(regions())
    ]
    return "\n".join(["\t".join(HEADER), *lines]) + "\n"


def _read(path: str) -> NDArray[np.uint8]:
    return np.asarray(cast(nib.Nifti1Image, nib.load(path)).dataobj).astype(np.uint8)


if __name__ == "__main__":
    sys.stdout.write(reference_table(map(_read, sys.argv[1:])))
