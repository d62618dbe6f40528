"""to_onnx: a model as a file that other programs run.

A call of the model is traced (trace.py), each operation looked up in a table (rows.py),
and the graph checked by ONNX's own checker.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from minidl.backend import to_numpy
from minidl.errors import DTypeError, GraphError, RangeError
from minidl.files import Path
from minidl.interchange import layers, losses, recurrent  # noqa: F401  fill the table
from minidl.interchange.graph import OPSET, Graph, Operand
from minidl.interchange.rows import TABLE
from minidl.interchange.trace import Batch, Ref, Step, Stretched, Traced, trace
from minidl.nn.module import evaluating


def to_onnx(
    model: Any,
    example: Any,
    path: Path,
    *,
    batch: int | Sequence[int | None] | None = 0,
) -> None:
    """Write what `model` does in evaluation as an ONNX file (opset 20).

    example  what the model takes: an array (N, …), or a tuple of arrays. N may be 1
    batch    which axis of each input is the batch, in the file one of any length: a
             number for all, or one for each input (None: it has no batch). With None
             for all the file takes arrays of the example's shape alone

    Lengths other than the batch, such as the T of a sequence, are those of the example.
    Inputs are called input0, input1, …, outputs output0, …: those of a tuple or a
    dictionary in its order. Needs the extra `onnx`.

    Raises GraphError for an operation that has no row in the table, or a model that
    computes with NumPy what it should with md.ops.

        md.to_onnx(net, np.zeros((1, 3, 32, 32), np.float32), "net.onnx")
    """
    try:
        onnx = import_module("onnx")
    except ImportError as error:
        raise ImportError(
            'to_onnx needs the package onnx: pip install "minidl[onnx]"'
        ) from error
    arrays = [_example(x) for x in _several(example)]
    axes = [batch] * len(arrays) if batch is None or isinstance(batch, int) else batch
    if len(axes) != len(arrays):
        raise RangeError(
            f"to_onnx: batch names {len(axes)} axes, and the example has "
            f"{len(arrays)} inputs; give one for each, or one number for all"
        )
    for x, axis in zip(arrays, axes, strict=True):
        if axis is not None and not (0 <= axis < x.ndim and x.shape[axis]):
            raise RangeError(
                f"to_onnx: the batch should be axis {axis} of an input {x.shape}; "
                "batch=(0, None) says that the second input has none"
            )
    with evaluating(model):
        traced = trace(model, arrays, axes)
    proto = _model(onnx, Export(traced, axes))
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(path))


def _several(example: Any) -> Sequence[Any]:
    return example if isinstance(example, (tuple, list)) else (example,)


def _example(x: Any) -> np.ndarray[Any, Any]:
    """Return an input as an array on the CPU."""
    array = to_numpy(x)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"to_onnx: an input is an array of numbers, not {array.dtype}")
    return array


class Export:
    """The steps of a trace, one after the other, as nodes of a graph."""

    def __init__(self, traced: Traced, axes: Sequence[int | None]) -> None:
        self.traced = traced
        counts = [i for i, axis in enumerate(axes) if axis is not None]
        batch = (f"input{counts[0]}", axes[counts[0]] or 0) if counts else None
        self.graph = Graph(batch)
        self.found = {
            ref: self.blank(ref, f"input{i}") for i, ref in enumerate(traced.inputs)
        }
        for step in traced.steps:
            self.add(step)
        self.outputs = [
            (f"output{i}", self.filled(y)) for i, y in enumerate(traced.outputs)
        ]
        for name, y in self.outputs:
            node = self.graph.onnx.helper.make_node("Identity", [y.name], [name])
            self.graph.nodes.append(node)

    def add(self, step: Step) -> None:
        """Add the nodes of one operation."""
        row = TABLE.get(step.name)
        if row is None:
            raise GraphError(
                f"to_onnx: the operation {step.name.lstrip('_')!r} has no ONNX "
                "counterpart here; use another operation in the model, or add a row "
                "for it to minidl/interchange/rows.py"
            )
        settings = {**self.filled(step.settings), "name": step.name}
        made = row(
            self.graph, self.filled(step.inputs), settings, self.blank(step.made[0])
        )
        several = made if isinstance(made, list) else [made]
        for ref, y in zip(step.made, several, strict=True):
            self.found[ref] = self.blank(ref, y.name)

    def blank(self, ref: Ref, name: str = "") -> Operand:
        """Return a value's operand, under this name."""
        shape, dtype = self.traced.shapes[ref.number], self.traced.dtypes[ref.number]
        return Operand(name, shape, dtype)

    def filled(self, x: Any) -> Any:
        """Return inputs or settings with operands in the places of values."""
        if isinstance(x, Ref):
            return self.found[x]
        if isinstance(x, (np.ndarray, Stretched)):
            return self.graph.constant(x)
        if isinstance(x, dict):
            return {key: self.filled(part) for key, part in x.items()}
        if isinstance(x, (tuple, list)):
            return type(x)(self.filled(part) for part in x)
        return x


def _model(onnx: Any, export: Export) -> Any:
    """Return the graph with its inputs and outputs, as a model."""

    def described(name: str, y: Operand) -> Any:
        lengths = [_length(n) if isinstance(n, Batch) else n for n in y.shape]
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(y.dtype))
        return onnx.helper.make_tensor_value_info(name, kind, lengths)

    given = [export.found[ref] for ref in export.traced.inputs]
    proto = onnx.helper.make_graph(
        export.graph.nodes,
        "minidl",
        [described(x.name, x) for x in given],
        [described(name, y) for name, y in export.outputs],
        list(export.graph.constants.values()),
    )
    return onnx.helper.make_model(
        proto,
        producer_name="minidl",
        ir_version=10,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )


def _length(n: Batch) -> str:
    return "N" if n.times == 1 else f"{n.times}N"
