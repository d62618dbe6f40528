"""What is made, in which order, and whether it came out as it should."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from minidl.backend import Array
from minidl.data.files import FOLDER, SHA256
from minidl.data.rebuild import digits, emoji, tables, text
from minidl.data.rebuild.pack import packed

MAKERS: dict[str, Callable[[], dict[str, Array]]] = {
    "digits": digits.digits,
    "mnist5k": digits.mnist5k,
    "emoji32": emoji.emoji32,
    "iris": tables.iris,
    "wine": tables.wine,
    "breast_cancer": tables.breast_cancer,
    "diabetes": tables.diabetes,
    "shakespeare": text.shakespeare,
    "cmudict": text.cmudict,
    "names": text.names,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild all sets, or the named ones; return 0 if each came out as it should."""
    parser = argparse.ArgumentParser(
        prog="python -m minidl.data.rebuild", description="Rebuild minidl's data files."
    )
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(MAKERS)}; default: all"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(FOLDER), help="folder to write to"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in MAKERS]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}, but {', '.join(MAKERS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    return int(sum(_make(name, given.out) for name in given.names or MAKERS) > 0)


def _make(name: str, folder: Path) -> bool:
    """Write one file; return whether it differs from the one we know."""
    content = packed(MAKERS[name]())
    found, due = hashlib.sha256(content).hexdigest(), SHA256.get(name, "none")
    (folder / f"{name}.npz").write_bytes(content)
    verdict = "as expected" if found == due else f"but {due} was due"
    path = folder / f"{name}.npz"
    print(f"{path}: {len(content)} bytes, sha256 {found}, {verdict}", flush=True)
    return found != due
