"""The NIfTI files of a folder tree, less those that are no scans or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parcela_training.cohorts.cohort import listed

SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class Found:
    """NIfTI files in the order of their paths, and what a user should know about the ones left out."""

    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def is_nifti(path: Path) -> bool:
    """Whether the name ends in ``.nii`` or ``.nii.gz``; hidden files are none (macOS leaves ``._scan.nii`` about)."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def bare_name(path: Path) -> str:
    """The file's name without ``.nii`` or ``.nii.gz``."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def walk(root: Path) -> Iterator[Path]:
    """All files under ``root``; linked folders are followed, each folder entered once, hidden ones not at all."""
    seen = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files))


def find_nifti(root: Path) -> Found:
    """Every NIfTI file under ``root``."""
    return usable(path for path in walk(root) if is_nifti(path))


def usable(paths: Iterator[Path]) -> Found:
    """The files that are there, each scan once.

    Left out, with a warning: links that lead nowhere (content that DataLad or git-annex has not fetched), and
    ``x.nii`` beside ``x.nii.gz``.
    """
    by_name: dict[tuple[Path, str], Path] = {}
    absent, double = [], []
    for path in sorted(paths):
        key = (path.parent, bare_name(path))
        if not path.is_file():
            absent.append(path)
        elif key in by_name:
            double.append(min(by_name[key], path))  # …nii sorts before …nii.gz, which is kept
            by_name[key] = max(by_name[key], path)
        else:
            by_name[key] = path
    return Found(tuple(by_name[key] for key in sorted(by_name)), _warnings(absent, double))


def _warnings(absent: list[Path], double: list[Path]) -> tuple[str, ...]:
    warnings = []
    if absent:
        warnings.append(
            f"{len(absent)} files are links to content that is not there ({listed(p.name for p in absent)}): left "
            "out; fetch them, for example with `datalad get`"
        )
    if double:
        warnings.append(
            f"{len(double)} files lie beside a compressed file of the same name ({listed(p.name for p in double)}): "
            "only the compressed one is used"
        )
    return tuple(warnings)
