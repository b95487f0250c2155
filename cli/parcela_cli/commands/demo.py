"""``parcela demo``: Colin27's whole head, end to end, against the labels that AAL's authors drew on it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from parcela.atlas.aal import COLIN27_HEAD, atlas_labels, intact
from parcela.atlas.counts import dice
from parcela.imaging.volume import read_volume
from parcela_cli.commands.predict import summary
from parcela_cli.pipeline import Options, SkullStrip, run
from parcela_cli.progress import Progress, warn

NAME = "colin27"


def run_demo(out: Path, skull_strip: str) -> int:
    """Parcellate, write the bundle, print where it is and the Dice. Returns 0."""
    volume = read_volume(intact(COLIN27_HEAD))
    with Progress("Colin27, whole head (181×217×181, 1 mm)") as progress:
        prediction = run(volume, Options(skull_strip=cast(SkullStrip, skull_strip)), progress.step)
        progress.step("write")
        paths = prediction.save(out, NAME)
    for warning in prediction.warnings:
        warn(warning)
    print(summary(prediction, paths["dseg"]))
    for kind, path in paths.items():
        print(f"  {kind:<12}{path}")
    truth, _ = atlas_labels()
    print(
        f"mean Dice over 117 classes against AAL's own labels: {dice(prediction.labels, truth).mean():.4f}"
    )
    print(f"look at {paths['qc']}")
    return 0
