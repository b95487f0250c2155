"""Parcela: a T1-weighted brain MRI in, its 116 AAL regions out, in the scan's own geometry.

    import parcela
    prediction = parcela.predict("scan.nii.gz")
    prediction.save("out/")

Research software, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parcela_cli.pipeline import Prediction, predict

__all__ = ["Prediction", "predict"]


def __getattr__(name: str) -> Any:
    """``predict`` and ``Prediction`` live in the command's package and load the networks' libraries: only when used."""
    if name in __all__:
        from parcela_cli import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'parcela' has no attribute {name!r}")
