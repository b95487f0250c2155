"""The cohort's table and files: which subject belongs to which split, and where its files lie."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of ``participants.tsv``, with its BIDS paths."""

    name: str
    dataset: str
    licence: str
    split: str
    root: Path

    @property
    def scan(self) -> Path:
        """The T1-weighted scan as acquired."""
        return self.root / self.name / "anat" / f"{self.name}_T1w.nii.gz"

    @property
    def brain_mask(self) -> Path:
        """The ROBEX mask on the scan's grid; only whole heads have one."""
        folder = self.root / "derivatives" / "robex" / self.name / "anat"
        return folder / f"{self.name}_desc-brain_mask.nii.gz"

    @property
    def bronze_label(self) -> Path:
        """The bronze label before its opening, on its own (91, 122, 123) grid."""
        folder = self.root / "derivatives" / "bronze" / self.name / "anat"
        return folder / f"{self.name}_space-grid_seg-AAL_dseg.nii.gz"


def read_cohort(root: Path, split: str | None = None) -> list[Subject]:
    """The subjects of ``participants.tsv`` in its order, of one split or of all."""
    with (root / "participants.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    subjects = [
        Subject(row["participant_id"], row["dataset"], row["licence"], row["split"], root)
        for row in rows
    ]
    return [subject for subject in subjects if split in (None, subject.split)]


def read_split(prepared: Path, split: str) -> list[Path]:
    """The prepared files of one split, by name; ``prepared`` holds its own ``subjects.tsv``."""
    with (prepared / "subjects.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    names = sorted(row["participant_id"] for row in rows if row["split"] == split)
    return [prepared / f"{name}.npz" for name in names if (prepared / f"{name}.npz").exists()]


def read_datasets(prepared: Path) -> dict[str, str]:
    """The data set of every subject, by name."""
    with (prepared / "subjects.tsv").open(newline="") as table:
        return {
            row["participant_id"]: row["dataset"] for row in csv.DictReader(table, delimiter="\t")
        }
