"""The protocol of an operation, clause by clause, with ops made for the purpose.

CONTRIBUTING.md has the clauses. Mutation testing (docs/quality.md) found what here was
checked by nothing quicker than the table of all operations.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, grad, ops
from minidl.engine import messages
from minidl.engine.backward import backward
from minidl.engine.op import op
from minidl.errors import (
    DeviceError,
    DTypeError,
    GraphError,
    MinidlError,
    ShapeError,
    WidthError,
)

SINGLE, HALF = np.dtype("f4"), np.dtype("f2")


def leaf(*values, dtype="f4"):
    return Tensor(np.array(values, dtype), requires_grad=True)


@op
def both(a, b):
    """Two outputs, one map for each input."""
    maps = lambda g, h: g + 2 * h, lambda g, h: 3 * g - h
    return (a + 3 * b, 2 * a - b), maps


# ------------------------------------------------------------------------------- calls


def test_inputs_have_defaults_each_its_own():
    @op
    def f(a, b=10.0, c=100.0, *, d=1):
        return d * (a + 2 * b + 3 * c), (lambda g: d * g, None, None)

    one = leaf(1.0)
    assert f(one).data == 321.0
    assert f(one, c=0.0).data == 21.0
    assert f(one, 0.0).data == 301.0
    assert f(one, 0.0, 0.0, 5).data == 5.0  # settings by position, past the inputs
    assert f(np.ones(1), c=1.0)[0] == 24.0
    with pytest.raises(TypeError, match=r"^f takes nothing called 'e'"):
        f(one, e=1)
    with pytest.raises(TypeError, match=r"^f takes fewer arguments"):
        f(one, 0.0, 0.0, 1, 2)
    with pytest.raises(TypeError, match=r"^f: input 'a' is missing; it takes \(a, b"):
        f(b=leaf(1.0))


def test_the_fast_body_of_the_highest_rank_that_accepts_is_taken():
    @op
    def f(x):
        return x + 0, (lambda g: g,)

    @f.fast("cpu")
    def quick(x):
        return x + 1, (lambda g: g,)

    @f.fast("cpu", rank=2)
    def quicker(x):
        return None if x.size == 1 else (x + 2, (lambda g: g,))

    assert f(leaf(0.0)).data == 1.0
    assert (f(leaf(0.0, 0.0)).data == 2.0).all()
    with pytest.raises(ValueError, match="f has a body of rank 1"):
        f.fast("cpu")(quick)


def test_an_op_computes_in_the_width_that_it_is_given():
    seen = []

    def body(x):
        seen.append(x.dtype)
        return x.sum(), (lambda g: ops.broadcast_to(g, x.shape),)

    x = leaf(1.0, 2.0, dtype=HALF)
    assert op(body)(x).dtype == op(broadcasts=True)(body)(x).dtype == HALF
    assert seen == [HALF, HALF]
    assert op(adds_up=True)(body)(x).dtype == HALF
    assert seen[2] == SINGLE


def test_integers_widen_neither_value_nor_gradient():
    whole = np.arange(1, 4)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(whole)
    for x in (leaf(1.0, 2.0, 3.0), leaf(1.0, 2.0, 3.0, dtype="f8")):
        for other in (whole, matrix, np.asarray(whole, "u1"), [1, 2, 3]):
            for y in (ops.multiply(other, x), ops.multiply(x, other)):
                assert y.dtype == x.dtype
                (g,) = grad(y.sum(), x)
                assert g.dtype == x.dtype
                assert (g == whole).all()


def test_integers_and_truth_values_alone_have_the_default_dtype():
    for x in (np.array([1, 4]), np.array([True, False]), [1, 4]):
        for given in (x, Tensor(x)):
            assert ops.sqrt(given).dtype == ops.mean(given).dtype == SINGLE
    assert ops.exp(np.float32(1.0)).dtype == SINGLE
    assert ops.exp(np.float64(1.0)).dtype == np.float64


def test_two_widths_are_refused_whatever_they_come_in():
    one, two = np.ones(2, "f4"), np.ones(2)
    for a, b in ((one, two), (two, one)):
        for x, y in ((a, b), (Tensor(a), b), (a, Tensor(b))):
            with pytest.raises(WidthError, match="two widths"):
                ops.multiply(x, y)


def test_of_any_number_of_inputs_the_odd_one_is_counted():
    one, two = np.ones(2, "f4"), np.ones(2)
    with pytest.raises(WidthError, match=r"xs\[0\] is float32 .*xs\[2\] is float64"):
        ops.concatenate([one, one, two])
    with pytest.raises(WidthError, match=r"xs\[2\] is float16 .*xs\[1\] is float32"):
        ops.concatenate([two, one, np.ones(2, "f2")])


def test_shapes_that_do_not_fit_are_met_with_a_hint():
    with pytest.raises(ShapeError, match=r"reshape: .*\(6,\).*; try -1 for one axis"):
        ops.reshape(np.ones(6), (4, 2))
    with pytest.raises(ShapeError, match=r"concatenate: .*; only the joined axis may"):
        ops.concatenate([np.ones((2, 3)), np.ones((2, 4))])


def test_arrays_of_two_devices_are_named_where_the_library_refuses_them():
    elsewhere = type("ndarray", (), {"__module__": "cupy", "shape": (2,)})()
    error = messages.failure(ops.add, [np.ones(2), elsewhere], TypeError())
    assert type(error) is DeviceError
    assert str(error).startswith("add got arrays on cpu and cuda; bring them to one")


def test_what_integers_made_wide_inside_of_a_body_is_computed_again():
    w = np.array([[1], [2]])
    assert ops.affine(np.ones((1, 2), "f4"), w, np.ones(1, "f4")).dtype == SINGLE

    @op
    def f(x, n):
        return x * 1, (lambda g: g * n, None), ("said",)

    @op
    def alone(x, n):
        return x * 1, (lambda g: g * n, None)

    x = leaf(1.0, 2.0)
    y, said = f(x, np.array([3, 4]))
    assert said == "said"
    for out in (y, alone(x, np.array([3, 4]))):
        (slope,) = grad(out.sum(), x)
        assert slope.dtype == SINGLE
        assert slope.tolist() == [3, 4]

    @op
    def two_steps(x, n, b):
        wide = x * n  # float64, which the sum refuses beside a float32
        return ops.add(wide, b), (lambda g: g * n, None, lambda g: g)

    y = two_steps(x, np.array([3, 4]), np.ones(2, "f4"))
    assert y.dtype == SINGLE
    assert y.data.tolist() == [4, 9]

    @op
    def g(x, i):
        if i.dtype.kind != "i":
            raise ShapeError("i is an index")
        return x * i, (lambda g: g, None)

    with pytest.raises(ShapeError, match="an index"):
        g(x, np.array([3, 4]))


def test_half_precision_stays_with_several_outputs():
    @op(adds_up=True)
    def f(x):
        return (x + 1, x + 2), (lambda g, h: g + h,)

    for x in (leaf(1.0, dtype=HALF), np.ones(1, HALF)):
        assert [y.dtype for y in f(x)] == [HALF, HALF]
    y, mean, var = ops.batch_norm(np.ones((3, 2), HALF), None, None)
    assert y.dtype == mean.dtype == var.dtype == HALF


def test_lists_and_numpy_numbers_take_the_width_of_the_array_beside_them():
    for dtype in ("f4", "f8"):
        x = leaf(1.0, 2.0, dtype=dtype)
        for other in (
            [0.1, 3.0],
            [1, 3],
            [True, False],
            np.float64(0.1),
            np.float32(3),
        ):
            for y in (x * other, other * x):
                assert y.dtype == x.dtype
                assert (y.data == x.data * np.asarray(other, dtype)).all()
            for y in (ops.multiply(x.data, other), ops.multiply(other, x.data)):
                assert y.dtype == x.dtype


def test_integers_in_a_list_stay_integers_where_nothing_is_computed_with_them():
    scores = np.eye(2, dtype="f4")
    for x in (scores, Tensor(scores)):
        loss = ops.cross_entropy(x, [0, 1])
        assert loss.dtype == SINGLE
        np.testing.assert_allclose(getattr(loss, "data", loss), np.log1p(np.exp(-1)))
    assert ops.add(np.array([1, 2]), [3, 4]).dtype.kind == "i"
    assert ops.add([1, 2], [3, 4]).tolist() == [4, 6]


def test_numpy_numbers_alone_keep_their_width():
    for dtype in (HALF, SINGLE, np.dtype("f8")):
        for other in (dtype.type(2), np.int64(2), np.True_):
            assert ops.multiply(dtype.type(3), other).dtype == dtype
    with pytest.raises(WidthError, match="two widths"):
        ops.add(np.float32(1), np.float64(2))


def test_complex_numbers_are_refused():
    z = np.ones(2) * 1j
    for call in (ops.maximum, ops.multiply, ops.add):
        for other in (np.ones(2), leaf(1.0, 2.0)):
            with pytest.raises(DTypeError, match=r"complex numbers.*x\.real"):
                call(other, z)
    with pytest.raises(DTypeError, match="sort got complex numbers"):
        ops.sort(z)


def test_aux_is_returned_and_not_differentiated():
    @op
    def f(x):
        return x * x, (lambda g: 2 * x * g,), (x > 0, "said")

    x = leaf(-1.0, 2.0)
    y, positive, said = f(x)
    assert (positive == [False, True]).all()
    assert type(positive) is np.ndarray
    assert said == "said"
    assert (grad(y.sum(), x)[0] == [-2, 4]).all()
    assert len(f(x.data)) == len(f(Tensor([1.0]))) == 3


# ---------------------------------------------------------------------------- backward


def test_the_graph_is_freed_unless_it_is_retained():
    x = leaf(2.0)
    for walk in (backward, lambda y: grad(y, x)):
        y = (x * x).sum()
        walk(y)
        with pytest.raises(GraphError, match="retain_graph"):
            walk(y)
    grad(y := (x * x).sum(), x, retain_graph=True)
    grad(y, x)


def test_no_part_of_a_gradient_is_lost_with_what_was_freed():
    x, w = leaf(2.0), leaf(5.0)
    h = x * x
    h.sum().backward()
    y = (h * w + x).sum()  # one way to x is open, and one is freed
    assert grad(y, h, retain_graph=True) == (5.0,)
    with pytest.raises(GraphError, match=r"multiply.*retain_graph"):
        grad(y, x)


def test_what_leads_to_no_goal_is_passed_by():
    x, w = leaf(2.0), leaf(5.0)
    a = x * 3.0  # the older way, the one to x
    b = w * w  # younger, and leads to w alone
    assert grad((a + b).sum(), x, retain_graph=True) == (3.0,)
    assert grad((a + b).sum(), [b, x]) == (1.0, 3.0)


@pytest.mark.parametrize("careful", [False, True], ids=["quick", "debug"])
@pytest.mark.parametrize("which", [0, 1])
def test_an_output_that_nobody_used_counts_as_zero(which, careful):
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with md.debug() if careful else md.enable_grad():
        y = both(a, b)[which].sum()
        found = grad(y, [a, b])
    assert [g.tolist() for g in found] == [[[1, 1], [3, 3]], [[2, 2], [-1, -1]]][which]


def test_the_zeros_of_an_unused_output_take_no_memory():
    seen = []

    @op
    def f(x):
        def back(g, h):
            seen.append(getattr(h, "data", h) if isinstance(h, Tensor) else h)
            return g

        return (x * 1, x * 2), back

    for again in (False, True):
        x = leaf(*range(100))
        grad(f(x)[0].sum(), x, create_graph=again)
        assert seen[-1].strides == (0,)


@pytest.mark.parametrize("careful", [False, True], ids=["quick", "debug"])
def test_a_map_that_nobody_wants_is_not_called(careful):
    called = []

    @op
    def f(a, b):
        return a * b, (lambda g: g * b, lambda g: called.append(1))

    a, b = leaf(1.0), leaf(2.0)
    with md.debug() if careful else md.enable_grad():
        f(a, b.data).sum().backward()
        grad(f(a, b).sum(), a)
    assert not called
    assert a.grad == 2.0


def test_maps_are_counted_where_their_number_may_change():
    @op
    def total(*xs):
        y = xs[0]
        for x in xs[1:]:
            y = y + x
        return y, (lambda g: g, lambda g: g)  # right for two alone

    a = leaf(1.0)
    total(a, a).sum().backward()
    with pytest.raises(GraphError, match=r"total has 3 inputs and returned 2 maps"):
        total(a, a, a)
    counts = iter([2, 1])

    @op
    def changing(a, b):
        return a + b, (lambda g: g,) * next(counts)

    changing(a, a).sum().backward()
    with md.debug(), pytest.raises(MinidlError, match="the backward of changing"):
        changing(a, a).sum().backward()


def test_gradients_are_added_up_over_what_was_stretched():
    a, b = leaf([1.0], [2.0]), leaf([1.0, 2.0, 3.0])
    (a * b).sum().backward()
    assert a.grad.tolist() == [[6], [6]]
    assert b.grad.tolist() == [[3, 3, 3]]

    @op
    def same(x):
        return x * 1, (lambda g: g.sum(),)

    with pytest.raises(GraphError, match=r"same.*\(\).*\(2, 1\)"):
        same(a).sum().backward()


def test_a_gradient_given_is_not_kept():
    x, g = leaf(1.0, 2.0), np.ones(2, "f4")
    (x * 1.0).backward(g)
    assert not np.shares_memory(x.grad, g)
    (x + 0).backward(x.grad)
    assert x.grad.tolist() == [2, 2]


# ------------------------------------------------------------------------------ leaves


def test_what_a_leaf_is_and_says():
    x = leaf(1.0, dtype="f8")
    assert x.is_leaf is True
    assert (x * 2).is_leaf is False
    assert repr(x * 2) == "Tensor([2.], dtype=float64, made by multiply)"
    assert repr(leaf([1.0], [2.0])) == (
        "Tensor([[1.],\n        [2.]], requires_grad=True)"
    )
    assert x.requires_grad_(False) is x
    assert x.requires_grad is False
    assert x.requires_grad_().requires_grad is True
    labels = Tensor([1, 2], dtype="i8")
    assert labels.requires_grad_(False).requires_grad is False
    with pytest.raises(DTypeError, match="only floats have gradients"):
        labels.requires_grad_()


def test_a_leaf_is_copied_once_and_shared_where_that_is_asked():
    x = leaf(1.0, 2.0)
    a, b = copy.deepcopy([x, x])
    assert a is b
    assert a is not x
    array = np.ones(3, "f4")
    assert Tensor(array, dtype="f4", copy=False).data is array
    assert not np.shares_memory(Tensor(array, dtype="f4").data, array)
