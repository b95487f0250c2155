"""What a file's name tells about who was scanned, where the folders do not."""

from __future__ import annotations

import re
from pathlib import Path

from parcela_training.cohorts.cohort import listed
from parcela_training.cohorts.nifti_files import bare_name

ADNI_SUBJECT = re.compile(r"(?<!\d)\d{3}_S_\d{4,5}(?!\d)")
BIDS_SUBJECT = re.compile(r"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")


def subject_in(path: Path) -> str | None:
    """The subject that a path names as BIDS (``sub-01``) or ADNI (``002_S_0295``) do; None when it names none."""
    for text in (bare_name(path), *(folder for folder in reversed(path.parent.parts))):
        for pattern in (BIDS_SUBJECT, ADNI_SUBJECT):
            if match := pattern.search(text):
                return match.group()
    return None


def unknown_subjects(ids: list[str], remedy: str) -> tuple[str, ...]:
    """The warning about images that were each taken for a subject of their own; none for no such image."""
    if not ids:
        return ()
    text = (
        f"the subject of {len(ids)} images is not known ({listed(ids)}): each is taken for a subject of its own; if "
        f"some show the same person, a split can leak: {remedy}"
    )
    return (text,)
