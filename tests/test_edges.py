"""Right values where numbers are many, large, equal, infinite, or of an odd kind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl import Tensor, data, grad, nn, ops, optim
from minidl.errors import DTypeError, RangeError, ShapeError

half, single = np.float16, np.float32


def leaf(x):
    return Tensor(np.asarray(x), requires_grad=True)


# Many numbers: float32 sums are as good as float64 ones, but for their last digits

N = 1_200_000
TALL = (100 + np.random.default_rng(0).standard_normal((N, 2))).astype(single)
WEIGHTS = np.ones((2, 2), single)


def bias_gradient():
    b = leaf(np.zeros(2, single))
    return grad(ops.affine(TALL, WEIGHTS, b), b, TALL)[0]


def unbroadcast():
    b = leaf(np.zeros(2, single))
    return grad(b + TALL, b, TALL)[0]


def embedded():
    table = leaf(np.zeros((3, 2), single))
    return grad(ops.embedding(np.ones(N, int), table), table, TALL)[0][1]


def picked():
    x = leaf(np.zeros((2, 3), single))
    index = (np.arange(2)[:, None], np.ones(N, int))
    return grad(x[index], x, TALL.T)[0][:, 1]


def batch_mean():
    return ops.batch_norm(TALL)[1] * N


TOTALS = {
    "sum": lambda: ops.sum(TALL, axis=0),
    "mean": lambda: ops.mean(TALL, axis=0) * N,
    "an axis between": lambda: ops.sum(TALL[None], axis=(0, 1)),
    "transposed": lambda: ops.sum(np.asfortranarray(TALL).T.copy().T, axis=0),
    "cumsum": lambda: ops.cumsum(TALL, axis=0)[-1],
    "bias": bias_gradient,
    "un-broadcasting": unbroadcast,
    "embedding": embedded,
    "indices that repeat": picked,
    "batch norm": batch_mean,
}


@pytest.mark.parametrize("name", TOTALS)
def test_sums_of_many_rows_keep_their_digits(name):
    found = TOTALS[name]()
    assert found.dtype == single
    np.testing.assert_allclose(found, TALL.sum(axis=0, dtype=float), rtol=2e-6)


@pytest.mark.parametrize("axis", [0, 1, 2, -2, (0, 1), (1, 2), (2, 0), (0, 1, 2), None])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pieces_add_up_along_every_axis(axis, order):
    x = np.asarray(np.random.default_rng(0).random((3, 9001, 2), "f4"), order=order)
    for keepdims in (False, True):
        y = ops.sum(x, axis, keepdims)
        right = x.sum(axis=axis, keepdims=keepdims, dtype="f8")
        assert y.shape == right.shape
        np.testing.assert_allclose(y, right, rtol=1e-5)


def test_the_spread_of_many_rows():
    np.testing.assert_allclose(
        ops.var(TALL, axis=0), TALL.var(axis=0, dtype=float), rtol=1e-4
    )


# float16: sums are made in float32

MANY = np.ones(100_000, half) + np.tile([0, 0.5], 50_000).astype(half)
HALVES = {
    "mean": (lambda: ops.mean(MANY), 1.25),
    "var": (lambda: ops.var(MANY), 0.0625),
    "std": (lambda: ops.std(MANY), 0.25),
    "norm": (lambda: ops.norm(np.full(100, 300, half)), 3000),
    "logsumexp": (lambda: ops.logsumexp(MANY * 0), math.log(100_000)),
    "softmax": (lambda: ops.softmax(np.zeros(4096, half))[0], 1 / 4096),
    "layer norm": (lambda: ops.layer_norm(half([300, -300] * 500))[0], 1),
    "mse": (lambda: ops.mse_loss(MANY * 16, MANY * 0), 416),
    "cross entropy": (lambda: ops.cross_entropy(np.zeros((70_000, 2), half),
                                                np.zeros(70_000, int)), math.log(2)),
    "nll": (lambda: ops.nll_loss(-np.ones((70_000, 2), half), np.zeros(70_000, int)), 1),
    "hinge": (lambda: ops.hinge_loss(np.zeros((70_000, 2), half), np.zeros(70_000, int)), 1),
    "with logits": (lambda: ops.binary_cross_entropy_with_logits(MANY * 0, MANY * 0), math.log(2)),
    "of chances": (lambda: ops.binary_cross_entropy(MANY * 0 + half(0.5), MANY * 0), math.log(2)),
    "l1": (lambda: ops.l1_loss(MANY, MANY * 0), 1.25),
    "huber": (lambda: ops.huber_loss(MANY * 4, MANY * 0, delta=1.0), 4.5),
    "kl": (lambda: ops.kl_div(np.full((70_000, 2), -1, half), np.full((70_000, 2), 0.5, half), reduction="batchmean"), 1 - math.log(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", HALVES)
def test_half_precision_adds_up_in_single(name):
    compute, right = HALVES[name]
    found = compute()
    assert found.dtype == half
    np.testing.assert_allclose(found, right, rtol=2e-3)


def test_half_precision_has_half_precision_gradients():
    x = leaf(MANY)
    (dx,) = grad(ops.var(x), x)
    assert dx.dtype == half
    assert np.isfinite(dx).all()


# Equal numbers have no spread


@pytest.mark.parametrize("value", [255.0, 123456.7, 1e6])
@pytest.mark.parametrize("shape", [(6, 100), (400, 1000)])
def test_equal_numbers_are_normalized_to_zero(value, shape):
    x = np.full(shape, value, single)
    one = np.ones(shape[1], single)
    for y in (
        ops.layer_norm(x, one, one * 0),
        ops.batch_norm(x, one, one * 0)[0],
        ops.group_norm(x, one, one * 0, num_groups=2),
    ):
        assert abs(y).max() < 1e-3


# Infinite scores, and places that nobody may look at


def test_an_infinite_score_that_is_right_costs_nothing():
    x, t = np.array([math.inf, -math.inf, math.inf]), np.array([1.0, 0.0, 0.0])
    losses = ops.binary_cross_entropy_with_logits(x, t, reduction="none")
    np.testing.assert_array_equal(losses, [0, 0, math.inf])
    sure = leaf([math.inf, 0.0])
    loss = ops.binary_cross_entropy_with_logits(sure, np.ones(2))
    np.testing.assert_allclose(loss.data, math.log(2) / 2)
    np.testing.assert_allclose(grad(loss, sure)[0], [0, -0.25])


@pytest.mark.parametrize("dtype", [single, float])
@pytest.mark.parametrize("kind", [bool, float])
def test_nothing_leaks_from_where_nobody_may_look(dtype, kind):
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((2, 3, 4)).astype(dtype) for _ in range(3))
    mask = np.array([True, True, False])
    mask = mask if kind is bool else np.where(mask, 0, -math.inf).astype(dtype)
    want = ops.scaled_dot_product_attention(q, k[:, :2], v[:, :2])
    k[:, 2], v[:, 2] = math.nan, math.inf
    leaves = [leaf(x) for x in (q, k, v)]
    y = ops.scaled_dot_product_attention(*leaves, mask)
    np.testing.assert_allclose(y.data, want, rtol=1e-5)
    for g in grad(y.sum(), leaves):
        assert np.isfinite(g).all()


@pytest.mark.parametrize("dtype", [single, float])
@pytest.mark.parametrize("place", range(4))
def test_the_gradient_of_max_pooling_goes_to_nan(dtype, place):
    x = np.arange(4.0).reshape(1, 1, 2, 2).astype(dtype)
    x.flat[place] = math.nan
    (dx,) = grad(ops.max_pool2d(x := leaf(x), 2).sum(), x)
    np.testing.assert_array_equal(dx.ravel(), np.arange(4) == place)


# Optimizers


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("best", [-1.0, 1.0, 0.0])
def test_no_better_is_no_better_whatever_the_sign(mode, best):
    opt = optim.SGD([leaf([1.0])], lr=1.0)
    plateau = optim.ReduceOnPlateau(opt, mode, factor=0.5, patience=3, threshold=0.1)
    for _ in range(5):
        plateau.step(best)
    assert opt.lr == 0.5
    assert plateau.better(best - 0.2 if mode == "min" else best + 0.2)


@pytest.mark.parametrize(
    ("dtype", "size"), [(single, 3e20), (single, 1e38), (half, 3e4)]
)
def test_clipping_measures_what_its_squares_cannot(dtype, size):
    p = leaf(np.zeros(2, dtype))
    p.grad = np.full(2, size, dtype)
    norm = optim.clip_grad_norm([p], 1.0)
    np.testing.assert_allclose(float(norm), size * math.sqrt(2), rtol=1e-3)
    np.testing.assert_allclose(p.grad, math.sqrt(0.5), rtol=1e-3)


@pytest.mark.parametrize("what", [
    lambda ps: optim.Adam(ps, lr=0.1),
    lambda ps: optim.Adam([{"params": ps}], lr=0.1),
    optim.EMA,
    lambda ps: optim.clip_grad_norm(ps, 1.0),
])  # fmt: skip
def test_a_set_of_parameters_has_no_order(what):
    with pytest.raises(DTypeError, match=r"set of parameters.*try a list"):
        what({leaf([1.0]), leaf([2.0])})


# Shapes


def test_a_cosine_is_at_most_one():
    a, b = np.ones((3, 2)), np.ones((3, 1))
    np.testing.assert_allclose(ops.cosine_similarity(a, b), 1)
    np.testing.assert_allclose(ops.cosine_similarity(a[0], -a), -1)


@pytest.mark.parametrize(("subscripts", "shapes"), [
    ("i,i->", [(2,), (1,)]), ("ij,jk->ik", [(2, 3), (1, 4)]), ("bi,i->b", [(2, 1), (3,)]),
    ("ij,ij->", [(1, 3), (2, 1)]), ("ii,i->i", [(3, 3), (1,)]),
])  # fmt: skip
def test_einsum_stretches_axes_that_are_summed(subscripts, shapes):
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal(shape) for shape in shapes]
    np.testing.assert_allclose(ops.einsum(subscripts, *xs), np.einsum(subscripts, *xs))
    leaves = [leaf(x) for x in xs]
    for x, g in zip(
        xs, grad(ops.einsum(subscripts, *leaves).sum(), leaves), strict=True
    ):
        assert g.shape == x.shape


def test_empty_and_0_d():
    assert ops.softmax(np.zeros((5, 0))).shape == (5, 0)
    assert ops.log_softmax(np.zeros((0, 5))).shape == (0, 5)
    y = ops.prelu(x := leaf(np.array(-2.0)), a := leaf(np.array([0.25])))
    assert y.shape == ()
    assert [g.shape for g in grad(y, [x, a])] == [(), (1,)]


def test_a_transposed_convolution_may_be_padded_by_more_than_a_stride():
    x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))
    settings = {"stride": 2, "dilation": 3, "output_padding": 2}
    y = ops.conv_transpose2d(x, w, np.array([5.0]), **settings)
    assert y.shape == (1, 1, 12, 12)
    assert (y[0, 0, -1] == 5).all()  # no kernel reaches the last row
    np.testing.assert_allclose(y[..., :11, :11], ops.conv_transpose2d(
        x, w, np.array([5.0]), stride=2, dilation=3, output_padding=1))  # fmt: skip


@pytest.mark.parametrize(("error", "match", "call"), [
    (ShapeError, r"b has shape \(1, 2\).*need \(2,\)",
     lambda: ops.affine(np.ones((3, 4)), np.ones((4, 2)), np.ones((1, 2)))),
    (RangeError, "n_axes is how many", lambda: ops.rms_norm(np.ones((2, 3)), n_axes=0)),
    (RangeError, "n_axes is how many", lambda: ops.layer_norm(np.ones(3), n_axes=(3,))),
    (ShapeError, "2 shifts need", lambda: ops.roll(np.ones((2, 3)), (1, 2), axis=(0,))),
    (ShapeError, "0 shifts need", lambda: ops.roll(np.ones((2, 3)), ())),
])  # fmt: skip
def test_what_does_not_fit_is_refused(error, match, call):
    with pytest.raises(error, match=match):
        call()


# Arrays of other kinds


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_an_array_here():
    m = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    x = Tensor(m)
    assert type(x.data) is np.ndarray
    np.testing.assert_array_equal((x * x).data, [[1, 4], [9, 16]])
    np.testing.assert_array_equal((Tensor(np.eye(2)) * m).data, [[1, 0], [0, 4]])
    assert ops.mse_loss(m, np.zeros((2, 2))) == 7.5
    assert type(data.TensorDataset(m).x) is np.ndarray


def test_a_masked_array_is_refused_if_it_hides_something():
    open_, hiding = np.ma.array([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[0, 1])
    np.testing.assert_array_equal(Tensor(open_).data, [1, 2])
    for take in (Tensor, ops.exp, data.TensorDataset, lambda x: Tensor([1.0, 1.0]) * x):
        with pytest.raises(DTypeError, match=r"hides.*filled\(0\)"):
            take(hiding)


@pytest.mark.parametrize("order", [">f4", ">f8", ">i4"])
def test_the_other_byte_order_is_converted(order):
    x = np.array([1, 2, 3], order)
    assert Tensor(x).dtype.isnative
    assert data.TensorDataset(x, x).x.dtype.isnative
    np.testing.assert_array_equal(
        (Tensor(np.ones(3, single)) * x.astype(">i4")).data, x
    )


def test_fractions_are_brought_to_the_default_dtype():
    x, y = np.ones((4, 2)), np.arange(4)
    for source in (
        (x, y),
        data.TensorDataset(x, y),
        [(row, i) for i, row in enumerate(x)],
    ):
        batch, labels = next(iter(data.DataLoader(source, 2)))
        assert (batch.dtype, labels.dtype) == (single, np.int64)
    kept = data.TensorDataset(x, y, dtype=None)
    assert kept.x is x
    assert next(iter(data.DataLoader(kept, 2, dtype=None)))[0].dtype == float
    assert nn.Linear(2, 3, rng=0)(data.TensorDataset(x).x).dtype == single


# Text


@pytest.mark.parametrize(
    "text", ["हिन्दी भाषा", "ภาษาไทย", "한국어 문장", "e\u0301tude", "עִבְרִית"]
)
def test_words_keep_their_marks(text):
    words = data.WordTokenizer([text])
    assert len(words.encode(text)) == len(text.split())
    assert words.decode(words.encode(text)) == text
    pairs = data.BytePairTokenizer.train(text * 3, 280)
    assert pairs.decode(pairs.encode(text)) == text


def test_half_a_surrogate_pair_is_no_character():
    pairs = data.BytePairTokenizer.train("abab", 257)
    assert pairs.decode(pairs.encode("a\udbc0b")) == "a\ufffdb"
    assert pairs.decode(pairs.encode("\ud83d\ude42")) == "\U0001f642"
