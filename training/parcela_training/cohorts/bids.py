"""A BIDS data set: ``sub-*/[ses-*/]anat/*_T1w.nii[.gz]``, ``participants.tsv`` and ``derivatives/``.

https://bids-specification.readthedocs.io. Why this is not left to a library: ``docs/cohorts.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from parcela.errors import BadRequest
from parcela_training.cohorts.cohort import Cohort, Image, listed, part_named, unique_ids
from parcela_training.cohorts.derivatives import Derivatives, find_derivatives
from parcela_training.cohorts.entities import Name
from parcela_training.cohorts.nifti_files import bare_name, is_nifti, usable
from parcela_training.cohorts.table import read_rows

Columns = Mapping[str, str]


def t1w_files(root: Path) -> Iterator[Path]:
    """Every T1-weighted scan of the raw data set, links to absent content among them."""
    for pattern in ("sub-*/anat", "sub-*/ses-*/anat"):
        for folder in root.glob(pattern):
            if folder.is_dir():
                yield from (
                    p for p in folder.iterdir() if is_nifti(p) and Name.of(p).suffix == "T1w"
                )


def read_bids(root: Path) -> Cohort:
    """All T1w images of a BIDS data set; several of one subject (``run-``, ``acq-``, ``ses-``) are all taken.

    Raises:
        BadRequest: there is no scan, or ``participants.tsv`` cannot be read or contradicts itself.
    """
    scans = usable(t1w_files(root))
    if not scans.files:
        raise BadRequest(
            f"{root}: no scan under sub-*/[ses-*/]anat/*_T1w.nii[.gz] that can be read: check the path, and that the "
            "content was downloaded"
        )
    people = _participants(root / "participants.tsv")
    derivatives = find_derivatives(root / "derivatives")
    ids = unique_ids(
        (bare_name(p).removesuffix("_T1w"), str(p.relative_to(root))) for p in scans.files
    )
    name = _name(root)
    images = [
        _image(id_, path, people, derivatives, name)
        for id_, path in zip(ids, scans.files, strict=True)
    ]
    images.sort(key=lambda image: image.id)
    warnings = (*scans.warnings, *derivatives.warnings, *_compare(images, people))
    return Cohort(tuple(images), name, root, warnings, people)


def _image(
    id_: str, path: Path, people: Mapping[str, Columns], derivatives: Derivatives, name: str
) -> Image:
    parsed = Name.of(path)
    subject = f"sub-{parsed.entities.get('sub', '')}"
    columns = people.get(subject, {})
    series = "_".join(f"{k}-{v}" for k, v in parsed.entities.items() if k not in ("sub", "ses"))
    return Image(
        id=id_,
        path=path,
        subject=subject,
        session=parsed.entities.get("ses"),
        series=series or None,
        dataset=columns.get("dataset", "") or name,
        split=part_named(columns.get("split", ""), f"participants.tsv, {subject}"),
        mask=derivatives.masks.get(parsed.source),
        label=derivatives.labels.get(parsed.source),
    )


def _name(root: Path) -> str:
    try:
        described = json.loads((root / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return root.resolve().name
    name = described.get("Name") if isinstance(described, dict) else None
    return str(name) if name else root.resolve().name


def _participants(path: Path) -> dict[str, Columns]:
    """The table's rows by subject; empty when there is no table."""
    rows = read_rows(path) if path.exists() else []
    people: dict[str, Columns] = {}
    for row in rows:
        if not (name := row.get("participant_id", "")):
            raise BadRequest(f"{path}: a row has no participant_id: every subject needs one")
        name = f"sub-{name.removeprefix('sub-')}"
        if people.setdefault(name, row) != row:
            raise BadRequest(f"{path}: {name} has two rows that differ: leave one")
    return people


def _compare(images: list[Image], people: Mapping[str, Columns]) -> Iterator[str]:
    """What the table and the folders disagree on."""
    scanned = {image.subject for image in images}
    if absent := sorted(people.keys() - scanned):
        yield f"{len(absent)} subjects of participants.tsv have no T1w scan: {listed(absent)}"
    if people and (extra := sorted(scanned - people.keys())):
        yield f"{len(extra)} scanned subjects are not in participants.tsv: {listed(extra)}"
