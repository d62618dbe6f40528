"""A wheel of minidl for a browser: `python docs/playground/wheel.py FOLDER [--light]`.

A wheel is a zip of the packages with three files about them. It is written here without
a build tool, in a second, and the same twice, byte for byte. The light one leaves out
the large data sets, the weights, kernels of GPUs and the course's machinery.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import hashlib
import re
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPPED = {"__pycache__", ".mypy_cache", "rebuild"}
SMALL = {"digits", "iris", "wine"}  # the data of a light wheel
LARGE = (".npz", ".safetensors", ".cu")
WHEEL = """Wheel-Version: 1.0
Generator: minidl
Root-Is-Purelib: true
Tag: py3-none-any
"""


def files(light: bool) -> dict[str, bytes]:
    """Return the files of the packages by their names in the wheel."""
    found = {}
    packages = {"minidl": "minidl", "minidl_course": "assignments/course"}
    for package, folder in [*packages.items()][: 1 if light else 2]:
        for path in sorted((ROOT / folder).rglob("*")):
            name = f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
            if path.is_dir() or SKIPPED & set(path.parts):
                continue
            if light and _is_large(path):
                continue
            found[name] = path.read_bytes()
    return found


def _is_large(path: Path) -> bool:
    """Whether a light wheel leaves it out, or the license of what it leaves out."""
    license_of = path.stem.removeprefix("LICENSE-")
    large = path.suffix in LARGE or license_of != path.stem
    return large and license_of not in SMALL


def metadata() -> tuple[str, str]:
    """Return (version, METADATA), by setup.cfg."""
    source = (ROOT / "minidl/__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    assert version is not None
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    needs = config["options"]["install_requires"].split("\n")
    lines = [
        "Metadata-Version: 2.1",
        "Name: minidl",
        f"Version: {version[1]}",
        f"Summary: {config['metadata']['description']}",
        f"Requires-Python: {config['options']['python_requires']}",
        *(f"Requires-Dist: {word}" for word in needs if word and word[0] != "#"),
    ]
    return version[1], "\n".join(lines) + "\n"


def write(folder: Path, *, light: bool) -> Path:
    """Write the wheel into a folder; return its path."""
    version, about = metadata()
    info = f"minidl-{version}.dist-info"
    content = files(light)
    content[f"{info}/METADATA"] = about.encode()
    content[f"{info}/WHEEL"] = WHEEL.encode()
    content[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = [f"{name},{_digest(data)},{len(data)}" for name, data in content.items()]
    record.append(f"{info}/RECORD,,")
    content[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"minidl-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            member = zipfile.ZipInfo(name)  # of 1980, always
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return path


def _digest(data: bytes) -> str:
    code = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + code.decode().rstrip("=")


def main() -> None:
    """Write a wheel, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--light", action="store_true", help="without the large data")
    options = parser.parse_args()
    path = write(options.folder, light=options.light)
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
