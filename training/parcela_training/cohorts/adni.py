"""ADNI's download layout: ``<subject>/<series>/<date>/<image id>/*.nii[.gz]``.

Such as ``ADNI/002_S_0295/MPR__GradWarp__B1_Correction__N3/2006-04-18_08_20_30.0/I118671/….nii``, from https://ida.loni.usc.edu.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from parcela.errors import BadRequest
from parcela_training.cohorts.cohort import Cohort, Image, listed, unique_ids
from parcela_training.cohorts.names import ADNI_SUBJECT
from parcela_training.cohorts.nifti_files import bare_name, find_nifti, walk

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
IMAGE_ID = re.compile(r"[A-Z]\d+")  # I118671; older downloads also have S13408
NO_SCAN = re.compile(r"mask|segment|\bROI|label|warp_?field", re.IGNORECASE)
T1 = re.compile(r"MP-?_?R|MT1|T1|SPGR|TFE|BRAVO|FLASH", re.IGNORECASE)


def in_layout(path: Path) -> bool:
    """Whether a path ends as ADNI's do, file name included."""
    if len(path.parts) < 5:
        return False
    subject, _, date, image_id = path.parts[-5:-1]
    return bool(
        ADNI_SUBJECT.fullmatch(subject) and DATE.match(date) and IMAGE_ID.fullmatch(image_id)
    )


def read_adni(root: Path) -> Cohort:
    """All images of an ADNI download, anywhere under ``root``; a subject usually has several.

    Raises:
        BadRequest: there is no NIfTI file in that layout; DICOM files are counted, as ADNI hands them out too.
    """
    nifti = find_nifti(root)
    inside = [path for path in nifti.files if in_layout(path.absolute())]
    scans = [path for path in inside if not NO_SCAN.search(_series(path))]
    if not scans:
        dicom = sum(path.suffix.lower() == ".dcm" for path in walk(root))
        cause = f"; {dicom} DICOM files: convert them with dcm2niix" if dicom else ""
        raise BadRequest(
            f"{root}: no scan as <subject>/<series>/<date>/<image id>/*.nii[.gz]{cause}"
        )
    ids = unique_ids((_id(path), str(path.relative_to(root))) for path in scans)
    images = [_image(id_, path) for id_, path in zip(ids, scans, strict=True)]
    images.sort(key=lambda image: image.id)
    outside = [path for path in nifti.files if path not in set(inside)]
    warnings = (*nifti.warnings, *_left_out(outside, inside, scans), *_contrast(images))
    return Cohort(tuple(images), "ADNI", root, warnings)


def _series(path: Path) -> str:
    return path.absolute().parts[-4]


def _id(path: Path) -> str:
    subject, _, _, image_id = path.absolute().parts[-5:-1]
    return f"{subject}_{image_id}"


def _image(id_: str, path: Path) -> Image:
    subject, series, date, _ = path.absolute().parts[-5:-1]
    return Image(id_, path, subject, session=date[:10], date=date, series=series, dataset="ADNI")


def _left_out(outside: list[Path], inside: list[Path], scans: list[Path]) -> Iterator[str]:
    if outside:
        yield f"{len(outside)} NIfTI files lie outside ADNI's layout ({listed(map(bare_name, outside))}): left out"
    if drawn := Counter(_series(path) for path in set(inside) - set(scans)):
        yield f"{drawn.total()} files are masks or the like by their series ({listed(sorted(drawn))}): left out"


def _contrast(images: list[Image]) -> Iterator[str]:
    odd = Counter(image.series for image in images if not T1.search(image.series or ""))
    if odd:
        yield (
            f"{odd.total()} images have a series name that does not sound T1-weighted "
            f"({listed(sorted(map(str, odd)))}): they are used; remove what is not T1-weighted"
        )
