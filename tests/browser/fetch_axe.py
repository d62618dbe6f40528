"""Fetch axe-core, which looks for what a page hides from some readers; by npm.

    python -m tests.browser.fetch_axe            prints the file

It lies in the cache that Pyodide lies in, and is for tests only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.fetch_pyodide import place

VERSION = "4.10.3"
MISSING = "axe-core is not here: python -m tests.browser.fetch_axe (needs npm)"


def path() -> Path:
    """Return where the script is, or would be."""
    return place().parent / f"axe-core-{VERSION}.js"


def fetch() -> Path:
    """Fetch it if it is not here. Raises SystemExit without npm."""
    if path().is_file():
        return path()
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not here")
    path().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
             "--prefix", work, f"axe-core@{VERSION}"],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
        found = Path(work, "node_modules/axe-core/axe.min.js")
        shutil.copyfile(found, path().with_suffix(".part"))
    path().with_suffix(".part").replace(path())
    return path()


if __name__ == "__main__":
    print(fetch())
