"""Who is tested on, and how arrays become a file: the same bytes everywhere.

Who is tested on? A sample's own SHA-256 decides: within each class, in the order of the
hashes, the first samples go to the test set, the next to validation, the others to
training. A second hash shuffles each part, so that its first samples are of all
classes. No generator is involved, so no library can ever change the split.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from minidl.backend import Array
from minidl.data.files import PARTS

HeldOut = Callable[[int], tuple[int, int]]  # samples of a class -> validation, test


def parts(keys: Sequence[bytes], y: Array, held_out: HeldOut) -> dict[str, Array]:
    """Return the samples' numbers by part.    keys N, y (N,) -> {part: (M,)}"""
    draw, order = by_hash(keys, b"split"), by_hash(keys, b"order")
    part = np.zeros(len(keys), np.int64)  # 0 train, 1 validation, 2 test
    for label in np.unique(y):
        own = draw[y[draw] == label]
        validation, test = held_out(len(own))
        part[own[:test]] = 2
        part[own[test : test + validation]] = 1
    return {name: order[part[order] == i] for i, name in enumerate(PARTS)}


def by_hash(keys: Sequence[bytes], purpose: bytes) -> Array:
    """Return the numbers of the samples, sorted by the SHA-256 of purpose + key."""
    hashes = [hashlib.sha256(purpose + key).digest() for key in keys]
    return np.array(sorted(range(len(keys)), key=hashes.__getitem__))


def as_bytes(text: str) -> Array:
    """Return text as an array of its UTF-8 bytes, which `files.as_text` reads."""
    return np.frombuffer(text.encode("utf-8"), np.uint8)


def packed(arrays: Mapping[str, Array]) -> bytes:
    """Return an .npz file, the same bytes everywhere and always.

    bzip2, because all its versions write the same bytes, which zlib's do not; fixed
    dates and systems, because a zip file notes both.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2, compresslevel=9) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            entry.compress_type = zipfile.ZIP_BZIP2
            body = io.BytesIO()
            np.lib.format.write_array(body, array, version=(1, 0), allow_pickle=False)
            archive.writestr(entry, body.getvalue(), compresslevel=9)
    return buffer.getvalue()
