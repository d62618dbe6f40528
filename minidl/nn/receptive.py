"""How much of the image one number of a deep layer depends on: its receptive field.

A window over the outputs of windows sees what all of these see. Strides count twice:
they make the image smaller, and so all later windows larger, measured in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minidl.errors import RangeError
from minidl.nn.containers import Sequential
from minidl.nn.conv import Conv1d, Conv2d, ConvTranspose2d, Fold, Unfold
from minidl.nn.module import Module
from minidl.nn.pool import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d, Upsample
from minidl.ops.windows import Pair, pair

__all__ = ["receptive_fields"]

WINDOWS = (Conv2d, MaxPool2d, AvgPool2d)
OTHERS = (Conv1d, MaxPool1d, AvgPool1d, ConvTranspose2d, Upsample, Fold, Unfold)


class Reach(NamedTuple):
    """What one place of a layer's output sees of the image, height and width in pixels.

    sees   the sides of its receptive field
    apart  by how many pixels what neighboring places see is shifted
    """

    name: str
    sees: Pair
    apart: Pair


def receptive_fields(model: Module) -> list[Reach]:
    """Return a Reach for every layer with windows, from the image upwards.

    Convolutions and poolings of images count, layers that change every place alone
    do not. Images are taken to be large enough, so that no frame cuts a field.
    Araujo, Norris & Sim 2019, "Computing receptive fields", section 2.

    >>> from minidl import nn
    >>> two = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    >>> [layer.sees for layer in receptive_fields(two)]
    [(3, 3), (5, 5)]

    Raises RangeError where layers do not stand one behind the other, and for layers
    that make images larger or have other windows.
    """
    sees, apart = np.array((1, 1)), np.array((1, 1))
    found = []
    for name, layer in _chain("", model):
        size, stride, dilation = _settings(layer)
        # region a5.9: what a window on top of the layers below sees, in pixels
        sees = sees + dilation * (size - 1) * apart
        apart = apart * stride
        # endregion
        found.append(Reach(name, _numbers(sees), _numbers(apart)))
    return found


def _settings(layer: Any) -> tuple[Any, Any, Any]:
    """Return size, stride and dilation of a layer's windows: arrays (height, width)."""
    convolves = isinstance(layer, Conv2d)
    size = layer.weight.shape[2:] if convolves else layer.kernel_size
    stride = size if layer.stride is None else layer.stride
    settings = (size, stride, getattr(layer, "dilation", 1))
    size, stride, dilation = (
        np.array(pair(type(layer).__name__, "window", setting)) for setting in settings
    )
    return size, stride, dilation


def _chain(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the layers with windows, in the order in which an image meets them."""
    kind = type(module).__name__
    if isinstance(module, OTHERS):
        raise RangeError(
            f"receptive_fields: {name or 'the model'} is a {kind}, whose places do not "
            "see a window of an image; ask for the layers below it: "
            "receptive_fields(model[:3])"
        )
    if isinstance(module, WINDOWS):
        yield name, module
        return
    ordered = isinstance(module, Sequential)
    children = enumerate(module) if ordered else module.named_children()
    parts = [list(_chain(f"{name}.{below}".lstrip("."), m)) for below, m in children]
    parts = [found for found in parts if found]
    if len(parts) > 1 and not ordered:
        names = ", ".join(found[0][0] for found in parts)
        raise RangeError(
            f"receptive_fields: {name or 'the model'} is a {kind}, and only its "
            f"forward knows the order of {names}; ask for a part of it, or put the "
            "layers into an nn.Sequential"
        )
    for found in parts:
        yield from found


def _numbers(a: Any) -> Pair:
    height, width = a.tolist()
    return height, width
