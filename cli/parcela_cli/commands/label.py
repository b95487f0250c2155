"""``parcela label``: the atlas registered to each scan, on the scan's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from parcela.imaging.volume import Volume
from parcela.options import LabelOptions
from parcela.stopwatch import OnStep
from parcela_cli.commands.predict import bundle_all

if TYPE_CHECKING:
    from parcela_labelling.labelled import Labelled


def label_all(scans: Sequence[Path], out: Path, options: LabelOptions, *, force: bool) -> int:
    """Label each scan into ``out``; one line on stdout for each. Returns the exit code."""

    def work(volume: Volume, on_step: OnStep) -> Labelled:
        return run_label(volume, options, on_step)

    return bundle_all(scans, out, options, work, force=force)


def run_label(volume: Volume, options: LabelOptions, on_step: OnStep | None = None) -> Labelled:
    """Preprocess, register the atlas, and record how."""
    from parcela_labelling.labelled import label_scan
    from parcela_preprocess.preprocess import preprocess

    ready = preprocess(
        volume,
        preset=options.preset,
        skull_strip=options.skull_strip,
        strip_and_correct=options.preprocess,
        on_step=on_step,
    )
    return label_scan(volume, ready, options, on_step)
