"""Peak memory of `parcela predict` on Colin27's whole head: its largest process, and all of them together.

    python benchmarks/memory.py                   # every way
    python benchmarks/memory.py --only fast both  # some; the others' figures stay

Resident memory is added up over processes, what they share counted in each. Written to benchmarks/results/memory.json,
and as a table in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from parcela.atlas.aal import COLIN27_HEAD
from parcela.files import write_text
from parcela_benchmarks.pairs import ONE_THREAD
from parcela_benchmarks.performance_page import put_between

RESULT = Path(__file__).parent / "results" / "memory.json"
BEGIN, END = "<!-- measured: benchmarks/memory.py -->\n", "<!-- until here: memory -->\n"
WAYS = {
    "fast": ["--fast"],
    "unet": ["--fast", "--model", "unet"],
    "both": ["--fast", "--model", "both"],
    "highresnet": ["--fast", "--model", "highresnet"],
    "robex": ["--skull-strip", "robex"],
}
LOOK_S, CHILDREN_S = 0.05, 1.0  # between two looks, and between two searches for child processes


def peak(options: list[str]) -> dict[str, object]:
    """In MB; with the share of each process at the highest moment, by name."""
    largest, together, shares = 0.0, 0.0, list[tuple[str, int]]()
    children: list[psutil.Process] = []
    searched = 0.0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "parcela_cli.app", "predict", str(COLIN27_HEAD)]
        process = psutil.Popen([*command, *options, "-o", folder], env={**os.environ, **ONE_THREAD})
        while process.poll() is None:
            if time.monotonic() - searched > CHILDREN_S:
                children, searched = process.children(recursive=True), time.monotonic()
            sizes = [(each.name(), _resident_mb(each)) for each in (process, *children)]
            largest = max(largest, *(size for _, size in sizes))
            if (total := sum(size for _, size in sizes)) > together:
                together, shares = total, [(name, round(size)) for name, size in sizes]
            time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit(f"parcela predict ended with {process.returncode}")
    return {"together": round(together), "largest": round(largest), "shares": shares}


def _resident_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        return 0.0


def table(rows: dict[str, dict[str, object]]) -> str:
    """As Markdown."""
    text = "| `parcela predict` | MB at most, all processes | the largest |\n|---|---|---|\n"
    for way, options in WAYS.items():
        if way in rows:
            row = rows[way]
            text += f"| `{' '.join(options)}` | {row['together']:,} | {row['largest']:,} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    rows = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for way in parser.parse_args().only:
        rows[way] = peak(WAYS[way])
        print(way, rows[way], flush=True)
        write_text(RESULT, json.dumps(rows, indent=1) + "\n")
        put_between(BEGIN, END, table(rows))


if __name__ == "__main__":
    main()
