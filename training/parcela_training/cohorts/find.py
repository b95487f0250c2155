"""Which layout a path has, and the cohort in it."""

from __future__ import annotations

from pathlib import Path

from parcela.errors import BadRequest
from parcela_training.cohorts.adni import in_layout, read_adni
from parcela_training.cohorts.bids import read_bids, t1w_files
from parcela_training.cohorts.cohort import Cohort
from parcela_training.cohorts.folder import read_folder
from parcela_training.cohorts.nifti_files import is_nifti, walk
from parcela_training.cohorts.table import read_table


def find_cohort(path: Path) -> Cohort:
    """Read a cohort, whatever its layout.

    A file is a table of paths. A folder is BIDS if it has a T1w scan at BIDS's place or a ``dataset_description.json``,
    ADNI's if any file lies as ADNI's do, and otherwise a plain folder of scans.

    Raises:
        BadRequest: there is nothing at the path, or no scan in it; the reader's own message says more.
    """
    if not path.exists():
        raise BadRequest(f"{path}: no such file or folder: check the path of the cohort")
    if path.is_file():
        return _read_file(path)
    if (path / "dataset_description.json").exists() or any(t1w_files(path)):
        return read_bids(path)
    if any(in_layout(file.absolute()) for file in walk(path)):
        return read_adni(path)
    return read_folder(path)


def _read_file(path: Path) -> Cohort:
    if is_nifti(path):
        raise BadRequest(f"{path}: one scan is no cohort: give the folder it lies in")
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise BadRequest(f"{path}: not a cohort: give a folder, or a .csv or .tsv file of paths")
    return read_table(path)
