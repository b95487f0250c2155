"""Where results go: ``-o OUT`` is a folder, or the name of one label map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from parcela.errors import BadRequest, StepFailed


def names_one_file(out: Path) -> bool:
    """Whether ``OUT`` asks for the label map alone instead of a folder of results."""
    return out.name.lower().endswith(".nii.gz")


def check_folder(out: Path) -> None:
    """Refuse, before anything is computed, a folder that cannot be made or written to.

    Raises:
        BadRequest: with what is in the way.
    """
    if out.suffix.lower() == ".nii" or names_one_file(out):
        raise BadRequest(f"-o {out}: give a folder")
    base = next(path for path in (out, *out.absolute().parents) if _exists(path))
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
        if out.suffix.lower() == ".nii":
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
    if any(_same_file(out, scan) for scan in scans):
        raise BadRequest(f"-o {out} is the scan itself: give another name")
    check_folder(out.parent)


def check_label_map_name(out: Path, sources: Sequence[Path]) -> None:
    """Refuse a name that is no NIfTI file's, or that of a file which is read.

    Raises:
        BadRequest: with what is in the way.
    """
    if not out.name.endswith((".nii", ".nii.gz")):
        raise BadRequest(f"-o {out}: give a name ending in .nii or .nii.gz")
    if any(_same_file(out, source) for source in sources):
        raise BadRequest(f"-o {out} is what is read: give another name")
    check_folder(out.parent)


def _exists(path: Path) -> bool:
    with suppress(OSError):  # a name that no file can have
        return path.exists()
    return False


def _same_file(one: Path, other: Path) -> bool:
    return _exists(one) and _exists(other) and one.samefile(other)


def check_name_lengths(out: Path, names: Iterable[str]) -> None:
    """Refuse, before anything is computed, names of results that the file system cannot hold.

    Raises:
        BadRequest: with how many bytes too long the longest is.
    """
    names = out.parts if names_one_file(out) else (*out.parts, *names)
    longest = max(len(os.fsencode(name)) for name in names)
    folder = next(path for path in (out, *out.absolute().parents) if _exists(path))
    most = os.pathconf(folder, "PC_NAME_MAX")
    if longest > most:
        raise BadRequest(
            f"{longest - most} bytes too long: a result's name would have {longest} bytes, and {folder} takes "
            f"{most}: give the scan or OUT a shorter name (a link will do)"
        )


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
