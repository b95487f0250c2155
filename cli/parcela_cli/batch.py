"""Several scans, one after the other: one failing does not stop the rest, and the exit code says so."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from parcela.errors import BadRequest, ParcelaError
from parcela.imaging.volume import scan_name
from parcela.processes.surroundings import explaining_memory
from parcela_cli.progress import say, stderr

MIXED_FAILURES = UNEXPECTED = 1


class Batch:
    """The scans of one command, to be walked through once, each with the name of its results.

        for scan, name in batch:
            with batch.reporting(scan):
                ...

    Raises:
        BadRequest: see `distinct_names`.
    """

    def __init__(self, scans: Sequence[Path], names: Sequence[str] | None = None) -> None:
        self._named = list(zip(scans, names or distinct_names(scans), strict=True))
        self._codes: list[int] = []

    def __iter__(self) -> Iterator[tuple[Path, str]]:
        yield from self._named
        if self._codes and len(self._named) > 1:
            failed = f"{len(self._codes)} of {len(self._named)} scans failed"
            say(failed)

    @contextmanager
    def reporting(self, scan: Path) -> Iterator[None]:
        """A block that works at one scan: its failure becomes a line on stderr, and counts in the exit code."""
        try:
            with explaining_memory():
                yield
        except ParcelaError as error:
            message = str(error)
            self._fail(message if str(scan) in message else f"{scan}: {message}", error.exit_code)
        except ModuleNotFoundError:
            raise  # an extra is missing: the same for every scan
        except Exception:  # noqa: BLE001 -- a fault of ours on one scan must not lose the night's other scans
            stderr.print(traceback.format_exc(), end="", markup=False)
            fault = "a fault in Parcela itself: please report the lines above"
            self._fail(f"{scan}: {fault}", UNEXPECTED)

    @property
    def exit_code(self) -> int:
        """0, or the exit code that all failures share, or 1 when they differ."""
        if not self._codes:
            return 0
        return self._codes[0] if len(set(self._codes)) == 1 else MIXED_FAILURES

    def _fail(self, sentence: str, code: int) -> None:
        say(sentence)
        self._codes.append(code)


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
