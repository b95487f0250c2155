"""The T1-weighted scans of a BIDS data set, and where their results go.

BIDS: Gorgolewski 2016, doi:10.1038/sdata.2016.44.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parcela.bundle.write import OF_ATLAS
from parcela.errors import BadRequest

SUFFIXES = ("_T1w.nii.gz", "_T1w.nii")


@dataclass(frozen=True, order=True)
class BidsScan:
    """One scan of a data set.

    Attributes:
        participant: its label, without ``sub-``.
        session: its label, without ``ses-``; empty where the data set has no sessions.
        path: the file.
        relative: its path below the data set, with slashes.
    """

    participant: str
    session: str
    path: Path
    relative: str

    @property
    def name(self) -> str:
        """What its results' names begin with, such as ``sub-01_ses-2_atlas-AAL``."""
        stem = self.path.name
        for suffix in SUFFIXES:
            stem = stem.removesuffix(suffix)
        return f"{stem}{OF_ATLAS}"

    def folder(self, out: Path) -> Path:
        """Where its results go, such as ``OUT/sub-01/ses-2/anat``."""
        return (out / self.relative).parent


def find_scans(
    dataset: Path,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    *,
    check: bool = True,
) -> list[BidsScan]:
    """The T1-weighted scans below ``sub-*/[ses-*/]anat``, in the order of their paths.

    Args:
        dataset: the data set's folder.
        participants, sessions: only these labels, with or without ``sub-`` and ``ses-``; all unless given.
        check: whether the folder must say that it is a data set, by its ``dataset_description.json``.

    Raises:
        BadRequest: the folder is no BIDS data set, a label is not in it, or nothing is left to do.
    """
    if not dataset.is_dir():
        raise BadRequest(f"{dataset}: no such folder")
    if check:
        _check_description(dataset)
    scans = sorted(_scans(dataset))
    if not scans:
        raise BadRequest(
            f"{dataset}: holds no sub-*/[ses-*/]anat/*_T1w.nii[.gz]: is it a BIDS data set?"
        )
    labels = [label.removeprefix("sub-") for label in participants]
    absent = sorted(set(labels) - {scan.participant for scan in scans})
    if absent:
        raise BadRequest(f"{dataset}: no T1-weighted scan of participant {', '.join(absent)}")
    wanted = [label.removeprefix("ses-") for label in sessions]
    chosen = [
        scan
        for scan in scans
        if (not labels or scan.participant in labels) and (not wanted or scan.session in wanted)
    ]
    if not chosen:
        raise BadRequest(f"{dataset}: no T1-weighted scan of session {', '.join(wanted)}")
    return chosen


def _scans(dataset: Path) -> Iterator[BidsScan]:
    for pattern in ("sub-*/anat", "sub-*/ses-*/anat"):
        for folder in dataset.glob(pattern):
            for path in folder.iterdir():
                if path.name.startswith("sub-") and path.name.endswith(SUFFIXES):
                    parts = path.relative_to(dataset).parts
                    session = parts[1].removeprefix("ses-") if len(parts) == 4 else ""
                    participant = parts[0].removeprefix("sub-")
                    yield BidsScan(participant, session, path, "/".join(parts))


def _check_description(dataset: Path) -> None:
    path = dataset / "dataset_description.json"
    remedy = "mend it, or give --skip-bids-validation"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadRequest(f"{path}: missing, so this may be no BIDS data set: {remedy}") from error
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path}: cannot be read ({error}): {remedy}") from error
    if not isinstance(description, dict) or not description.get("BIDSVersion"):
        raise BadRequest(f"{path}: names no BIDSVersion: {remedy}")
    if description.get("DatasetType", "raw") != "raw":
        raise BadRequest(
            f"{path}: this data set is a {description['DatasetType']}, not scans: give the raw data set, or "
            "--skip-bids-validation"
        )
