"""The base chapters of ops against PyTorch, in float64: value, gradient, and its gradient."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, ops
from tests.against_torch import assert_agree


def leaf(data):
    return Tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


UNARY = {
    "exp": None, "expm1": None, "log": "positive", "log1p": "positive", "sqrt": "positive",
    "rsqrt": "positive", "sin": None, "cos": None, "tan": None, "arcsin": "inside",
    "arccos": "inside", "arctan": None, "sinh": None, "cosh": None, "tanh": None,
    "sigmoid": None, "softplus": None, "erf": None, "abs": None, "sign": None,
    "square": None, "reciprocal": "positive", "negative": None, "sort": None, "flip": None,
    "tril": None, "triu": None, "logsumexp": None, "var": None, "std": None, "prod": None,
    "max": None, "min": None, "norm": None, "mean": None, "sum": None,
}  # fmt: skip


def torch_version(torch, name):
    special = {
        "softplus": torch.nn.functional.softplus,
        "flip": lambda x: torch.flip(x, (0, 1)),
        "sort": lambda x: torch.sort(x).values,
        "logsumexp": lambda x: torch.logsumexp(x, (0, 1)),
        "var": lambda x: torch.var(x, correction=0),
        "std": lambda x: torch.std(x, correction=0),
    }
    return special.get(name) or getattr(torch, name)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array_agree_with_pytorch(torch, name):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((rng.integers(1, 5), rng.integers(1, 5)))
        if UNARY[name]:
            x = {"positive": np.exp, "inside": np.tanh}[UNARY[name]](x)
        assert_agree(torch, getattr(ops, name), torch_version(torch, name), [x])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2)], ids=str)
@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "std", "logsumexp", "norm", "max"]
)
def test_reductions_agree_with_pytorch(torch, name, axis, keepdims):
    x = np.random.default_rng(0).standard_normal((3, 3, 4))
    torch_name = "amax" if name == "max" and axis == (0, 2) else name
    t = getattr(torch, torch_name)
    more = {"correction": 1} if name in ("var", "std") else {}
    ours = {"ddof": 1} if more else {}

    def theirs(x):
        y = t(x, dim=axis, keepdim=keepdims, **more)
        return getattr(y, "values", y) if torch_name == "max" else y

    def mine(x):
        return getattr(ops, name)(x, axis=axis, keepdims=keepdims, **ours)

    assert_agree(torch, mine, theirs, [x])


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_agree_with_pytorch(torch, name):
    for seed in range(20):
        x = np.random.default_rng(seed).integers(0, 3, (3, 4)).astype(float)
        f, t = getattr(ops, name), getattr(torch, name)
        assert_agree(torch, f, t, [x])
        assert_agree(torch, lambda x, f=f: f(x, 1), lambda x, t=t: t(x, 1).values, [x])
        assert_agree(
            torch,
            lambda x, f=f: f(x, (0, 1)),
            lambda x: getattr(torch, f"a{name}")(x, (0, 1)),
            [x],
        )
        y = np.random.default_rng(seed + 99).integers(0, 3, (3, 4)).astype(float)
        pair = {"max": "maximum", "min": "minimum"}[name]
        assert_agree(torch, getattr(ops, pair), getattr(torch, pair), [x, y])
        assert_agree(
            torch, lambda x: x.clip(0.5, 1.0), lambda x: torch.clamp(x, 0.5, 1.0), [x]
        )


def test_powers_agree_with_pytorch(torch):
    for a, b in itertools.product([0.0, 0.5, 2.0], [0.0, 0.5, 1.0, 2.0, 3.0]):
        if a == 0 and b == 0.5:
            continue  # an infinite slope
        x, y = leaf(a), leaf(b)
        s = torch.tensor(a, dtype=torch.float64, requires_grad=True)
        t = torch.tensor(b, dtype=torch.float64, requires_grad=True)
        ours = md.grad(x**y, [x, y])
        theirs = torch.autograd.grad(s**t, [s, t])
        for g, h in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(g, float(h), rtol=1e-12)


def test_products_with_zeros_agree_with_pytorch(torch):
    for seed in range(20):
        x = np.random.default_rng(seed).integers(-1, 3, (3, 4)).astype(float)
        assert_agree(torch, ops.prod, torch.prod, [x])
        assert_agree(torch, lambda x: x.prod(1), lambda x: torch.prod(x, 1), [x])


EINSUMS = [
    "ij,jk->ik", "ij,kj->ki", "bij,bjk->bik", "...ij,...jk->...ik", "ij,ij->", "ij,ij->j",
    "i,j->ij", "ij->ji", "ij->", "ii->i", "ii->", "bii->b", "ij,jk,kl->il", "ij,jk,ki->",
    "bhqd,bhkd->bhqk", "ik,jkl,il->ij", "i,i,i->i", "ab,ab,bc->ac", "...i,i->...",
    "bi,oi,bo->",
]  # fmt: skip


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_einsum_agrees_with_pytorch(torch, subscripts):
    rng = np.random.default_rng(0)
    lengths = {
        c: int(n) for c, n in zip("abcdhijklqo", rng.integers(1, 5, 11), strict=True)
    }
    lengths["."] = 2
    terms = subscripts.split("->")[0].replace("...", ".").split(",")
    arrays = [rng.standard_normal([lengths[c] for c in term]) for term in terms]
    assert_agree(
        torch,
        lambda *xs: ops.einsum(subscripts, *xs),
        lambda *xs: torch.einsum(subscripts, *xs),
        arrays,
    )


def test_products_agree_with_pytorch(torch):
    shapes = [(3,), (2, 3), (4, 2, 3)], [(3,), (3, 2), (1, 3, 5), (4, 3, 2)]
    rng = np.random.default_rng(0)
    for a, b in itertools.product(*shapes):
        xs = [rng.standard_normal(a), rng.standard_normal(b)]
        assert_agree(torch, ops.matmul, torch.matmul, xs)
    assert_agree(
        torch,
        lambda a, b: ops.tensordot(a, b, ((0, 2), (1, 0))),
        lambda a, b: torch.tensordot(a, b, ((0, 2), (1, 0))),
        [rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 2, 5))],
    )


def test_indexing_agrees_with_pytorch(torch):
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    i = np.array([2, 0, 2])
    mask = x[:, :, 0] > 0
    for index in (i, (i, i), (slice(None), i), mask, (mask, 1), (..., i, 0), (None, 1)):
        t = tuple(
            torch.tensor(p) if isinstance(p, np.ndarray) else p
            for p in (index if isinstance(index, tuple) else (index,))
        )
        assert_agree(torch, lambda x, index=index: x[index], lambda x, t=t: x[t], [x])
    j = np.random.default_rng(1).integers(0, 4, (3, 2, 5))
    assert_agree(
        torch,
        lambda x: ops.take_along_axis(x, j, axis=1),
        lambda x: torch.gather(x, 1, torch.tensor(j)),
        [x],
    )
