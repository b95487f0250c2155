"""What the plausible classes leave out: the U-Net by blocks beside MONAI's own forward pass.

    python benchmarks/plausible.py --prepared DIR                 # the part's heads as they are
    python benchmarks/plausible.py --prepared DIR --unusual 2     # some also turned, scaled, cut off, with lesions

MONAI's label maps are kept below ``--work``, so that repeating the command goes on. Writes results/plausible.md and
.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from monai.networks.nets import UNet
from numpy.typing import NDArray

from parcela.errors import Unavailable
from parcela.files import sha256_of
from parcela.weights.cards import PLAUSIBLE, read_card
from parcela_benchmarks.results import write_results
from parcela_benchmarks.unusual_heads import UNUSUAL, UPRIGHT, Image
from parcela_inference.scores import MOST_OUTSIDE
from parcela_inference.unet_by_blocks import class_scores_by_blocks
from parcela_inference.weights import network, plausible_classes
from parcela_training.networks.predict import monai_predictor
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.report.document import Table

Row = dict[str, str | float | int | bool]


def measured(image: Image, exact: NDArray[np.uint8]) -> Row:
    """One head: how much of it is not plausible, and how many voxels differ."""
    net, plausible = network("unet", "cpu"), plausible_classes("unet")
    if not isinstance(net, UNet) or plausible is None:
        raise Unavailable("these weights have no table of plausible classes: publish them again")
    with torch.no_grad():
        scores, outside = class_scores_by_blocks(net, torch.from_numpy(image), plausible)
    _, labels = scores.highest()
    return {
        "outside": round(outside, 5),
        "whole_way": outside > MOST_OUTSIDE,
        "differing": int((labels != exact).sum()),
        "labelled": int((exact > 0).sum()),
    }


def exact_labels(image: Image, file: Path) -> NDArray[np.uint8]:
    """MONAI's own map, eager and in 32 bits, computed once."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, label=monai_predictor(network("unet", "cpu"))(image))
    with np.load(file) as kept:
        return np.asarray(kept["label"])


def table(rows: list[Row]) -> Table:
    """A row for each kind of head."""
    lines = []
    for kind in dict.fromkeys(str(row["kind"]) for row in rows):
        some = [row for row in rows if row["kind"] == kind]
        shares = [100 * float(row["differing"]) / float(row["labelled"]) for row in some]
        lines.append(
            (
                kind,
                str(len(some)),
                f"{np.median(shares):.4f}",
                f"{max(shares):.4f}",
                f"{100 * max(float(row['outside']) for row in some):.2f}",
                f"{sum(bool(row['whole_way']) for row in some)} of {len(some)}",
            )
        )
    return Table(
        "1",
        "The U-Net by blocks beside MONAI's own forward pass in 32 bits",
        (
            *("Heads", "n", "Voxels that differ, % of the labelled ones: median", "most"),
            *("Samples not plausible, %: most", "Given to the plain network"),
        ),
        tuple(lines),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--part", choices=("test", "val"), default="test")
    parser.add_argument("--heads", type=int, default=25, help="as they are")
    parser.add_argument("--unusual", type=int, default=0, help="of them, in every unusual way too")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks"))
    arguments = parser.parse_args()
    prepared = PreparedSet.read(arguments.prepared)
    torch.set_num_threads(1)
    rows: list[Row] = []
    ids, files = prepared.ids(arguments.part), prepared.files(arguments.part)
    for head, (name, file) in enumerate(zip(ids, files, strict=True)):
        image = PreparedImage.load(file).image.astype(np.float32)
        for number, (kind, change) in enumerate(UNUSUAL.items()):
            if head < (arguments.heads if kind == UPRIGHT else arguments.unusual):
                changed = change(image)
                exact = exact_labels(changed, arguments.work / "exact" / f"{name}-{number}.npz")
                rows.append({"head": name, "kind": kind, **measured(changed, exact)})
                print(rows[-1], flush=True)
    card = read_card("unet")
    record = {
        "part": arguments.part,
        "most_outside": MOST_OUTSIDE,
        "weights": card.sha256,
        "table": sha256_of(card.path.with_name(PLAUSIBLE)),
        "rows": rows,
    }
    write_results("plausible", [table(rows)], record)


if __name__ == "__main__":
    main()
