"""Several scans, one after the other: one failing does not stop the rest, and the exit code says so."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from parcela.errors import BadRequest, ParcelaError
from parcela.imaging.volume import scan_name

MIXED_FAILURES = UNEXPECTED = 1


def run_batch(scans: Sequence[Path], work: Callable[[Path, str], None]) -> int:
    """Call ``work(scan, name)`` for each scan; report failures on stderr.

    Returns:
        0, or the exit code that all failures share, or 1 when they differ.
    """
    codes: list[int] = []
    for scan, name in zip(scans, distinct_names(scans), strict=True):
        try:
            work(scan, name)
        except ParcelaError as error:
            message = str(error)
            print(
                f"parcela: {message if str(scan) in message else f'{scan}: {message}'}",
                file=sys.stderr,
            )
            codes.append(error.exit_code)
        except ModuleNotFoundError:
            raise  # an extra is missing: the same for every scan
        except Exception:  # noqa: BLE001 -- a fault of ours on one scan must not lose the night's other scans
            traceback.print_exc()
            print(
                f"parcela: {scan}: a fault in Parcela itself: please report the lines above",
                file=sys.stderr,
            )
            codes.append(UNEXPECTED)
    if codes and len(scans) > 1:
        print(f"parcela: {len(codes)} of {len(scans)} scans failed", file=sys.stderr)
    return 0 if not codes else codes[0] if len(set(codes)) == 1 else MIXED_FAILURES


def distinct_names(scans: Sequence[Path]) -> list[str]:
    """A name for each scan's results: the file's, or, where two would be the same, its path below the common folder.

    Raises:
        BadRequest: the same file was given twice, or two files cannot be told apart by name (``a.nii``, ``a.nii.gz``).
    """
    paths = [scan.absolute() for scan in scans]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise BadRequest(f"{twice} was given twice")
    names = [scan_name(path) for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.parent for path in paths])
    names = ["_".join(p.relative_to(common).with_name(scan_name(p)).parts) for p in paths]
    first: dict[str, Path] = {}
    for name, path in zip(names, paths, strict=True):
        if (other := first.setdefault(name, path)) != path:
            raise BadRequest(
                f"the results of {other} and {path} would have the same names: run them into two folders"
            )
    return names
