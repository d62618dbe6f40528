"""A table of what each layer of a model makes, holds and costs.

A multiply-add is one product added to a sum. A weight is multiplied once for every
position of the output, so a layer costs (positions) × (numbers in its weights): for a
Linear N · in · out, for a convolution N · OH · OW · F · C · KH · KW / groups. Biases,
activations and normalizations are left out, as usual. A layer that reckons otherwise
has a method `multiply_adds(inputs, output)` of its own: a recurrent layer goes over its
cells' weights at every time, and attention multiplies what has no weights.
"""

from __future__ import annotations

import inspect
import math
from contextlib import ExitStack
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from minidl import backend
from minidl.backend import DType, namespace
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import ShapeError
from minidl.nn.tree import Buffer, Parameter

if TYPE_CHECKING:
    from minidl.nn.module import Module

Shape = tuple[int, ...]
INDENT = "  "


class Line(NamedTuple):
    """One layer: its place in the tree, what it made, what it holds and costs."""

    name: str
    depth: int
    layer: str
    output: tuple[Shape, ...]  # one shape for each output; () if it was not called
    parameters: int  # of its own, counted where they occur first
    multiply_adds: int
    memory: int  # bytes of the outputs


class Summary(NamedTuple):
    """The table; it prints itself. Counts are numbers, memory is bytes.

    Parameters and buffers take `state_memory`. `output_memory` adds up the outputs of
    all layers: about what training keeps for the way back.
    """

    rows: list[Line]
    parameters: int
    trainable: int
    multiply_adds: int
    state_memory: int
    output_memory: int

    def __repr__(self) -> str:
        table: list[tuple[str, ...]] = [
            ("layer", "output", "parameters", "multiply-adds", "memory")
        ]
        for row in self.rows:
            name = (
                INDENT * row.depth + (f"{row.name}: " if row.name else "") + row.layer
            )
            shapes = ", ".join(map(str, row.output)) or "not called"
            numbers = (
                f"{n:,}" if n else "" for n in (row.parameters, row.multiply_adds)
            )
            table.append((name, shapes, *numbers, readable(row.memory)))
        frozen = self.parameters - self.trainable
        note = f" ({frozen:,} frozen)" if frozen else ""
        return (
            f"{_aligned(table)}\n\n{self.parameters:,} parameters{note}, "
            f"{self.multiply_adds:,} multiply-adds\n{readable(self.state_memory) or 0} "
            f"for the state, {readable(self.output_memory) or 0} for all outputs"
        )


class Calls:
    """What the hooks saw of each module: its last outputs, its cost over all calls."""

    def __init__(self) -> None:
        self.outputs: dict[int, list[Tensor]] = {}
        self.multiply_adds: dict[int, int] = {}
        self.memory: dict[int, int] = {}

    def __call__(self, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Take notes: this is the hook."""
        key, outputs = id(module), list(_tensors(output))
        self.outputs[key] = outputs
        own = getattr(module, "multiply_adds", None)
        cost = own(inputs, output) if own else _cost(module, inputs, outputs)
        self.multiply_adds[key] = self.multiply_adds.get(key, 0) + cost
        size = sum(y.size * y.dtype.itemsize for y in outputs)
        self.memory[key] = self.memory.get(key, 0) + size


def summarize(module: Module, inputs: tuple[Any, ...], dtype: DType | None) -> Summary:
    """Run the module once, watch, and put everything back as it was."""
    ready = _ready(module, inputs, dtype)
    calls = Calls()
    modules = module.modules()
    before = [(m, vars(m).get("training")) for m in modules]
    buffers = [(b, b.data.copy()) for b in module.buffers()]
    with ExitStack() as stack, no_grad():
        stack.callback(_restore, before, buffers)
        for m in modules:
            stack.enter_context(m.register_forward_hook(calls))
            m.training = False
        module(*ready)
    rows = _rows(module, calls)
    leaves = [m for m in modules if not m.children()]
    state = [*module.parameters(), *module.buffers()]
    return Summary(
        rows,
        module.num_parameters(),
        module.num_parameters(trainable_only=True),
        sum(row.multiply_adds for row in rows),
        sum(p.size * p.dtype.itemsize for p in state),
        sum(calls.memory.get(id(m), 0) for m in leaves),
    )


def _ready(module: Module, inputs: tuple[Any, ...], dtype: DType | None) -> list[Any]:
    """Return the inputs: examples as they are, zeros where a shape was given.

    Zeros have the dtype and the device of the parameters.
    """
    if not inputs and _wants_input(module):
        raise ShapeError(
            f"summary: {type(module).__name__}.forward takes an input; give its shape, "
            "batch axis included, summary((1, 4)), or an example, summary(x)"
        )
    like = next(iter([*module.parameters(), *module.buffers()]), None)
    device = backend.default_device() if like is None else like.device
    if dtype is None:
        floats = (p.dtype for p in module.parameters())
        dtype = next(floats, backend.default_dtype())
    xp = backend.array_module(device)
    return [
        x
        if hasattr(x, "dtype") and hasattr(x, "shape") and x.shape
        else Tensor(xp.zeros(_shape(x), dtype), copy=False)
        for x in inputs
    ]


def _wants_input(module: Module) -> bool:
    """Whether `forward` cannot be called without an argument."""
    try:
        inspect.signature(module.forward).bind()
    except TypeError:
        return True
    return False


def _shape(x: TensorLike) -> Shape:
    try:
        return tuple(index(n) for n in x)
    except TypeError as error:
        raise ShapeError(
            f"summary: {x!r} is neither a shape nor an example; a shape is a tuple "
            "with the batch axis, summary((1, 4)), one for each input of forward"
        ) from error


def _restore(before: list[Any], buffers: list[tuple[Buffer, Any]]) -> None:
    for module, training in before:
        if training is None:
            vars(module).pop("training", None)
        else:
            module.training = training
    for buffer, array in buffers:
        if namespace(array).array_equal(buffer.data, array):
            continue
        buffer.data[...] = array
        buffer.touch()


def _rows(module: Module, calls: Calls) -> list[Line]:
    """One row for each module, in the order of the tree."""
    counted: set[int] = set()
    rows = []
    for name, m in module.named_modules():
        own = [p for _, p in m.named_members() if isinstance(p, Parameter)]
        new = {id(p): p.size for p in own if id(p) not in counted}
        counted |= set(new)
        rows.append(
            Line(
                name.rpartition(".")[2],
                name.count(".") + bool(name),
                type(m).__name__,
                tuple(y.shape for y in calls.outputs.get(id(m), ())),
                sum(new.values()),
                calls.multiply_adds.get(id(m), 0),
                calls.memory.get(id(m), 0),
            )
        )
    return rows


def _cost(module: Module, inputs: tuple[Any, ...], outputs: list[Tensor]) -> int:
    """(positions of the output) × (numbers in the weights)."""
    own = [p for _, p in module.named_members() if isinstance(p, Parameter)]
    weights = [w for w in own if w.ndim >= 2]
    if not weights or not outputs or not outputs[0].size:
        return 0
    if getattr(inputs[0], "dtype", outputs[0].dtype).kind != "f":
        return 0  # whole numbers look something up, as in an embedding
    y = outputs[0]
    # region a5.10: every weight is multiplied once for every position of the output
    channels = y.shape[1 if weights[0].ndim > 2 else -1]
    return y.size // channels * sum(w.size for w in weights)
    # endregion


def _tensors(output: Any) -> list[Tensor]:
    """Return the Tensors in an output, or in a nest of containers."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [y for item in output for y in _tensors(item)]
    return []


def readable(n: int) -> str:
    """Return a number of bytes in a unit that fits; "" for nothing.

    >>> readable(2048), readable(3 * 1024**2)
    ('2.0 KiB', '3.0 MiB')
    """
    if n < 1024:
        return f"{n} B" if n else ""
    power = min(int(math.log2(n)) // 10, 4)
    return f"{n / 1024**power:.1f} {' KMGT'[power]}iB"


def _aligned(table: list[tuple[str, ...]]) -> str:
    """Return a table as text: names and shapes to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'<' if i < 2 else '>'}{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    lines.insert(1, "─" * max(map(len, lines)))
    return "\n".join(lines)
