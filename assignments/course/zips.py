"""Zip files that are the same, byte for byte, whenever and wherever they are made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can tell


def zipped(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """Return a zip file of some files, in the order of their names, inside a folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(f"{folder}/{name}" if folder else name, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # the same attributes, whatever system writes it
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compresslevel=9)
    return out.getvalue()
