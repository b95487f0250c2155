"""The steps that MONAI does not have, as MONAI dictionary transforms named for what they wrap."""

from parcela_preprocess.transforms.crop import CropToBraind
from parcela_preprocess.transforms.n4 import (
    N4BiasCorrectionOfBraind,
    N4BiasCorrectionWithANTsd,
)
from parcela_preprocess.transforms.origin import SetOriginToZeroWithANTsd
from parcela_preprocess.transforms.skull_strip import (
    GivenMaskd,
    SkullStripWithDeepbetd,
    SkullStripWithROBEXd,
)
from parcela_preprocess.transforms.straighten import StraightenedSpacingd

__all__ = [
    "CropToBraind",
    "GivenMaskd",
    "N4BiasCorrectionOfBraind",
    "N4BiasCorrectionWithANTsd",
    "SetOriginToZeroWithANTsd",
    "SkullStripWithDeepbetd",
    "SkullStripWithROBEXd",
    "StraightenedSpacingd",
]
