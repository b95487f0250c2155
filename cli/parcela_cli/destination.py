"""Where results go: ``-o OUT`` is a folder, or the name of one label map."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from parcela.errors import BadRequest, StepFailed


def names_one_file(out: Path) -> bool:
    """Whether ``OUT`` asks for the label map alone instead of a folder of results."""
    return out.name.endswith(".nii.gz")


def check_folder(out: Path) -> None:
    """Refuse, before anything is computed, a folder that cannot be made or written to.

    Raises:
        BadRequest: with what is in the way.
    """
    if out.suffix == ".nii" or names_one_file(out):
        raise BadRequest(f"-o {out}: give a folder")
    base = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not base.is_dir():
        raise BadRequest(f"-o {out}: {base} is a file: give a folder")
    if not os.access(base, os.W_OK | os.X_OK):
        raise BadRequest(f"-o {out}: {base} may not be written to: give another folder")


def check_destination(scans: Sequence[Path], out: Path) -> None:
    """Refuse a folder as ``check_folder`` does, or a file name that cannot hold these scans' label map.

    Raises:
        BadRequest: with what is in the way.
    """
    if not names_one_file(out):
        if out.suffix == ".nii":
            raise BadRequest(
                f"-o {out}: give a folder, or a name ending in .nii.gz for the label map alone"
            )
        check_folder(out)
        return
    if len(scans) > 1:
        raise BadRequest(
            f"-o {out} names one file, but {len(scans)} scans were given: give a folder"
        )
    if out.is_dir():
        raise BadRequest(f"-o {out} is a folder: give it a name that does not end in .nii.gz")
    if any(out.exists() and scan.exists() and out.samefile(scan) for scan in scans):
        raise BadRequest(f"-o {out} is the scan itself: give another name")
    check_folder(out.parent)


def check_label_map_name(out: Path, sources: Sequence[Path]) -> None:
    """Refuse a name that is no NIfTI file's, or that of a file which is read.

    Raises:
        BadRequest: with what is in the way.
    """
    if not out.name.endswith((".nii", ".nii.gz")):
        raise BadRequest(f"-o {out}: give a name ending in .nii or .nii.gz")
    if any(out.exists() and source.exists() and out.samefile(source) for source in sources):
        raise BadRequest(f"-o {out} is what is read: give another name")
    check_folder(out.parent)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """A block that writes results: what the disk refuses is a failed step of this scan.

    Raises:
        StepFailed: a file could not be written.
    """
    try:
        yield
    except OSError as error:
        raise StepFailed(
            f"{out}: cannot be written ({error.strerror or error}): check the disk and permissions"
        ) from error
