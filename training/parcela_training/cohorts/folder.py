"""A plain folder of NIfTI files, in any depth."""

from __future__ import annotations

import re
from pathlib import Path

from parcela.errors import BadRequest
from parcela_training.cohorts.cohort import Cohort, Image, listed, unique_ids
from parcela_training.cohorts.names import subject_in, unknown_subjects
from parcela_training.cohorts.nifti_files import SUFFIXES, bare_name, find_nifti

MASK, LABEL = "_desc-brain_mask", "_dseg"  # as Parcela names what it makes of a scan
NO_SCAN = re.compile(r"[-_](mask|dseg|seg|label|labels|probseg)$", re.IGNORECASE)


def read_folder(root: Path) -> Cohort:
    """Every NIfTI file under ``root`` is a T1-weighted image.

    ``<name>_desc-brain_mask`` and ``<name>_dseg`` beside the scan ``<name>`` are its mask and its label; files that
    are named like masks or labels and belong to no scan are left out, with a warning.

    Raises:
        BadRequest: there is no scan.
    """
    nifti = find_nifti(root)
    scans = [path for path in nifti.files if not NO_SCAN.search(bare_name(path))]
    if not scans:
        raise BadRequest(
            f"{root}: no NIfTI scan in it: give a BIDS folder, a download of ADNI's, a folder of .nii or .nii.gz "
            "files, or a CSV or TSV file with a column `path`"
        )
    files = set(nifti.files)
    origins = [path.relative_to(root) for path in scans]
    ids = unique_ids(("_".join((*o.parent.parts, bare_name(o))), str(o)) for o in origins)
    subjects = [subject_in(origin) for origin in origins]
    images = [
        Image(
            id=id_,
            path=path,
            subject=subject or id_,
            mask=_beside(path, MASK, files),
            label=_beside(path, LABEL, files),
            dataset=root.resolve().name,
        )
        for id_, path, subject in zip(ids, scans, subjects, strict=True)
    ]
    unknown = [image.id for image, subject in zip(images, subjects, strict=True) if not subject]
    used = {*scans, *(i.mask for i in images), *(i.label for i in images)}
    warnings = (
        *nifti.warnings,
        *_left_out([path for path in nifti.files if path not in used]),
        *unknown_subjects(sorted(unknown), "give a CSV with the columns path and subject"),
    )
    images.sort(key=lambda image: image.id)
    return Cohort(tuple(images), root.resolve().name, root, warnings)


def _beside(scan: Path, ending: str, files: set[Path]) -> Path | None:
    names = (scan.with_name(f"{bare_name(scan)}{ending}{suffix}") for suffix in SUFFIXES)
    return next((path for path in names if path in files), None)


def _left_out(paths: list[Path]) -> tuple[str, ...]:
    if not paths:
        return ()
    names = listed(path.name for path in paths)
    return (f"{len(paths)} files are named like masks or labels ({names}): left out",)
