"""Which memory was written when: so that no gradient is made of overwritten values.

Writers say so (`Tensor.touch`); a closure that is about to use saved arrays asks. With
nothing written since, the question costs one comparison of two integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from minidl.backend import Array

clock = itertools.count(1)  # one clock for nodes and writes: what is younger is larger


class Writes:
    """When each piece of memory was last written in place, by the clock of the nodes.

    A piece of memory is known by the array that owns it, so that views share an entry.
    Memory that a closure holds cannot be recycled, so an address is proof enough.
    """

    def __init__(self) -> None:
        self.last = 0
        self.ticks: dict[int, int] = {}

    def note(self, array: Array) -> None:
        """Remember that `array` was written now."""
        self.last = self.ticks[owner(array)] = next(clock)

    def since(self, tick: int, saved: Any) -> bool:
        """Whether an array that `saved` holds was written after `tick`."""
        return any(self.ticks.get(i, 0) > tick for i in owners(saved))


writes = Writes()


def owner(array: Array) -> int:
    """Return the identity of the memory behind an array or a view of it."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return id(array)


def owners(saved: Any) -> Iterator[int]:
    """Yield the owners of all memory in a closure, a Tensor, or a nest of them."""
    for array in held(saved):
        yield owner(array)


def held(saved: Any) -> Iterator[Array]:
    """Yield the arrays that a closure, a Tensor, or a nest of them keeps alive."""
    if hasattr(saved, "requires_grad"):
        yield saved.data
    elif isinstance(saved, (tuple, list)):
        for item in saved:
            yield from held(item)
    elif callable(saved):
        for cell in getattr(saved, "__closure__", None) or ():
            yield from held(cell.cell_contents)
    elif hasattr(saved, "dtype"):
        yield saved
