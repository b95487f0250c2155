"""Parcela: a T1-weighted brain MRI in, its 116 AAL regions out, in the scan's own geometry.

    import parcela
    prediction = parcela.predict("scan.nii.gz")
    prediction.save("out/")

    with parcela.Client("http://127.0.0.1:8000") as client:
        job = client.wait(client.submit("scan.nii.gz"))
        client.bundle(job, "out/", name="scan")

Research software, not a medical device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parcela_cli.client.client import Client
    from parcela_cli.pipeline import Prediction, predict

__all__ = ["Client", "Prediction", "predict"]


def __getattr__(name: str) -> Any:
    """The public names live in the command's package and load what they need: only when used."""
    if name == "Client":
        from parcela_cli.client.client import Client

        return Client
    if name in __all__:
        from parcela_cli import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'parcela' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
