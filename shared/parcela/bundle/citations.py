"""What to cite for one map: the works whose methods and data it rests on, and no others. CITATION.cff has them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from parcela.bundle.manifest import Manifest
from parcela.options import BOTH

DATA = Path(__file__).with_name("data") / "works.tsv"


def citations(manifest: Manifest) -> tuple[str, ...]:
    """Parcela itself and each work that had a part in this map, as a list of references has them."""
    version = manifest.software.get("parcela", "")
    return (
        f"The Parcela authors. Parcela {version}".rstrip(),
        *(works()[part] for part in _parts(manifest)),
    )


@cache
def works() -> Mapping[str, str]:
    """Every work that a map may rest on, by what it is cited for."""
    lines = DATA.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("	") for line in lines)


def _parts(manifest: Manifest) -> Iterator[str]:
    yield from ("AAL", "Colin27")
    if manifest.task == "label":
        yield "SyN"
    else:
        if any(network in BOTH for network in manifest.weights):
            yield "MONAI"
        yield from sorted(manifest.weights, reverse=True)
        yield "SyN"  # of the labels they learned from
    stripped_by = manifest.parameters.get("stripped_by")
    if stripped_by in works():
        yield str(stripped_by)
    if manifest.parameters.get("preprocess"):
        yield "N4"
    if "grey_mm3" in manifest.volumes:
        yield "Atropos"
    if "etiv_affine_mm3" in manifest.volumes:
        yield "eTIV"
