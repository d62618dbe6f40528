"""The base chapters of ops at their edges: kinks, ties, zeros, views, empty arrays.

What PyTorch says about the same stands in test_ops_torch.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, check, ops
from minidl.errors import GraphError
from tests.rows import all_rows, has_gradient

pytestmark = pytest.mark.quick

INF = math.inf
AXES = [None, 0, 1, -1, (0, 1), (-1, 0), (0, 1, 2)]


def leaf(data):
    return Tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def slope(f, *data):
    """∂ Σ f / ∂x for each x."""
    xs = [leaf(x) for x in data]
    found = md.grad(f(*xs).sum(), xs)
    return found[0] if len(found) == 1 else found


def equal(y, expected):
    np.testing.assert_array_equal(getattr(y, "data", y), expected)


def close(y, expected, rtol=1e-12):
    np.testing.assert_allclose(getattr(y, "data", y), expected, rtol=rtol, atol=1e-13)


# Kinks, ties and other places without a derivative


def test_maximum_and_minimum_share_a_tie():
    a, b = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    da, db = slope(ops.maximum, a, b)
    equal(da, [0, 0.5, 1])
    equal(db, [1, 0.5, 0])
    da, db = slope(ops.minimum, a, b)
    equal(da, [1, 0.5, 0])
    equal(db, [0, 0.5, 1])


def test_max_shares_ties_over_all_and_takes_the_first_along_one_axis():
    x = [[1.0, 3.0, 3.0], [3.0, 0.0, 3.0]]
    equal(slope(lambda x: x.max(), x), [[0, 0.25, 0.25], [0.25, 0, 0.25]])
    equal(slope(lambda x: x.max((0, 1)), x), [[0, 0.25, 0.25], [0.25, 0, 0.25]])
    equal(slope(lambda x: x.max((1,)), x), [[0, 0.5, 0.5], [0.5, 0, 0.5]])
    equal(slope(lambda x: x.max(1), x), [[0, 1, 0], [1, 0, 0]])
    equal(slope(lambda x: x.max(-2), x), [[0, 1, 1], [1, 0, 0]])
    equal(slope(lambda x: x.min(), -np.array(x)), [[0, 0.25, 0.25], [0.25, 0, 0.25]])
    equal(slope(lambda x: x.min(1), -np.array(x)), [[0, 1, 0], [1, 0, 0]])


def test_abs_sign_and_clip_at_their_kinks():
    equal(slope(ops.abs, [-2.0, 0.0, 3.0]), [-1, 0, 1])
    equal(slope(ops.sign, [-2.0, 0.0, 3.0]), [0, 0, 0])
    equal(slope(lambda x: x.clip(-1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0]), [0, 1, 1, 1, 0])
    equal(slope(lambda x: x.clip(low=0), [-1.0, 0.0, INF]), [0, 1, 1])


def test_gradients_pass_by_an_infinity_that_was_masked():
    x = [1.0, INF, -INF, math.nan]
    on = np.array([True, False, False, False])
    equal(slope(lambda x: ops.where(on, x, 0.0), x), [1, 0, 0, 0])
    equal(slope(lambda x: x.masked_fill(~on, 5.0), x), [1, 0, 0, 0])
    g = np.array([1.0, INF, INF, INF])
    (dx,) = md.grad(ops.where(on, y := leaf(x), 0.0), y, g)
    equal(dx, [1, 0, 0, 0])


def test_powers_of_zero():
    equal(slope(lambda x: x**2, [0.0, 3.0]), [0, 6])
    equal(slope(lambda x: ops.power(x, 1), [0.0]), [1])
    equal(slope(lambda x: x**0, [0.0, 2.0]), [0, 0])
    da, db = slope(ops.power, [0.0, 0.0, 2.0], [0.0, 2.0, 0.0])
    equal(da, [0, 0, 0])
    close(db, [0, 0, math.log(2)])
    close(slope(lambda x: 2.0**x, [3.0]), [8 * math.log(2)])


def test_std_and_norm_where_they_are_zero():
    x = [[2.0, 2.0], [1.0, 3.0]]
    close(slope(lambda x: x.std(axis=1), x), [[0, 0], [-0.5, 0.5]])
    close(
        slope(lambda x: x.norm(axis=1), [[0.0, 0.0], [3.0, 4.0]]), [[0, 0], [0.6, 0.8]]
    )
    for y in (leaf(x), leaf([[0.0, 0.0], [3.0, 4.0]])):
        f = ops.std if y.data[0, 0] else ops.norm
        (g,) = md.grad(f(y, axis=1).sum(), y, create_graph=True)
        (gg,) = md.grad((g * np.array([[1.0, 2.0], [3.0, 5.0]])).sum(), y)
        assert np.isfinite(gg).all()
        equal(gg[0], [0, 0])


def test_product_with_zeros_to_third_order():
    """Of x y z the third derivative is 1, whatever x, y and z are."""
    for data in ([0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [1.0, 0.0, 3.0]):
        x = leaf(data)
        g = x.prod()
        for i in range(3):
            (g,) = md.grad(g, x, create_graph=i < 2)
            g = g[i]
        assert g == 1
    many = np.random.default_rng(0).standard_normal(100)
    many[17] = 0
    expected = np.zeros(100)
    expected[17] = np.prod(np.delete(many, 17))
    close(slope(lambda x: x.prod(), many), expected)


def test_stable_far_out_and_without_warnings():
    x = [-INF, -1e4, -50.0, 0.0, 50.0, 1e4, INF]
    close(ops.sigmoid(leaf(x)), [0, 0, 1.9287498479639178e-22, 0.5, 1, 1, 1])
    close(slope(ops.sigmoid, x), [0, 0, 1.9287498479639178e-22, 0.25, 0, 0, 0])
    y = leaf(x)
    (g,) = md.grad(ops.sigmoid(y).sum(), y, create_graph=True)
    close(md.grad(g.sum(), y)[0], [0, 0, 1.9287498479639178e-22, 0, 0, 0, 0])
    close(ops.softplus(leaf(x)), [0, 0, math.exp(-50), math.log(2), 50, 1e4, INF])
    close(slope(ops.softplus, x), [0, 0, 1.9287498479639178e-22, 0.5, 1, 1, 1])
    close(ops.erf(leaf(x)), [-1, -1, -1, 0, 1, 1, 1])
    close(slope(ops.erf, x), [0, 0, 0, 2 / math.sqrt(math.pi), 0, 0, 0])
    close(ops.tanh(leaf(x)), [-1, -1, -1, 0, 1, 1, 1])


def test_logsumexp_far_out():
    x = [[1e4, 1e4, -1e4], [-1e4, -1e4, -INF], [-INF, -INF, -INF]]
    y = ops.logsumexp(leaf(x), axis=1)
    close(y, [1e4 + math.log(2), -1e4 + math.log(2), -INF])
    half = [0.5, 0.5, 0]
    close(slope(lambda x: ops.logsumexp(x[:2], axis=1), x), [half, half, [0, 0, 0]])
    close(slope(lambda x: ops.logsumexp(x, axis=1), x[2:]), [[0, 0, 0]])
    close(ops.logsumexp(leaf([INF, 0.0])), INF)
    z = leaf(x[2:])
    (g,) = md.grad(ops.logsumexp(z, axis=1).sum(), z, create_graph=True)
    equal(md.grad(g.sum(), z)[0], [[0, 0, 0]])


def test_erf_is_exact():
    x = np.concatenate([np.linspace(-7, 7, 20001), [1e-300, -1e-20, 0.46875, 5.9999]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(ops.erf(x), expected, rtol=1e-15, atol=0)
    f = x.astype(np.float32)
    assert ops.erf(f).dtype == np.float32
    np.testing.assert_allclose(
        ops.erf(f), [math.erf(v) for v in f.astype(float)], rtol=5e-7, atol=1e-45
    )


def test_small_arguments_keep_their_digits():
    x = np.array([1e-12, -1e-15])
    np.testing.assert_allclose(ops.log1p(x), x, rtol=1e-11)
    np.testing.assert_allclose(ops.expm1(x), x, rtol=1e-11)


# Axes, keepdims, empty and 0-d arrays, views

REDUCTIONS = ["sum", "mean", "var", "std", "prod", "max", "min"]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_agree_with_numpy_on_views(name, axis, keepdims):
    """Negative strides, gaps, and axes out of order: the same numbers come out."""
    base = np.random.default_rng(0).standard_normal((4, 6, 8))
    for x in (base[::-1, ::2, 1::3], base.transpose(2, 0, 1), base[:, :1], base[1:2].T):
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        t = Tensor(x, requires_grad=True, copy=False)
        y = getattr(t, name)(axis=axis, keepdims=keepdims)
        close(y, expected)
        assert y.shape == np.shape(expected)
        y.sum().backward()
        twin = leaf(np.ascontiguousarray(x))
        getattr(twin, name)(axis=axis, keepdims=keepdims).sum().backward()
        close(t.grad, twin.grad)


@pytest.mark.parametrize("name", [*REDUCTIONS, "norm", "logsumexp", "cumsum"])
def test_reductions_of_a_number(name):
    x = leaf(1.5)
    y = getattr(x, name)()
    close(y, {"var": 0.0, "std": 0.0}.get(name, 1.5))
    y.sum().backward()
    assert x.grad.shape == ()


def test_reductions_of_nothing():
    x = leaf(np.zeros((0, 3)))
    equal(x.sum(0), [0, 0, 0])
    equal(x.prod(0), [1, 1, 1])
    assert x.mean(1).shape == (0,)
    assert x.max(axis=1).shape == (0,)
    for y in (x.sum(0), x.prod(0), x.mean(1), x.max(1), x.var(1), x.cumsum(1)):
        (g,) = md.grad(y.sum(), x)
        assert g.shape == (0, 3)


BINARY = [
    ops.add,
    ops.subtract,
    ops.multiply,
    ops.divide,
    ops.maximum,
    ops.minimum,
    ops.power,
]
SHAPES = [((), (3,)), ((2, 1), (3,)), ((2, 3), (1, 1, 1)), ((0, 3), (3,)), ((1,), ())]


@pytest.mark.parametrize(("a", "b"), [*SHAPES, *(s[::-1] for s in SHAPES)], ids=str)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_broadcasting_both_ways(op, a, b):
    rng = np.random.default_rng(0)
    x, y = leaf(rng.uniform(0.5, 2, a)), leaf(rng.uniform(0.5, 2, b))
    z = op(x, y)
    shape = np.broadcast_shapes(a, b)
    assert z.shape == shape
    z.sum().backward()
    full = [leaf(np.broadcast_to(v.data, shape)) for v in (x, y)]
    op(*full).sum().backward()
    for v, f in zip((x, y), full, strict=True):
        assert v.grad.shape == v.shape
        extra = tuple(range(len(shape) - v.ndim))
        summed = f.grad.sum(axis=extra)
        ones = tuple(i for i, n in enumerate(v.shape) if n == 1)
        close(v.grad, summed.sum(axis=ones, keepdims=True))


def test_gradients_of_views_have_the_shape_of_the_view():
    base = np.random.default_rng(0).standard_normal((6, 5))
    for view in (base[::-2], base[:, ::-1], base.T, base[:0], base[2]):
        x = Tensor(view, requires_grad=True, copy=False)
        y = ops.pad(x, 1) * 2
        y = ops.concatenate([y, ops.flip(y)], axis=-1)
        y = ops.roll(ops.tile(y, 2), 3, axis=-1)
        y.sum().backward()
        equal(x.grad, np.full(x.shape, 8.0))


# Joining, indexing, sorting: what rows do not say


def test_concatenate_takes_arrays_and_unpacks_tensors():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    y = ops.concatenate([x, np.zeros((1, 2))])
    assert y.requires_grad
    equal(ops.concatenate(x), [1, 2, 3, 4])
    assert type(ops.stack([np.ones(2), np.ones(2)])) is np.ndarray
    (g,) = md.grad(ops.concatenate(x)[1:].sum(), x)
    equal(g, [[0, 1], [1, 1]])


def test_split_and_unstack_are_one_node_each():
    x = leaf(np.arange(6.0))
    a, b, c = ops.split(x, 3)
    assert a.node is b.node is c.node
    (b * 2).sum().backward()
    equal(x.grad, [0, 0, 2, 2, 0, 0])
    assert ops.unstack(leaf(np.zeros((0, 2)))) == ()


def test_a_gradient_of_indexing_is_right_where_indices_repeat():
    x = leaf(np.zeros((3, 2)))
    i = np.array([[0, 0], [2, 0]])
    w = np.arange(8.0).reshape(2, 2, 2)
    for f in (lambda: x[i], lambda: ops.take(x, i, axis=0)):
        (g,) = md.grad((f() * w).sum(), x)
        expected = np.zeros((3, 2))
        np.add.at(expected, i, w)
        equal(g, expected)
    j = np.array([[1, 1, 1], [0, 0, 1]])
    (g,) = md.grad(ops.take_along_axis(x.T, j, axis=1).sum(), x)
    equal(g, [[0, 2], [3, 1], [0, 0]])


def test_sort_keeps_the_order_of_equals():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    equal(ops.argsort(x), [1, 3, 0, 2])
    equal(ops.argsort(x, descending=True), [0, 2, 1, 3])
    equal(ops.argsort(np.array([1, 0, 3], np.uint8), descending=True), [2, 0, 1])
    equal(slope(lambda x: ops.sort(x) * np.array([1.0, 2, 3, 4]), x), [3, 1, 4, 2])
    values, i = ops.topk(leaf(x), 3)
    equal(i, [0, 2, 1])
    (values * np.array([5.0, 6.0, 7.0])).sum().backward()
    assert type(ops.argsort(leaf(x))) is np.ndarray


def test_argmax_any_and_all_give_plain_arrays():
    x = leaf([[0.0, 2.0], [3.0, 1.0]])
    equal(x.argmax(1), [1, 0])
    equal(x.argmax(0, keepdims=True), [[1, 0]])
    equal(x.any(1), [True, True])
    equal(x.all(1), [False, True])
    assert not isinstance(x.argmax(1), Tensor)


def test_creation():
    for y, expected in [
        (ops.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        (ops.ones(2), np.ones(2, np.float32)),
        (ops.full((2,), 7.5), np.full(2, 7.5, np.float32)),
        (ops.arange(3), np.arange(3)),
        (ops.arange(1, 7, 2), np.arange(1, 7, 2)),
        (ops.arange(0.0, 1.0, 0.25), np.arange(0, 1, 0.25, np.float32)),
        (ops.arange(3, dtype="float32"), np.arange(3, dtype=np.float32)),
        (ops.zeros(2, dtype="int64"), np.zeros(2, int)),
        (ops.zeros_like(leaf([1.0, 2.0])), np.zeros(2)),
        (ops.ones_like(Tensor(np.array([1, 2]))), np.ones(2, int)),
        (ops.one_hot(Tensor(np.array([1, 0]))), np.eye(2, dtype=np.float32)[::-1]),
    ]:
        assert isinstance(y, Tensor)
        assert not y.requires_grad
        assert y.dtype == expected.dtype
        equal(y, expected)
    equal(ops.one_hot([[2, 0]], 3, dtype="float64"), [[[0, 0, 1], [1, 0, 0]]])
    assert ops.one_hot(np.zeros(0, int), 4).shape == (0, 4)
    assert type(ops.zeros_like(np.ones(2))) is np.ndarray


def test_a_gradient_for_a_mask_is_refused():
    mask = leaf([1.0, 0.0])
    with pytest.raises(GraphError, match="masks"):
        ops.where(mask, leaf([1.0, 2.0]), 0.0).sum().backward()


LINEAR = [
    row
    for row in all_rows()
    if row.orders > 1 and getattr(row.op, "linear", True) and has_gradient(row)
]


@pytest.mark.parametrize("row", LINEAR, ids=str)
def test_the_way_back_of_a_linear_map_can_be_differentiated(row):
    """The rows alone would not ask: the gradient of a linear map is a constant."""

    def squared(*xs):
        y = row(*xs)
        ys = y if isinstance(y, (tuple, list)) else (y,)
        return tuple(y * y for y in ys if y.dtype.kind == "f")

    assert check.gradcheck(squared, row.inputs, order=2)


def test_einsum_contracts_in_a_good_order():
    """From left to right this would need a product of 10^12 elements."""
    a, b, c = (np.random.default_rng(i).standard_normal(10**4) for i in range(3))
    x, y, z = leaf(a), leaf(b), leaf(c)
    w = ops.einsum("i,j,k,i,j,k->", x, y, z, np.ones(10**4), np.ones(10**4), c)
    close(w, a.sum() * b.sum() * (c * c).sum(), rtol=1e-9)
    w.backward()
    close(z.grad, a.sum() * b.sum() * c, rtol=1e-9)


def test_add_at_counts_an_index_as_often_as_it_stands_there():
    total = np.zeros(3)
    ops.add_at(total, np.array([0, 2, 0]), np.array([1.0, 2.0, 4.0]))
    ops.add_at(total, slice(1, 3), np.array([10.0, 20.0]))
    np.testing.assert_array_equal(total, [5.0, 10.0, 22.0])


def test_the_last_query_of_a_causal_mask_sees_every_key():
    mask = ops.causal_mask(3, 5, like=np.ones(1))
    np.testing.assert_array_equal(mask, np.tri(3, 5, 2, dtype=bool))
