"""What evaluating leaves: the record of one network over a set of images, and that of the registrations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainSerializer, PlainValidator, TypeAdapter

from parcela.atlas.aal import CLASS_COUNT
from parcela.files import write_text
from parcela.options import Network
from parcela_training.jsonable import to_jsonable
from parcela_training.metrics.measures import image_mean
from parcela_training.metrics.statistics import region_medians


def _array(value: object) -> NDArray[np.float64]:
    return np.array(value, dtype=np.float64)  # None becomes NaN


# In JSON nested lists with null for NaN; floats in full, so that they read back equal.
Floats = Annotated[NDArray[np.float64], PlainValidator(_array), PlainSerializer(to_jsonable)]
Reference = Literal["opened", "unopened"]

REFERENCES: tuple[Reference, ...] = ("opened", "unopened")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One network's agreement with the labels of so many images.

    Attributes:
        network: ``highresnet``, ``unet`` or ``warp``.
        reference: which labels, such as ``opened`` or ``unopened``.
        images: name of each image.
        datasets: the data set of each image.
        dice: (n, 117) fractions, background first; NaN where the image's label lacks the class.
        seconds: (n,) wall-clock of each prediction on its hardware; NaN where not measured.
        hausdorff95_mm, average_surface_mm: (n, 117), None where not measured.
        monai_seconds: (n,) likewise of MONAI's own forward pass in float32; None where not measured.

    Raises:
        ValueError: no image, an image twice, arrays of another shape, a Dice outside 0 to 1, an
            infinity, or an image with no Dice at all.
    """

    network: Network
    reference: Annotated[str, Field(alias="against")]
    images: tuple[str, ...]
    datasets: tuple[str, ...]
    dice: Floats
    seconds: Floats
    hausdorff95_mm: Floats | None = None
    average_surface_mm: Floats | None = None
    monai_seconds: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if not n or len(set(self.images)) < n:
            raise ValueError("an evaluation needs images, each once")
        times = [self.seconds] if self.monai_seconds is None else [self.seconds, self.monai_seconds]
        if len(self.datasets) != n or any(values.shape != (n,) for values in times):
            raise ValueError(f"{n} images need a data set and seconds each")
        for values in (self.dice, self.hausdorff95_mm, self.average_surface_mm):
            if values is not None and values.shape != (n, CLASS_COUNT):
                raise ValueError(f"{n} images need an array of ({n}, 117), got {values.shape}")
        for values in (self.dice, *times, self.hausdorff95_mm, self.average_surface_mm):
            if values is not None and np.isinf(values).any():
                raise ValueError("a value is infinite: what was not measured is NaN")
        if np.isnan(self.dice).all(axis=1).any() or not np.nanmin(self.dice) >= 0:
            raise ValueError("an image without any Dice, or a Dice below 0")
        if np.nanmax(self.dice) > 1:
            raise ValueError(f"a Dice of {np.nanmax(self.dice)}: it must be a fraction")

    @property
    def per_image(self) -> NDArray[np.float64]:
        """(n,) mean Dice of each image, background counted."""
        return image_mean(self.dice)

    @property
    def per_image_without_background(self) -> NDArray[np.float64]:
        """(n,) mean Dice of each image over its regions alone."""
        return image_mean(self.dice, background=False)

    @property
    def medians(self) -> NDArray[np.float64]:
        """(117,) median Dice of each class over the images; NaN for one that no label holds."""
        return region_medians(self.dice)

    @property
    def absent(self) -> int:
        """How many times a label lacked a region, over all images."""
        return int(np.count_nonzero(np.isnan(self.dice[:, 1:])))

    def save(self, path: Path) -> None:
        """Write as JSON, without loss. Raises OSError."""
        write_text(path, _ADAPTER.dump_json(self, by_alias=True).decode() + "\n")

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """Read what ``save`` wrote. Raises OSError, ValueError where it is no evaluation."""
        return _ADAPTER.validate_json(path.read_bytes())


_ADAPTER = TypeAdapter(Evaluation)


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """What was measured of the atlas registration that the networks stand in for.

    Attributes:
        seconds: wall-clock of each registration.
        hardware: what it ran on.
        repeat_dice: mean Dice over the 117 classes between two runs on the same image: SyN's own
            noise, which no network trained on its labels can be expected to beat by much.
    """

    seconds: tuple[float, ...] = ()
    hardware: str = ""
    repeat_dice: tuple[float, ...] = ()

    def save(self, path: Path) -> None:
        """Write as JSON. Raises OSError."""
        write_text(path, _REGISTRATION.dump_json(self, indent=2).decode() + "\n")

    @classmethod
    def load(cls, path: Path) -> RegistrationRecord:
        """Read what ``save`` wrote. Raises OSError, ValueError where it is something else."""
        return _REGISTRATION.validate_json(path.read_bytes())


_REGISTRATION = TypeAdapter(RegistrationRecord)
