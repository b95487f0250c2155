"""A figure as PNG bytes, the same for the same figure; and the colours of its lines and boxes."""

from __future__ import annotations

from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart by everyone
DPI = 110


def to_png(figure: Figure) -> bytes:
    """The figure as PNG without a date or a program's name in it."""
    FigureCanvasAgg(figure)
    packed = BytesIO()
    figure.savefig(packed, format="png", dpi=DPI, metadata={"Software": None})
    return packed.getvalue()
