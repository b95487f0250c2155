"""How fast prediction is beside MONAI's own forward pass and the dense way back, and how much memory it takes.

    python benchmarks/speed.py                        # every measurement, then the table in docs/performance.md
    python benchmarks/speed.py --only unet way-back   # some of them
    python benchmarks/speed.py --table                # the table alone, from benchmarks/results/speed/

Two ways are measured in turn in one process, in processor seconds of one thread, so that other work on the machine
changes neither much. Each measurement is a file in benchmarks/results/speed/ and a row of the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.geometry import Shape
from parcela.imaging.to_scan import Offsets, Rows, labels_on_scan, linear_weights
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.imaging.volume import read_volume
from parcela.options import BOTH, Network
from parcela_benchmarks.pairs import INSTRUCTIONS, in_child, in_turn, peak_mb, record
from parcela_benchmarks.performance_page import write_table
from parcela_inference.block_scores import BlockScores
from parcela_inference.parcellate import parcellate
from parcela_inference.scores import class_scores
from parcela_inference.to_scan import to_scan
from parcela_inference.weights import network
from parcela_preprocess.preprocess import Preprocessed, preprocess
from parcela_training.networks.predict import monai_predictor
from parcela_training.options import TITLES

SCAN: Shape = (256, 256, 256)  # voxels of 1 mm


def colin27() -> Preprocessed:
    """The brain that ships, on the model's grid."""
    return preprocess(read_volume(COLIN27_BRAIN), preprocess=False)


def on_256(trail: GeometryTrail) -> GeometryTrail:
    """The same brain in the middle of a scan of 256³ voxels of 1 mm, its axes permuted and one of them reversed."""
    affine = np.zeros((4, 4))
    affine[[0, 1, 2], [2, 0, 1]] = 1, -1, 1
    middle = trail.model.affine @ [*((np.array(trail.model.shape) - 1) / 2), 1]
    affine[:3, 3] = middle[:3] - affine[:3, :3] @ ((np.array(SCAN) - 1) / 2)
    affine[3, 3] = 1
    return GeometryTrail(
        scan=Grid(shape=SCAN, affine=affine),
        model=trail.model,
        removed_origin_mm=(0, 0, 0),
        steps=(),
    )


def dense_way_back(
    dense: torch.Tensor, trail: GeometryTrail
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """As before there were blocks: along borders 117 scores in 16 bits are mixed at each place."""
    table = dense.flatten(0, 2)

    def mixed_class(rows: Rows, offsets: Offsets) -> np.ndarray[Any, np.dtype[np.uint8]]:
        weights = torch.from_numpy(linear_weights(offsets.astype(np.float32))).half()
        mixed = embedding_bag(torch.from_numpy(rows), table, per_sample_weights=weights, mode="sum")
        return mixed.argmax(-1).to(torch.uint8).numpy()

    return labels_on_scan(dense.argmax(-1).to(torch.uint8).numpy(), trail, mixed_class)


def by_network(model: Network, runs: int) -> dict[str, Any]:
    """MONAI's own forward pass and arg-max, and ``parcellate`` with the same weights."""
    done, net = colin27(), network(model, "cpu")
    monai = monai_predictor(net)
    labels = parcellate(done.image, done.trail, model=model, space="model").labels
    exact = monai(done.image)
    pairs = in_turn(
        lambda: monai(done.image),
        lambda: parcellate(done.image, done.trail, model=model, space="model"),
        runs,
    )
    return {
        "pairs": pairs,
        "differing": int((labels != exact).sum()),
        "labelled": int((exact > 0).sum()),
    }


def way_back(networks: int, runs: int) -> dict[str, Any]:
    """One network's map, or the three maps of ``both``; from scores that are there to labels on 256³ voxels."""
    done = colin27()
    trail = on_256(done.trail)
    scores = [class_scores(done.image, model) for model in BOTH[:networks]]
    dense = scores[0].dense()
    labels, exact = to_scan(scores[0], trail), dense_way_back(dense, trail)

    def now() -> None:
        for each in (*scores, *([BlockScores.mean(scores)] if networks > 1 else [])):
            to_scan(each, trail)

    pairs = in_turn(lambda: dense_way_back(dense, trail), now, runs)
    return {
        "pairs": pairs,
        "differing": int((labels != exact).sum()),
        "labelled": int((exact > 0).sum()),
    }


def memory(model: Network, exact: bool) -> dict[str, Any]:
    """Peak memory of a process that labels a brain, back on 256³ voxels."""
    done = colin27()
    parcellate(done.image, on_256(done.trail), model=model, exact=exact)
    return {"peak_mb": peak_mb()}


def measure(kind: str, what: str, runs: int) -> dict[str, Any]:
    """One measurement, in this process."""
    torch.set_num_threads(1)
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "network": lambda: by_network(what, runs),  # type: ignore[arg-type]
        "way-back": lambda: way_back(int(what), runs),
        "memory": lambda: memory(what.removesuffix("-exact"), what.endswith("-exact")),  # type: ignore[arg-type]
    }
    return works[kind]()


def main() -> None:
    arguments = _arguments()
    if arguments.one:
        kind, what = arguments.one
        print(json.dumps(measure(kind, what, arguments.runs)))
        return
    if not arguments.table:
        for name, run in _measurements(arguments.runs).items():
            if not arguments.only or name in arguments.only:
                run()
                print(name, flush=True)
    write_table()


def _measurements(runs: int) -> dict[str, Callable[[], None]]:
    every: dict[str, Callable[[], None]] = {}
    for model, title in ((model, TITLES[model]) for model in BOTH):
        what = f"{title}, image to map on the model's grid"
        for number, instructions in enumerate(INSTRUCTIONS):
            name = f"{model}-{('native', 'avx2')[number]}"
            row = {"what": what, "against": "MONAI eager, float32", "instructions": instructions}
            every[name] = partial(_pairs, name, row, ("network", model), runs)
        every[f"memory-{model}"] = partial(_memory, model, title)
    for networks, maps in ((1, "one map"), (2, "the three maps of `both`")):
        name = f"way-back-{networks}"
        row = {"what": f"back to 256³ voxels, {maps}", "against": "one map, 117 dense scores"}
        row["instructions"] = "native"
        every[name] = partial(_pairs, name, row, ("way-back", str(networks)), runs)
    return every


def _pairs(name: str, row: dict[str, str], one: tuple[str, str], runs: int) -> None:
    answer = in_child(__file__, ["--one", *one, "--runs", str(runs)], row["instructions"])
    pairs = answer.pop("pairs")
    record(name, row | answer, pairs)


def _memory(model: str, title: str) -> None:
    before, now = (
        in_child(__file__, ["--one", "memory", each], "native")["peak_mb"]
        for each in (f"{model}-exact", model)
    )
    row = {
        "what": f"{title}, image to map on 256³ voxels",
        "against": "`--exact`",
        "instructions": "native",
        "unit": "MB at most",
        "before": before,
        "now": now,
        "ratio": [round(before / now, 2)],
    }
    record(f"memory-{model}", row)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="such as unet-native, way-back-1")
    parser.add_argument("--table", action="store_true", help="write the table, measure nothing")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "WHAT"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
