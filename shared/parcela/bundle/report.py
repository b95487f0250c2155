"""The report of one scan: picture, volumes and provenance on one HTML page that needs no other file, and no script.

Equal input gives equal bytes: how long it took stands in the manifest alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from parcela.bundle.manifest import Manifest
from parcela.bundle.region_table import MISSING, RegionRow
from parcela.files import write_text

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem 1.2rem .15rem 0; text-align: right; border-bottom: 1px solid #8883; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
tbody th { padding-top: .9rem; }
.made td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em; border-radius: 2px; }
.warning { border-left: 4px solid #b45309; padding-left: .7rem; }
.note { color: #777; }
"""

DISCLAIMER = "Research software, not a medical device."
METHODS = {
    "predict": "Regions of AAL as a network finds them in the preprocessed scan.",
    "label": "Regions of AAL, brought to the scan by registration of the atlas.",
}


def write_report(
    path: Path, *, title: str, picture: Path, rows: Sequence[RegionRow], manifest: Manifest
) -> None:
    """Write ``report.html``.

    Args:
        path: where to.
        title: the scan's name, or nothing where that is not to be told.
        picture: ``qc.png``, which goes into the page.
        rows: from ``region_table``.
        manifest: complete but for the files.

    Raises:
        OSError: the picture cannot be read or the page not written.
    """
    write_text(path, _page(title or "Parcellation", picture.read_bytes(), rows, manifest))


def _page(title: str, png: bytes, rows: Sequence[RegionRow], manifest: Manifest) -> str:
    found = sum(bool(row.voxels) for row in rows)
    volume_ml = sum(row.volume_mm3 for row in rows) / 1000
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{METHODS.get(manifest.task, '')} <strong>{DISCLAIMER}</strong></p>",
        f"<p>{found} of {len(rows)} regions, {volume_ml:.0f} ml together.</p>",
        *(f'<p class="warning">{escape(sentence)}</p>' for sentence in manifest.warnings),
        f'<img alt="The regions over the scan" src="data:image/png;base64,{b64encode(png).decode()}">',
        "<h2>Volumes</h2>",
        '<p class="note">In ml. Asymmetry is (L − R) / mean of both: positive where the left is larger.</p>',
        _volumes(rows),
        "<h2>How it was made</h2>",
        _provenance(manifest),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _volumes(rows: Sequence[RegionRow]) -> str:
    """One line a pair of regions, or a region of the midline; grouped by lobe, as the atlas has them."""
    by_id = {row.region.index: row for row in rows}
    firsts = [row for row in rows if row.region.hemisphere != "R"]
    lines = []
    for lobe, group in groupby(sorted(firsts, key=_lobe), key=_lobe):
        lines.append(f'<tr><th colspan="4">{escape(lobe)}</th></tr>')
        for row in group:
            partner = row.region.partner
            lines.append(_volume_line(row, None if partner is None else by_id[partner]))
    return (
        "<table>\n<thead><tr><th>Region</th><th>Left</th><th>Right</th><th>Asymmetry</th></tr></thead>\n"
        "<tbody>\n" + "\n".join(lines) + "\n</tbody>\n</table>"
    )


def _lobe(row: RegionRow) -> str:
    return row.region.lobe


def _volume_line(row: RegionRow, right: RegionRow | None) -> str:
    region = row.region
    swatch = f'<span class="swatch" style="background:{region.color}"></span>'
    if right is None:
        cells = f'<td>{swatch}{escape(region.name)}</td><td colspan="2">{_ml(row)}</td><td></td>'
    else:
        index = MISSING if row.asymmetry_index is None else f"{row.asymmetry_index:+.3f}"
        name = escape(region.name.removesuffix("_L"))
        cells = f"<td>{swatch}{name}</td><td>{_ml(row)}</td><td>{_ml(right)}</td><td>{index}</td>"
    return f"<tr>{cells}</tr>"


def _ml(row: RegionRow) -> str:
    return f"{row.volume_mm3 / 1000:.2f}"


def _provenance(manifest: Manifest) -> str:
    scan = manifest.input
    facts: list[tuple[str, str]] = []
    if scan is not None:
        shape = "×".join(map(str, scan.shape))
        facts = [
            ("Scan", f"{shape} voxels, axes {scan.axes}"),
            ("SHA-256 of the scan", scan.sha256),
        ]
    facts += [
        (f"Weights, {network}", hash or MISSING) for network, hash in manifest.weights.items()
    ]
    facts += [("Settings", _list(_flat(manifest.parameters)))]
    facts += [("Software", _list(manifest.software.items()))]
    lines = (f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in facts)
    return '<table class="made">\n' + "\n".join(lines) + "\n</table>"


def _flat(parameters: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings under one name each, such as ``n4.shrink_factor``."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name} {text}" for name, text in pairs)
