"""`with minidl.debug():` — slow, and it tells where things went wrong.

Three watches over every operation inside the `with`, forward and back:
 - the first one that makes a NaN or an infinity out of finite numbers is an error;
 - arrays that an operation saved for its backward carry a checksum, so that writing to
   them through `.data` or an alias, which the table of writes cannot see, is an error;
 - every error about the graph names the line of your program that recorded the node.
"""

from __future__ import annotations

import os.path
import traceback
import zlib
from typing import Any

import numpy as np

from minidl.autograd import Node
from minidl.backend import Array, to_numpy
from minidl.errors import GraphError, NonFiniteError
from minidl.modes import watchers
from minidl.writes import held

PACKAGE = os.path.dirname(__file__)


class debug:
    """Watch every operation: call sites, saved arrays, the first NaN or infinity.

    Raises NonFiniteError (forward or backward) and GraphError (a saved array changed).

    >>> from minidl import Tensor
    >>> x = Tensor([1.0, 0.0], requires_grad=True)
    >>> with debug():
    ...     y = x.log()
    Traceback (most recent call last):
        ...
    minidl.errors.NonFiniteError: log made -inf out of finite numbers (shape (2,)...
    """

    def __enter__(self) -> debug:
        watchers.append(self)
        self.quiet = np.errstate(all="ignore")  # an error says it better than NumPy
        self.quiet.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.quiet.__exit__(None, None, None)
        watchers.remove(self)

    def computed(self, op: Any, arrays: Any, made: Any) -> None:
        """After an operation: refuse the first NaN or infinity."""
        ys = made[0] if type(made[0]) is tuple else made[:1]
        bad = _not_finite(ys)
        if bad and not _not_finite(arrays):
            raise NonFiniteError(f"{op.__name__} made {bad}, at {_site()}")

    def recorded(self, node: Node, arrays: Any) -> None:
        """After a node: remember the line that made it, and what its arrays held."""
        node.note = (_site(), [(a, _checksum(a)) for a in _saved(node)])

    def before(self, node: Node) -> None:
        """Before a backward: what was saved must be what it was."""
        site, saved = getattr(node, "note", ("a line outside of debug()", []))
        for array, checksum in saved:
            if _checksum(array) != checksum:
                raise GraphError(
                    f"{node.name}, recorded at {site}, saved an array of shape "
                    f"{array.shape} that was written since, through .data or an alias; "
                    "write into a copy, or after backward"
                )

    def after(self, node: Node, g: Any, gradients: Any) -> None:
        """After a backward: refuse the first NaN or infinity among the gradients."""
        bad = _not_finite(gradients)
        if bad and not _not_finite(g if isinstance(g, list) else [g]):
            site = getattr(node, "note", ("a line outside of debug()", []))[0]
            raise NonFiniteError(
                f"the backward of {node.name}, recorded at {site}, made {bad}"
            )


def _saved(node: Node) -> list[Array]:
    return [*held(node.back), *held(node.inputs or ())]


def _not_finite(arrays: Any) -> str:
    """Name the first NaN or infinity among arrays and numbers; "" if there is none."""
    for array in arrays:
        if (
            isinstance(array, float)
            or getattr(array, "dtype", np.dtype(bool)).kind == "f"
        ):
            numbers = to_numpy(array)
            if not np.isfinite(numbers).all():
                at = np.argwhere(~np.isfinite(numbers))[0]
                where = tuple(int(i) for i in at)
                return (
                    f"{numbers[where]} out of finite numbers (shape {numbers.shape}, "
                    f"first at {where})"
                )
    return ""


def _checksum(array: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(to_numpy(array)).tobytes())


def _site() -> str:
    """Return the innermost line that is not minidl's own."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(PACKAGE):
            return f"{os.path.basename(frame.filename)}:{frame.lineno} ({frame.line})"
    return "an unknown line"
