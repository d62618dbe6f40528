"""Random Tensors: drawn on the host from minidl's generators, the same for a seed."""

import numpy as np
import pytest

import minidl as md
from minidl import ops
from minidl.errors import RangeError, ShapeError

DRAWS = {
    "rand": lambda **kw: ops.rand(3, 4, **kw),
    "randn": lambda **kw: ops.randn((3, 4), **kw),
    "normal": lambda **kw: ops.normal(2.0, 0.5, (3, 4), **kw),
    "uniform": lambda **kw: ops.uniform(-1.0, 3.0, (3, 4), **kw),
    "randint": lambda **kw: ops.randint(2, 9, (3, 4), **kw),
    "multinomial": lambda **kw: ops.multinomial(np.ones((3, 6)), 4, **kw),
}
each = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@each
def test_a_seed_gives_the_same_numbers_and_the_next_call_others(draw):
    md.seed(7)
    first, second = draw().data, draw().data
    md.seed(7)
    np.testing.assert_array_equal(draw().data, first)
    assert first.shape == (3, 4)
    assert (first != second).any()
    np.testing.assert_array_equal(draw(rng=3).data, draw(rng=3).data)


@each
def test_the_numbers_are_the_same_on_every_device(draw, device):
    there = draw(rng=5, device=device)
    assert there.device == device
    np.testing.assert_array_equal(md.backend.to_numpy(there), draw(rng=5).data)


@pytest.mark.parametrize("name", ["rand", "randn", "normal", "uniform"])
def test_the_dtype_is_the_default_one_and_only_rounds(name):
    draw = DRAWS[name]
    wide, narrow = draw(rng=1, dtype="float64"), draw(rng=1)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow.data, wide.data, rtol=1e-6)
    assert draw(rng=1, dtype="float16").dtype == np.float16


def test_distributions_have_their_mean_and_variance():
    n, rng = 40_000, np.random.default_rng(0)
    for y, mean, std in [
        (ops.rand(n, rng=rng), 0.5, 12**-0.5),
        (ops.randn(n, rng=rng), 0.0, 1.0),
        (ops.normal(2.0, 0.5, n, rng=rng), 2.0, 0.5),
        (ops.uniform(-1.0, 3.0, n, rng=rng), 1.0, 4 * 12**-0.5),
        (ops.randint(0, 4, n, rng=rng), 1.5, 1.25**0.5),
    ]:
        assert abs(y.data.mean() - mean) < 5 * std / n**0.5
        assert y.data.std() == pytest.approx(std, rel=0.02)


def test_what_is_rounded_stays_below_the_upper_limit():
    y = ops.rand(100_000, dtype="float16", rng=0)
    assert y.data.max() < 1
    assert ops.randint(3, shape=1000, rng=0).data.max() == 2


def test_classes_are_drawn_by_their_weights():
    y = ops.multinomial([1.0, 0.0, 3.0], 8000, replacement=True, rng=0).data
    np.testing.assert_allclose(np.bincount(y) / 8000, [0.25, 0, 0.75], atol=0.02)
    each_once = ops.multinomial(np.ones((50, 4)), 4, rng=0).data
    assert (np.sort(each_once, axis=1) == np.arange(4)).all()
    assert ops.multinomial(md.Tensor([[0.0, 2.0], [1.0, 0.0]]), rng=0).tolist() == [
        [1],
        [0],
    ]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ops.normal(0, -1.0), RangeError, "0 or more"),
        (lambda: ops.uniform(1.0, 1.0), RangeError, "less than"),
        (lambda: ops.randint(3, 3), RangeError, "no whole number"),
        (
            lambda: ops.randint(10, (2, 3)),
            TypeError,
            r"write randint\(0, 10, \(2, 3\)\)",
        ),
        (lambda: ops.multinomial([-1.0, 2.0]), RangeError, "softmax"),
        (lambda: ops.multinomial([0.0, 0.0]), RangeError, "softmax"),
        (lambda: ops.multinomial([np.nan, 1.0]), RangeError, "softmax"),
        (lambda: ops.multinomial([0.0, 1.0], 2), RangeError, "replacement=True"),
        (lambda: ops.multinomial(np.ones((2, 2, 2))), ShapeError, r"\(N, K\)"),
    ],
)
def test_what_cannot_be_drawn_says_why(call, error, says):
    with pytest.raises(error, match=says):
        call()
