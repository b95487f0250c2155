"""The participant level: each scan's bundle in its BIDS place, several scans at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from parcela.bundle.write import file_name
from parcela.errors import ParcelaError
from parcela.files import write_text
from parcela_cli.batch import Batch
from parcela_cli.bids.dataset import BidsScan
from parcela_cli.bids.derivative import write_side_files
from parcela_cli.bundles import Engine, bundle
from parcela_cli.destination import writing

FAILED = "failed.txt"


def failure_file(scan: BidsScan, out: Path) -> Path:
    """Where it stands why a scan has no result."""
    return scan.folder(out) / f"{scan.name}_{FAILED}"


def process_each(scans: Sequence[BidsScan], out: Path, engine: Engine, *, force: bool) -> int:
    """Make the results of each scan that has none yet, one after the other. Returns the exit code."""
    batch = Batch([scan.path for scan in scans], [scan.name for scan in scans])
    for (path, _), scan in zip(batch, scans, strict=True):
        with batch.reporting(path):
            _process(scan, out, engine, force=force)
    return batch.exit_code


def _process(scan: BidsScan, out: Path, engine: Engine, *, force: bool) -> None:
    folder, failure = scan.folder(out), failure_file(scan, out)
    try:
        result = bundle(scan.path, scan.name, folder, engine, force=force)
        with writing(folder):
            write_side_files(scan, out)
    except ParcelaError as error:
        with suppress(OSError):  # that the reason cannot be kept must not hide it
            folder.mkdir(parents=True, exist_ok=True)
            write_text(failure, f"{error}\n")
        raise
    failure.unlink(missing_ok=True)
    result.print()


def process_in_parallel(
    scans: Sequence[BidsScan], arguments: Sequence[str], processes: int, key: str | None = None
) -> int:
    """Give each session of each participant to a ``parcela bids`` of its own, so many at a time.

    Args:
        scans: to be done.
        arguments: of ``parcela bids``, without labels and ``--jobs``.
        processes: how many at a time.
        key: of a server.

    Returns:
        The exit code: 0, or the code that all failures share, or 1.
    """
    units = sorted({(scan.participant, scan.session) for scan in scans})
    with ThreadPoolExecutor(processes) as pool:
        codes = set(pool.map(lambda unit: _run(unit, arguments, key), units)) - {0}
    return 0 if not codes else codes.pop() if len(codes) == 1 else 1


def _run(unit: tuple[str, str], arguments: Sequence[str], key: str | None) -> int:
    participant, session = unit
    labels = [
        "--participant-label",
        participant,
        *(["--session-label", session] if session else []),
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "parcela_cli.app", "bids", *arguments, *labels, "--jobs", "1"],
        env=os.environ | ({"PARCELA_API_KEY": key} if key else {}),
        capture_output=True,
        text=True,
        errors="replace",
    )
    sys.stderr.write(done.stderr)
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    return done.returncode


def print_states(scans: Sequence[BidsScan], out: Path) -> None:
    """Print each scan's path in the data set, and whether it is done."""
    for scan in scans:
        print(scan.relative, "done" if is_done(scan, out) else "to do", sep="\t")


def is_done(scan: BidsScan, out: Path) -> bool:
    """Whether a complete bundle of the scan lies in its place, whatever it was made with."""
    return (scan.folder(out) / file_name("manifest", scan.name)).is_file()
