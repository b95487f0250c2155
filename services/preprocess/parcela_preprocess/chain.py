"""The nine steps in order, as two presets.

``thesis`` is the published table with every third-party default, never improved. ``modern`` is what prediction uses:
the scan is first turned to RAS+ without interpolation, and N4 estimates the bias field inside the brain only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from monai.transforms import (
    Compose,
    CropForegroundd,
    HistogramNormalized,
    Orientationd,
    Resized,
    ScaleIntensityd,
    Spacingd,
    Transform,
)

from parcela.imaging.geometry import Shape
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.imaging.trail import Grid
from parcela.options import Preset, SkullStrip, Stripper
from parcela_preprocess.robex import obstacle
from parcela_preprocess.transforms import (
    CropToBraind,
    GivenMaskd,
    N4BiasCorrectionOfBraind,
    N4BiasCorrectionWithANTsd,
    SetOriginToZeroWithANTsd,
    SkullStripWithDeepbetd,
    SkullStripWithROBEXd,
    StraightenedSpacingd,
)
from parcela_preprocess.transforms.tissues import TissuesWithAtroposd

Strip = Literal[Stripper, "given"]  # "given": by a mask that came from elsewhere
Step = tuple[str, Transform]

IMAGE = "image"
STRIPPERS: dict[Strip, Callable[..., Transform]] = {
    "robex": SkullStripWithROBEXd,
    "deepbet": SkullStripWithDeepbetd,
    "given": GivenMaskd,
}


def geometric_steps(
    shape: Shape = MODEL_SHAPE, preset: Preset = "thesis", onto: Grid | None = None
) -> list[Step]:
    """Steps 3 to 9: spacing, orientation, histogram, intensity, crop, origin, resize.

    ``modern`` differs where it must: it turns a tilted grid upright, and makes room for what a field of view cut off.
    It alone heeds ``onto``, a grid whose box is cut out in place of the brain's.
    """
    published = preset == "thesis"
    crop: Transform = (
        CropForegroundd(IMAGE, source_key=IMAGE) if published else CropToBraind(IMAGE, onto=onto)
    )
    spacing: Transform = (
        Spacingd(IMAGE, pixdim=(1.0, 1.0, 1.0)) if published else StraightenedSpacingd(IMAGE)
    )
    return [
        ("spacing", spacing),
        ("orientation", Orientationd(IMAGE, axcodes="RAS", labels=None)),
        ("histogram", HistogramNormalized(IMAGE)),
        ("intensity", ScaleIntensityd(IMAGE)),
        ("crop", crop),
        ("origin", SetOriginToZeroWithANTsd(IMAGE)),
        ("resize", Resized(IMAGE, spatial_size=shape)),
    ]


def with_tissues(todo: list[Step]) -> list[Step]:
    """The steps with the segmentation of tissues among them: once the bias is corrected, on the scan's own grid."""
    place = next(number for number, (name, _) in enumerate(todo) if name == "spacing")
    return [*todo[:place], ("tissues", TissuesWithAtroposd(IMAGE)), *todo[place:]]


def steps(
    preset: Preset = "modern",
    skull_strip: Strip = "robex",
    shape: Shape = MODEL_SHAPE,
    onto: Grid | None = None,
) -> list[Step]:
    """All steps of a preset by name, from a whole head to the model's grid of ``shape``."""
    strip: Step = ("skull-strip", STRIPPERS[skull_strip](IMAGE, mend=preset == "modern"))
    if preset == "thesis":
        return [strip, ("bias", N4BiasCorrectionWithANTsd(IMAGE)), *geometric_steps(shape, preset)]
    return [
        strip,
        ("bias", N4BiasCorrectionOfBraind(IMAGE)),
        *geometric_steps(shape, preset, onto),
    ]


def stripper_of(skull_strip: SkullStrip, preset: Preset) -> Stripper:
    """What finds the brain: ``auto`` is ROBEX where it runs, else deepbet; to the thesis, ROBEX alone."""
    if skull_strip != "auto":
        return skull_strip
    return "robex" if preset == "thesis" or obstacle() is None else "deepbet"


def compose(
    preset: Preset = "thesis", skull_strip: Strip = "robex", shape: Shape = MODEL_SHAPE
) -> Compose:
    """A preset as one MONAI ``Compose`` over ``{"image": (1, X, Y, Z) MetaTensor}``, to build on in MONAI code."""
    return Compose([transform for _, transform in steps(preset, skull_strip, shape)])
