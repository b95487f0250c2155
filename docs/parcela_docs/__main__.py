"""Build the site that the gateway serves at `/docs/guide`.

python -m parcela_docs [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parcela_docs.site import build
from parcela_gateway.page.guide import GUIDE


def main() -> int:
    """Take the folder from the command line; 1 when a page is at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=GUIDE, help="replaced when all went well")
    out = parser.parse_args().out
    code = build(out)
    if not code:
        print(f"{out}/index.html")
    return code


if __name__ == "__main__":
    sys.exit(main())
