"""Every op, forward and back: one row each. The rows stand in tests/rows/."""

from __future__ import annotations

import gc
import types

import numpy as np
import pytest

from minidl import Tensor, check, grad, ops
from minidl.engine.tensor import values
from minidl.errors import MinidlError
from tests.rows import (
    Row,
    all_rows,
    alone,
    curved,
    float_inputs,
    has_gradient,
    is_float,
)

pytestmark = pytest.mark.quick

ROWS = all_rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=str)


def outputs(y):
    return y if isinstance(y, (tuple, list)) else (y,)


def tensors(row: Row, dtype="float64"):
    """The inputs of a row as leaves; labels, masks and None as they are."""
    return [
        Tensor(x.astype(dtype), requires_grad=True) if is_float(x) else x
        for x in row.inputs
    ]


@each_row
def test_value(row):
    if row.oracle is None:
        pytest.fail(f"{row} has no oracle")
    expected = row.oracle(*row.inputs)
    got = outputs(row(*row.inputs))
    tracked = outputs(row(*tensors(row)))
    for y, t, e in zip(got, tracked, outputs(expected), strict=False):
        np.testing.assert_allclose(y, e, rtol=row.rtol, atol=1e-12)
        np.testing.assert_array_equal(values(t), y)
        assert np.shape(y) == np.shape(e)


@each_row
@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradient(row, order):
    if order <= row.orders and has_gradient(row):
        f = row if order == 1 else curved(row)
        check.gradcheck(f, row.inputs, order=order)


@each_row
def test_gradient_of_each_input_alone(row):
    for i in float_inputs(row) if has_gradient(row) else []:
        check.gradcheck(alone(row, i), [row.inputs[i]])


@each_row
def test_float32_stays_float32(row):
    xs = tensors(row, "float32")
    leaves = [x for x in xs if isinstance(x, Tensor)]
    for y in outputs(row(*xs)):
        if not isinstance(y, Tensor) or not y.requires_grad:
            continue
        assert y.data.dtype == np.float32
        assert isinstance(y.data, np.ndarray)
        cotangent = np.ones_like(y.data)
        for g in grad(y, leaves, cotangent, retain_graph=True, allow_unused=True):
            assert g is None or g.dtype == np.float32
        for g in grad(y, leaves, cotangent, create_graph=True, allow_unused=True):
            assert g is None or g.dtype == np.float32


@each_row
def test_integers_widen_nothing(row):
    """An input of integers, or all inputs: results stay float32."""
    floats = float_inputs(row)
    if row.op in (ops.rnn, ops.gru, ops.lstm):  # their inputs; not their weights
        floats = floats[:1]
    if row.op in (ops.additive_scores, ops.focal_loss):  # composed of several ops
        floats = floats[1:]
    for whole in [{i} for i in floats]:
        xs = tensors(row, "float32")
        for i in whole:
            xs[i] = np.asarray(np.rint(row.inputs[i])).astype("int64")
        leaves = [x for x in xs if isinstance(x, Tensor)]
        try:
            with np.errstate(all="ignore"):  # log 0
                ys = [y for y in outputs(row(*xs)) if values(y).dtype.kind == "f"]
        except MinidlError:  # labels in place of probabilities, say
            continue
        assert all(values(y).dtype == np.float32 for y in ys)
        ys = [y for y in ys if isinstance(y, Tensor) and y.requires_grad]
        gs = [np.ones_like(y.data) for y in ys]
        with np.errstate(all="ignore"):
            found = grad(ys, leaves, gs, allow_unused=True) if ys else ()
        assert all(g is None or g.dtype == np.float32 for g in found)


@each_row
def test_numpy_scalars_as_settings_widen_nothing(row):
    settings = {
        name: np.float64(x) if type(x) is float else x
        for name, x in row.settings.items()
    }
    for y in outputs(row.op(*tensors(row, "float32"), **settings)):
        if isinstance(y, Tensor) and y.requires_grad:
            assert y.data.dtype == np.float32


@each_row
def test_inputs_are_never_written(row):
    arrays = [x.copy() if isinstance(x, np.ndarray) else x for x in row.inputs]
    for x in arrays:
        if isinstance(x, np.ndarray):
            x.flags.writeable = False
    xs = [
        Tensor(x, requires_grad=True, copy=False) if is_float(x) else x for x in arrays
    ]
    for y in outputs(row(*xs)):
        if isinstance(y, Tensor) and y.requires_grad:
            cotangent = np.ones_like(y.data)
            cotangent.flags.writeable = False
            leaves = [x for x in xs if isinstance(x, Tensor)]
            grad(y, leaves, cotangent, retain_graph=True, allow_unused=True)


@each_row
def test_graph_dies_without_the_collector(row):
    def once():
        xs = tensors(row)
        ys = [y for y in outputs(row(*xs)) if isinstance(y, Tensor) and y.requires_grad]
        leaves = [x for x in xs if isinstance(x, Tensor)]
        if ys:
            gs = [np.ones_like(y.data) for y in ys]
            grad(ys, leaves, gs, create_graph=True, allow_unused=True)
            grad(ys, leaves, gs, allow_unused=True)

    once()
    gc.disable()
    gc.freeze()  # all that is there already is set aside, and need not be counted
    try:
        for _ in range(3):
            once()
        assert len(gc.get_objects()) < 3  # no object left by each of the three
    finally:
        gc.unfreeze()
        gc.enable()


def test_every_op_has_a_row():
    recorded = {
        name
        for name in ops.__all__
        if isinstance(f := getattr(ops, name), types.FunctionType)
        and hasattr(f, "body")
    }
    assert recorded - {row.op.__name__ for row in ROWS} == set()
