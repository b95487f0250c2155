"""``parcela demo``: Colin27's whole head, end to end, against the labels that AAL's authors drew on it."""

from __future__ import annotations

from pathlib import Path

from parcela.options import PredictOptions
from parcela.settings import change_settings
from parcela_cli.arguments import Fast, OutFolder, SkullStripOption, Threads

NAME = "colin27"


def demo(
    out: OutFolder = Path("out/demo"),
    skull_strip: SkullStripOption = "auto",
    fast: Fast = False,
    threads: Threads = None,
) -> None:
    """Parcellate a real head that ships with Parcela (Colin27) end to end, and compare with AAL's own labels on it."""
    change_settings(torch_threads=threads)
    from parcela.atlas.aal import COLIN27_HEAD, atlas_labels, intact
    from parcela.atlas.counts import dice
    from parcela.imaging.volume import read_volume
    from parcela_cli.engines import result_of
    from parcela_cli.pipeline import run
    from parcela_cli.progress import Progress

    volume = read_volume(intact(COLIN27_HEAD))
    with Progress("Colin27, whole head (181×217×181, 1 mm)") as progress:
        options = PredictOptions(skull_strip=skull_strip, fast=fast)
        prediction = run(volume, options, on_step=progress.step)
        progress.step("write")
        paths = prediction.save(out, NAME)
    result_of(prediction, paths["dseg"]).print()
    for kind, path in paths.items():
        print(f"  {kind:<12}{path}")
    mean = dice(prediction.labels, atlas_labels()[0]).mean()
    print(f"mean Dice over 117 classes against AAL's own labels: {mean:.4f}")
    print(f"look at {paths['qc']}")
