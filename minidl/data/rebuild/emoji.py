"""Emoji-32: pictures with a category and an English name, for nets and captions.

From Google's Noto emoji, as the npm package emoji-datasource-google 16.0.0 has them:
one picture of 64 × 64 points per emoji. Taken are those of Emoji 15.1 or older, without
what is no emoji of its own (skin tones and hair, superseded ones, flags of
subdivisions), and each picture once: 12 flags and families look like another's.

Pixels are averaged 2 × 2 and laid on white, in whole numbers, so that the result does
not depend on the version of an image library; Pillow only reads the PNG files.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.data.rebuild.fetch import from_npm
from minidl.data.rebuild.pack import as_bytes, parts
from minidl.errors import DataError

PACKAGE = "emoji-datasource-google@16.0.0"
LIST = "package/emoji.json"
SHA256 = "1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f"
FOLDER = "package/img/google/64/"
COUNT = 1847
SAME_PICTURE = {  # short names of emoji whose picture is that of a better known one
    "family_adult_adult_child", "family_adult_adult_child_child",
    "family_adult_child", "family_adult_child_child",
    "flag-hm", "flag-bv", "flag-sj", "flag-cp", "flag-mf", "flag-dg", "flag-ea",
    "flag-um",
}  # fmt: skip


def emoji32() -> dict[str, Array]:
    """Return the arrays of emoji32.npz."""
    files = from_npm(PACKAGE, {LIST: SHA256, FOLDER: ""})
    entries = [e for e in json.loads(files[LIST]) if is_taken(e)]
    entries.sort(key=lambda e: e["sort_order"])
    x = np.stack([small(picture(files[FOLDER + e["image"]])) for e in entries])
    categories = list(dict.fromkeys(e["category"] for e in entries))
    y = np.array([categories.index(e["category"]) for e in entries], np.uint8)
    keys = [image.tobytes() for image in x]
    if len(keys) != COUNT or len(set(keys)) != COUNT:
        raise DataError(
            f"{PACKAGE} gives {len(keys)} emoji with {len(set(keys))} different "
            f"pictures, not {COUNT}: the package changed"
        )
    arrays = {"categories": as_bytes("\n".join(categories))}
    # A tenth of each category for validation, three twentieths for test.
    for name, chosen in parts(keys, y, lambda n: (n // 10, n * 3 // 20)).items():
        names = [entries[i]["name"].lower() for i in chosen]
        arrays[f"{name}_x"], arrays[f"{name}_y"] = x[chosen], y[chosen]
        arrays[f"{name}_names"] = as_bytes("\n".join(names))
    return arrays


def is_taken(entry: dict[str, Any]) -> bool:
    """Whether an emoji of the list is one of ours."""
    return (
        entry["category"] != "Component"
        and entry["subcategory"] != "subdivision-flag"
        and "obsoleted_by" not in entry
        and float(entry["added_in"]) < 16
        and entry["short_name"] not in SAME_PICTURE
    )


def picture(png: bytes) -> Array:
    """Return the points of a PNG file: red, green, blue, opacity.    -> (64, 64, 4)"""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            "making emoji32.npz anew needs Pillow: pip install pillow; the package "
            "itself does not, for the file is part of it"
        ) from error
    with Image.open(io.BytesIO(png)) as image:
        points = np.asarray(image.convert("RGBA"))
    if points.shape != (64, 64, 4):
        raise DataError(f"a picture of {PACKAGE} has shape {points.shape}")
    return points


def small(rgba: Array) -> Array:
    """Lay a picture on white, and halve it.    (2H, 2W, 4) -> (H, W, 3) uint8

    The mean of 4 points of color c and opacity a, Σ (a c + (255 − a) 255) / (4 · 255),
    rounded to the nearest whole number.
    """
    h, w = rgba.shape[0] // 2, rgba.shape[1] // 2
    color, opacity = rgba[..., :3].astype(np.int64), rgba[..., 3:].astype(np.int64)
    light = color * opacity + (255 - opacity) * 255
    total = light.reshape(h, 2, w, 2, 3).sum(axis=(1, 3))
    return ((total + 2 * 255) // (4 * 255)).astype(np.uint8)
