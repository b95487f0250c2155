"""Numbers as the tables print them; what is not there is said, never guessed."""

from __future__ import annotations

import math

from parcela_training.metrics.statistics import Summary

MISSING = "missing"


def number(value: float | None, digits: int) -> str:
    """With so many digits after the point, or ``missing``."""
    return MISSING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def signed(value: float, digits: int = 4) -> str:
    """With its sign, and so many digits after the point: ``+0.0120``, ``−0.0031``."""
    return f"{value:+.{digits}f}".replace("-", "−")


def brief(value: float | None, digits: int = 3) -> str:
    """With so many significant digits, such as ``0.31``, ``37`` and ``0.00216``."""
    if value is None or math.isnan(value):
        return MISSING
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_printed(mean_percent: float, sd_fraction: float) -> str:
    """The thesis's own form, mean in percent and SD as a fraction: ``81.64 ± 0.09``."""
    return f"{mean_percent:.2f} ± {_or_unknown(sd_fraction, 2)}"


def in_full(summary: Summary) -> str:
    """Both in percent, with the images: ``81.64 % ± 8.95 points (n = 200)``."""
    sd = _or_unknown(100 * summary.sd, 2)
    return f"{100 * summary.mean:.2f} % ± {sd} points (n = {summary.n})"


def percent_interval(low: float, high: float) -> str:
    """Ends in percent: ``80.40 – 82.88``."""
    return f"{_or_unknown(low, 2)} – {_or_unknown(high, 2)}"


def spread(summary: Summary | None, digits: int) -> str:
    """Mean ± SD in their own unit, or ``missing``."""
    if summary is None:
        return MISSING
    return f"{summary.mean:.{digits}f} ± {_or_unknown(summary.sd, digits)}"


def p_value(p: float) -> str:
    """Three digits, very small ones as ``< 0.0001``."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _or_unknown(value: float, digits: int) -> str:
    """A single value has no spread: ``n/a``."""
    return "n/a" if math.isnan(value) else f"{value:.{digits}f}"
