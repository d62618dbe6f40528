"""Bodies compiled by numba: equal to the plain ones, and nobody needs them.

The rows are twins: the same op in float32 by its loop, and in float64 by its plain
body. Optimizers have theirs in tests/test_optim_fast.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from minidl import Tensor, grad, ops
from minidl.lab import machine
from tests.twins import both_ways, twins

pytest.importorskip("numba", reason='needs numba: pip install ".[fast]"')

from minidl.kernels.numba import activation, layer_norm, loops, norm, pool, recurrent

MODULES = (activation, layer_norm, norm, pool, recurrent)


class Row(NamedTuple):
    """An op, its settings, shapes of x, the shapes that follow from it, and its range."""

    op: object
    settings: dict
    shapes: tuple
    others: object = lambda shape: ()


def features(shape):
    return (shape[-1:],) * 2


def channels(shape):
    return (shape[1:2],) * 2


def weights(shape):
    n, _, d = shape
    return (n, 3), (n, 3), (d, 12), (3, 12), (12,)


def kernels(shape):
    return (20, shape[1], 3, 3), (20,)


ROWS = {
    "relu": Row(ops.relu, {}, ((1,), (3, 5), (2, 3, 4, 5), (67, 129))),
    "gelu": Row(ops.gelu, {}, ((1,), (3, 5), (67, 129))),
    "gelu, tanh": Row(ops.gelu, {"approximate": "tanh"}, ((1,), (3, 5), (67, 129))),
    "layer norm": Row(
        ops.layer_norm, {"eps": 1e-3}, ((1, 7), (5, 3, 9), (67, 129)), features
    ),
    "batch norm": Row(
        ops.batch_norm,
        {"eps": 1e-3},
        ((2, 7), (5, 3), (200, 9), (5, 2, 4, 4), (2, 3, 17)),
        channels,
    ),
    "lstm": Row(ops.lstm, {}, ((1, 1, 2), (4, 3, 2), (16, 5, 7)), weights),
    "lstm, back": Row(ops.lstm, {"reverse": True}, ((2, 2, 2), (3, 4, 2)), weights),
    "conv": Row(ops.conv2d, {"padding": 1}, ((8, 16, 4, 4), (9, 17, 7, 8)), kernels),
    "conv, frames": Row(
        ops.conv2d,
        {"padding": ((0, 2), (2, 1))},
        ((8, 16, 16, 15), (9, 18, 15, 13)),
        kernels,
    ),
}
SMOOTH = [name for name in ROWS if not name.startswith(("conv", "lstm"))]
CASES = [(name, shape) for name, row in ROWS.items() for shape in row.shapes]
each = pytest.mark.parametrize("name", ROWS)


@pytest.fixture(autouse=True)
def _no_size_is_too_small(monkeypatch):
    monkeypatch.setattr(loops.State, "active", True)
    for module in MODULES:
        monkeypatch.setattr(module, "SMALL", 0)


def drawn(row, shape, draw):
    return [draw.normal(size=s) for s in (shape, *row.others(shape))]


def fast(row):
    """The body that numba compiles."""
    (body,) = (f for f in row.op.fasts["cpu"] if ".numba." in f.__module__)
    return body


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_it_equals_the_plain_body(name, shape, rng):
    row = ROWS[name]
    inputs = drawn(row, shape, rng)
    frozen = [x.astype("f4") for x in inputs]
    for x in frozen:
        x.flags.writeable = False
    assert fast(row)(*frozen, **row.settings) is not None
    many = 100 if name.startswith("conv") else 1  # summands in a number of order 1
    twins(row.op, inputs, row.settings, "cpu", rtol=3e-5, atol=6e-6 * many)


LAID_OUT = {
    "rows": lambda x: np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(
        3, 1, 0, 2
    ),
    "channels last": lambda x: np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1),
}


@pytest.mark.parametrize("way", LAID_OUT)
@pytest.mark.parametrize("name", ["batch norm", "relu"])
def test_it_takes_and_keeps_an_order_in_memory(name, way, rng):
    row = ROWS[name]
    shape = (5, 2, 4, 4)
    x, g = (LAID_OUT[way](rng.normal(size=shape).astype("f4")) for _ in range(2))
    others = [rng.normal(size=s).astype("f4") for s in row.others(shape)]
    y, back, *_ = fast(row)(x, *others, **row.settings)
    want, want_back, *_ = row.op.body(x, *others, **row.settings)
    assert y.strides == x.strides
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradients(back, g), gradients(want_back, g), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "stride"), [(2, 2), ((1, 3), (2, 3)), ((3, 2), (4, 2)), (1, 1)]
)
def test_max_pooling_of_images_in_rows(size, stride, rng):
    """With ties, signed zeros, infinities and NaN; and gradients of gradients."""
    settings = {"kernel_size": size, "stride": stride}
    x = rng.integers(-1, 2, (5, 3, 9, 8)) * np.float32(-1)
    for bad in (np.nan, np.inf, -np.inf, np.nan):
        x[tuple(rng.integers(0, x.shape))] = bad
    x = LAID_OUT["rows"](x.astype("f4"))
    y, back = pool.max_pool2d_in_one_pass(x, **settings)
    want, want_back = ops.max_pool2d.body(x, **settings)
    np.testing.assert_array_equal(y, want)
    np.testing.assert_array_equal(np.signbit(y), np.signbit(want))
    g = rng.normal(size=y.shape).astype("f4")
    np.testing.assert_array_equal(back(g), want_back(g))
    leaf = Tensor(g, requires_grad=True)
    (dg,) = grad((back(leaf) * back(leaf)).sum(), leaf)
    np.testing.assert_allclose(dg, 2 * g, rtol=1e-6)
    for declined in ({"padding": 1, "kernel_size": 2}, {"kernel_size": 2, "stride": 1}):
        assert pool.max_pool2d_in_one_pass(x, **declined) is None
    assert pool.max_pool2d_in_one_pass(np.array(x, order="C"), **settings) is None


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_one_bad_pixel_or_gradient_of_a_convolution_stays_near(bad, rng):
    x = rng.normal(size=(8, 16, 8, 8)).astype("f4")
    w = rng.normal(size=(16, 16, 3, 3)).astype("f4")
    g = rng.normal(size=(8, 16, 8, 8)).astype("f4")
    _, back = fast(ROWS["conv"])(x, w, padding=1)
    g[1, 2, 3, 4] = bad
    _, plain_back = ops.conv2d.body(x, w, padding=1)
    wanted = [True, True, False]
    with np.errstate(invalid="ignore"):
        for a, b in zip(back(g, wanted)[:2], plain_back(g, wanted)[:2], strict=True):
            assert (np.isfinite(a) == np.isfinite(b)).all()
        x[1, 2, 3, 4] = bad
        assert fast(ROWS["conv"])(x, w, padding=1) is None
        y, plain = ops.conv2d(x, w, padding=1), ops.conv2d.body(x, w, padding=1)[0]
    assert (np.isfinite(y) == np.isfinite(plain)).all()
    assert (~np.isfinite(y)).sum() == 9 * 16


EDGES = np.array(
    [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30, 200, -200, np.inf, -np.inf, np.nan, 1], "f4"
)


@pytest.mark.parametrize("name", SMOOTH)
def test_nan_and_infinity_go_where_they_go_in_the_plain_body(name):
    row = ROWS[name]
    for x in (EDGES, np.where(np.isfinite(EDGES), EDGES, 2), np.roll(EDGES, 3)):
        x = np.stack([x, np.linspace(-2, 2, x.size)]).astype("f4")
        inputs = [x, *[np.ones(s, "f4") for s in row.others(x.shape)]]
        with np.errstate(all="ignore"):
            want, want_back, *_ = row.op.body(*inputs, **row.settings)
            y, back, *_ = fast(row)(*inputs, **row.settings)
            pairs = [(y, want)]
            for g in (np.full_like(x, 2), np.broadcast_to(np.float32(-1), x.shape)):
                pairs += zip(gradients(back, g), gradients(want_back, g), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
            zeros = (a == 0) & (b == 0)
            assert (np.signbit(a) == np.signbit(b))[zeros].all()


def gradients(back, g):
    made = [f(g) for f in back] if isinstance(back, tuple) else back(g)
    return made if isinstance(made, (tuple, list)) else (made,)


@each
def test_gradients_of_gradients_pass_through_it(name, rng):
    row = ROWS[name]
    inputs = drawn(row, row.shapes[1], rng)
    y = row.op(*inputs, **row.settings)
    v = rng.normal(size=(y[0] if isinstance(y, tuple) else y).shape)

    def second(dtype):
        leaves = [Tensor(x.astype(dtype), requires_grad=True) for x in inputs]
        y = row.op(*leaves, **row.settings)
        y = y[0] if isinstance(y, tuple) else y
        dx, *_ = grad((y * y * v.astype(dtype)).sum(), leaves, create_graph=True)
        return grad((dx * dx).sum(), leaves, allow_unused=True)

    for a, b in zip(second("f4"), second("f8"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 + 1e-5 * np.abs(b).max())


@pytest.mark.parametrize("name", SMOOTH)
def test_what_it_declines(name, rng):
    row = ROWS[name]
    inputs = drawn(row, row.shapes[1], rng)
    assert fast(row)(*inputs, **row.settings) is None, "float64"
    several = [x.astype("f4") for x in inputs]
    assert fast(row)(np.repeat(several[0], 2, axis=0)[::2], *several[1:]) is None, (
        "gaps"
    )
    for module in MODULES:
        module.SMALL = 1 << 30
    assert fast(row)(*several, **row.settings) is None, "few numbers"


@each
def test_where_numba_cannot_compile_another_body_computes(name, rng, monkeypatch):
    row = ROWS[name]
    inputs = drawn(row, row.shapes[1], rng)
    want, gs = both_ways(row.op, inputs, row.settings, "cpu", "float32")
    monkeypatch.setattr(loops.probe, "run", None)
    for one in vars(sys.modules[fast(row).__module__]).values():
        if isinstance(one, loops.Loop):
            monkeypatch.setattr(one, "run", None)
    monkeypatch.setattr(loops.Loop, "compile", lambda self: 1 / 0)
    got, _ = both_ways(row.op, inputs, row.settings, "cpu", "float32", gs)
    assert not loops.State.active
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 + 3e-5 * np.abs(b).max())
    assert "cannot compile" in machine.compiled()


@pytest.mark.parametrize("body", ops.batch_norm.fasts["cpu"])
@pytest.mark.parametrize("shape", [(2000, 9), (16, 5, 12, 12)])
def test_batch_norm_with_a_first_number_far_from_the_mean(
    body, shape, rng, monkeypatch
):
    """Sums of distances to it alone would leave few digits of the variance."""
    monkeypatch.setattr(sys.modules[body.__module__], "SMALL", 0)
    x = rng.normal(size=shape).astype("f4")
    x.reshape(*shape[:2], -1)[0, :, 0] = 1e4  # √N σ away, for it is one of N
    x[:, 1] = 7
    _, _, (mean, var) = body(x)
    _, _, (exact_mean, exact) = ops.batch_norm.body(x.astype("f8"))
    np.testing.assert_allclose(mean, exact_mean, rtol=1e-5)
    np.testing.assert_allclose(var, exact, rtol=2e-5)
    assert var[1] == 0


def test_sums_over_many_rows_keep_their_digits(rng):
    x = rng.normal(size=(200_000, 2)).astype("f4")
    gamma = beta = np.ones(2, "f4")
    _, back = fast(ROWS["layer norm"])(x, gamma, beta)
    *_, dbeta = back(np.full_like(x, 0.1))
    np.testing.assert_allclose(dbeta, 200_000 * np.float32(0.1), rtol=1e-4)


# Formulas


@pytest.mark.parametrize(
    ("ours", "theirs", "ends"),
    [(loops.expm1, np.expm1, (-80, 80)), (loops.tanh, np.tanh, (-12, 12))],
)
def test_a_formula_is_right_to_a_few_units_in_the_last_place(ours, theirs, ends):
    x = np.concatenate([np.linspace(*ends, 4001), np.geomspace(1e-30, 1, 1001)])
    x = x.astype("f4")
    y = np.array([ours.compile()(a) for a in x], "f4")
    want = theirs(x.astype("f8"))
    off = np.abs(y - want) / np.spacing(np.abs(want).astype("f4") + np.float32(1e-45))
    assert off.max() <= 4


# When numba is imported


def said(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**machine.os.environ, **environment},
    )  # fmt: skip
    return done.stdout.split()


CODE = """
import sys, numpy as np, minidl as md
x = md.Tensor(np.ones(100, "f4"), requires_grad=True)
md.ops.relu(x).sum().backward()
print("numba" in sys.modules)
md.ops.relu(md.Tensor(np.ones(100_000, "f4")))
print("numba" in sys.modules)
"""


@pytest.mark.parametrize(("value", "then"), [("1", "True"), ("0", "False")])
def test_numba_is_imported_for_large_arrays_only_and_can_be_turned_off(value, then):
    assert said(CODE, MINIDL_FAST=value) == ["False", then]


def test_a_task_is_graded_by_the_plain_bodies_alone(tmp_path):
    """The grader's tree and a student's edition are made of `stripped` files."""
    from minidl_course.source_tree import stripped

    for name, text in stripped(Path(__file__).parents[1]).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    told = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}print(md.__file__)"
    )
    *numba, where = said(told, MINIDL_FAST="1")
    assert numba == ["False", "False"]
    assert where.startswith(str(tmp_path))


def test_the_doctor_says_whether_it_is_active(monkeypatch):
    assert machine.compiled().endswith(": active")
    monkeypatch.setenv("MINIDL_FAST", "0")
    assert "off" in machine.compiled()
