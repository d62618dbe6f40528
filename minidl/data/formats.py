"""The formats in which large image sets are published: IDX, and CIFAR's records.

N images of H × W points in C channels; all numbers are bytes.
"""

from __future__ import annotations

import math

import numpy as np

from minidl.backend import Array
from minidl.errors import DataError

IDX_BYTES = 0x08  # the code of unsigned bytes


def read_idx(content: bytes, name: str = "the file") -> Array:
    """Return the array of an IDX file, the format of MNIST.    -> uint8

    0, 0, code of the type, number of axes; then the axes' lengths as 4 bytes each, the
    highest first; then the numbers, in C order.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    array([5, 0, 4], dtype=uint8)
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(
            f"{name} is no IDX file: it begins with [{content[:4].hex(' ')}] and not "
            "[00 00]; is it still compressed?"
        )
    code, axes = content[2], content[3]
    if code != IDX_BYTES or not 1 <= axes <= 4:
        raise DataError(
            f"{name} holds numbers of type {code:#04x} on {axes} axes; "
            f"MNIST's are bytes ({IDX_BYTES:#04x}) on 1 to 4 axes"
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{name} ends in its header, after {len(content)} bytes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{name} says that it is {shape}, {math.prod(shape):,} bytes, and has "
            f"{len(content) - start:,}; was it downloaded to the end?"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_cifar(
    content: bytes, labels: int, classes: int, name: str = "the file"
) -> tuple[Array, Array]:
    """Return the images and labels of CIFAR's binary version.

    Each record: `labels` bytes, of which the last is the (finest) class; then 32 × 32
    red, green and blue points.    -> x (N, 3, 32, 32), y (N,), both uint8
    """
    size = labels + 3 * 32 * 32
    if not content or len(content) % size:
        raise DataError(
            f"{name} has {len(content):,} bytes, no multiple of {size:,}; was it "
            "downloaded to the end, and is it the binary version?"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    y = records[:, labels - 1]
    if y.max() >= classes:
        raise DataError(
            f"{name} has class {y.max()} in record {y.argmax()}; there are {classes}"
        )
    return records[:, labels:].reshape(-1, 3, 32, 32), y
