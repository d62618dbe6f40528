"""What can go wrong. Every message says what came, what would fit, and what to try."""

from __future__ import annotations

from typing import Any


class MinidlError(Exception):
    """Anything that minidl refuses; catch this one to catch them all.

    layer   where in a model it happened, such as "encoder.0 (Linear)"
    """

    layer = ""

    def __str__(self) -> str:
        text = super().__str__()
        kind = self.layer.rpartition("(")[2].removesuffix(")")
        if kind and text.startswith((f"{kind} ", f"{kind}:")):  # it names the layer
            return self.layer + text.removeprefix(kind)
        alone = not kind or (kind == self.layer and text.startswith(f"{kind}("))
        return text if alone else f"{self.layer}: {text}"


class ShapeError(MinidlError, ValueError):
    """Shapes that do not fit each other, or the operation."""


class DTypeError(MinidlError, TypeError):
    """Numbers of the wrong kind, or of two widths at once."""


class WidthError(DTypeError):
    """Floats of two widths in one operation, such as float32 and float64."""


class RangeError(MinidlError, ValueError):
    """A value outside of the range in which it means something."""


class IndexRangeError(RangeError, IndexError):
    """An index beyond the end of an axis, or more indices than axes."""


class DeviceError(MinidlError, RuntimeError):
    """Arrays on two devices, or a device that is not there."""


class GraphError(MinidlError, RuntimeError):
    """A gradient that cannot be had: freed, overwritten, of the wrong shape, …"""


class NonFiniteError(MinidlError, ArithmeticError):
    """A NaN or an infinity where a finite number should be."""


class DataError(MinidlError, ValueError):
    """A data file or archive that is missing, damaged, or not what it should be."""


class MistakeWarning(UserWarning):
    """Something that works, and is hardly ever what was meant."""


class TodoError(MinidlError, NotImplementedError):
    """A blank of an assignment that nobody has filled in yet; `task` says which."""

    def __init__(self, task: str) -> None:
        super().__init__(
            f"{task} is not written yet: fill in the lines between its markers, and "
            "see `minidl course score`"
        )
        self.task = task


def todo(task: str) -> Any:
    """Stand where a student's lines will be: raises TodoError.

    >>> todo("a1.1")
    Traceback (most recent call last):
    minidl.errors.TodoError: a1.1 is not written yet: fill in the lines between its ...
    """
    raise TodoError(task)
