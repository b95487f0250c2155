"""What a caller may choose, declared once: the command, Python, the service and its records all use these.

A field's default and description are those of the command's help and of the API's page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from parcela.errors import BadRequest
from parcela.settings import settings

Network = Literal["unet", "highresnet", "warp"]
ModelChoice = Literal[Network, "both"]
Stripper = Literal["robex", "deepbet"]
SkullStrip = Literal["auto", Stripper]
Space = Literal["native", "model"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Preset = Literal["modern", "thesis"]
BidsLevel = Literal["participant", "group"]
IdScheme = Literal["parcela", "spm", "mrtrix"]
Program = Literal[
    "spm", "mrtrix", "brainnet", "workbench", "mricron", "itksnap", "freesurfer", "nilearn"
]

NETWORKS: tuple[Network, ...] = get_args(Network)
BOTH: tuple[Network, ...] = ("unet", "highresnet")  # the thesis's
BEST: Network = "warp"  # by docs/accuracy.md: what is taken unless another is asked for


def networks_of(model: ModelChoice) -> tuple[Network, ...]:
    """The networks that take part in a choice."""
    return BOTH if model == "both" else (model,)


class Options(BaseModel):
    """What both a prediction and a labelling take.

    In JSON and in a query ``preprocess`` is written ``preprocessing``; either name is read.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    preprocess: bool = Field(
        True,
        alias="preprocessing",
        description="Skull-strip and bias-correct first; turn it off for a scan that already is both.",
    )
    skull_strip: SkullStrip = Field(
        "auto",
        description="robex: the reference, a minute, x86-64 Linux. deepbet: any platform, seconds. "
        "auto: robex where it runs, else deepbet; with fast, deepbet.",
    )
    fast: bool = Field(
        False,
        description="Whole head to map in seconds: deepbet finds the brain, unless skull_strip says otherwise.",
    )
    tissues: bool = Field(
        False,
        description="Also grey matter, white matter and CSF of each region, and the head's size (eTIV).",
    )

    @property
    def stripping(self) -> SkullStrip:
        """What shall find the brain, once ``fast`` has had its say."""
        return "deepbet" if self.fast and self.skull_strip == "auto" else self.skull_strip

    def asked(self) -> dict[str, Any]:
        """What both record of the preprocessing; what found the brain then, the preprocessing records itself."""
        return {
            "preprocess": self.preprocess,
            "skull_strip": self.skull_strip if self.preprocess else None,
            "fast": self.fast,
        }

    @property
    def to_colin27(self) -> bool:
        """Whether the preprocessing shall find where the brain lies in the atlas's own space."""
        return False


class PredictOptions(Options):
    """How the networks shall parcellate a scan."""

    preset: ClassVar[Preset] = "modern"  # of the preprocessing: the networks are trained on it

    model: ModelChoice = Field(
        BEST,
        description="warp: a network that registers the atlas, the nearest to the reference labels. unet, highresnet: "
        "the thesis's networks. both: the thesis's two, their scores averaged, and each one's map.",
    )
    space: Space = Field(
        "native",
        description="The label map's grid: the scan's own, or the networks' (91, 122, 123).",
    )
    standard_space: bool = Field(
        False,
        description="Also the map and the affine in the atlas's own space, Colin27, and the head's size (eTIV).",
    )
    probabilities: bool = Field(
        False,
        description="Also the networks' scores of all 117 classes, on their grid (probseg.nii.gz).",
    )

    exact: bool = Field(
        False,
        description="Of the thesis's networks every class everywhere, by MONAI's own code: slow, the same map to "
        "0.01 % of its voxels.",
    )

    @property
    def to_colin27(self) -> bool:
        """The head's size goes with the tissues."""
        return self.standard_space or self.tissues

    @property
    def transforms(self) -> bool:
        """Whether the ways to the atlas's own space and back are among the files."""
        return self.standard_space and "warp" in networks_of(self.model)

    def parameters(self) -> dict[str, Any]:
        """As a manifest records them, thread counts included: bytes may depend on them."""
        return {
            "model": self.model,
            **self.asked(),
            "preset": self.preset,
            "space": self.space,
            "tissues": self.tissues,
            "standard_space": self.standard_space,
            "probabilities": self.probabilities,
            "exact": self.exact,
            "torch_precision": settings().torch_precision,
            **_threads(),
        }


class LabelOptions(Options):
    """How the atlas shall be registered to a scan."""

    preset: Preset = Field(
        "modern",
        description="modern: what the opening removes goes to the nearest region. thesis: the published method.",
    )

    def parameters(self) -> dict[str, Any]:
        """As a manifest records them; the bytes of the registration depend on the thread count."""
        return {
            "preset": self.preset,
            **self.asked(),
            "registration": "SyN",
            "tissues": self.tissues,
            **_threads(),
        }


@contextmanager
def choosing() -> Iterator[None]:
    """A block that makes options of a caller's values.

    Raises:
        BadRequest: a value that is none of those known.
    """
    try:
        yield
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        raise BadRequest(f"{name}={fault['input']!r}: {fault['msg']}") from error


def _threads() -> dict[str, int]:
    return {"itk_threads": settings().itk_threads, "torch_threads": settings().torch_threads}
