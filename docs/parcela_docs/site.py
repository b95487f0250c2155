"""The site built by Sphinx, strictly: a broken link, an unlisted page or anything inline fails it."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from sphinx.cmd.build import main as sphinx

from parcela_docs.pages import CHECKOUT, lay_out
from parcela_docs.policy import harden
from parcela_docs.reference import reference

STRICT = ("--fail-on-warning", "--keep-going", "--quiet")
# What only Sphinx itself would read again, and maps of the theme's sources.
NEEDLESS = (".buildinfo", "objects.inv", "_static/**/*.map")


def build(out: Path, checkout: Path = CHECKOUT) -> int:
    """Build the site and put it in place of what ``out`` held; Sphinx's exit code, 0 when all went well.

    Raises:
        BrokenLink: a page links to a file that is not there.
        AgainstPolicy: a built page has something inline, or loads something from another host.
    """
    with TemporaryDirectory() as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        lay_out(checkout, source, reference())
        doctrees = str(Path(folder, "doctrees"))
        places = ["-c", str(Path(__file__).parent), "-d", doctrees, str(source), str(built)]
        code = sphinx([*STRICT, *places])
        if code == 0:
            harden(built)
            for path in (path for pattern in NEEDLESS for path in built.glob(pattern)):
                path.unlink()
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(built, out)
    return code
