"""A figure as PNG bytes, the same for the same figure; and the colours of its lines and boxes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart by everyone


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG without a date or a program's name in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # no pyplot: nothing global is touched
    packed = BytesIO()
    figure.savefig(packed, format="png", dpi=dpi, metadata={"Software": None})
    return packed.getvalue()
