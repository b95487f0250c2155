"""BIDS file names: ``sub-01_ses-2_run-1_T1w.nii.gz`` is entities and a suffix.

https://bids-specification.readthedocs.io/en/stable/common-principles.html#filenames
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parcela_training.cohorts.nifti_files import bare_name

# What a derivative may say of itself; all other entities say which scan it was made from.
DERIVED = {"space", "res", "den", "desc", "seg", "atlas", "label", "hemi"}


@dataclass(frozen=True, slots=True)
class Name:
    """A BIDS file name taken apart.

    Attributes:
        entities: such as ``{"sub": "01", "ses": "2", "run": "1"}``.
        suffix: the last word, such as ``T1w``.
    """

    entities: Mapping[str, str]
    suffix: str

    @classmethod
    def of(cls, path: Path) -> Name:
        """The name of a file, its extension aside."""
        *words, suffix = bare_name(path).split("_")
        pairs = (word.partition("-") for word in words)
        return cls({key: value for key, dash, value in pairs if dash}, suffix)

    @property
    def source(self) -> frozenset[tuple[str, str]]:
        """The entities that a scan shares with everything made from it."""
        return frozenset(pair for pair in self.entities.items() if pair[0] not in DERIVED)
