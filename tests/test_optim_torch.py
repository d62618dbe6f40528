"""Every rule that PyTorch has too, beside it: 200 steps in float64, at each the same.

The problem is softmax regression with a bowl beside it. Its gradients are computed by
hand in NumPy from each side's own parameters, with the noise of mini-batches: without
it Adam's √v would vanish at the bottom, and with it every digit.
"""

import numpy as np
import pytest

from minidl import Tensor, optim

STEPS = 200
SHAPES = ((5, 3), (3,), (2, 3, 2))


class Problem:
    def __init__(self):
        rng = np.random.default_rng(7)
        self.x = rng.normal(size=(40, 5))
        self.onehot = np.eye(3)[rng.integers(0, 3, 40)]
        self.curvature = rng.uniform(0.5, 2.0, SHAPES[2])
        self.start = [rng.normal(size=shape) for shape in SHAPES]
        self.noise = [[0.1 * rng.normal(size=s) for s in SHAPES] for _ in range(STEPS)]

    def gradients(self, step, w, b, q):
        scores = self.x @ w + b
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        d = (p - self.onehot) / len(p)
        exact = (self.x.T @ d, d.sum(axis=0), self.curvature * (q - 1))
        return [g + n for g, n in zip(exact, self.noise[step], strict=True)]


def settings(*rows):
    """Each row: our keywords, and PyTorch's where they differ."""
    return [(row[0], {**row[0], **row[1]} if len(row) > 1 else row[0]) for row in rows]


SGD = settings(
    ({"lr": 0.1},),
    ({"lr": 0.5},),
    ({"lr": 0.1, "weight_decay": 0.01},),
    ({"lr": 0.1, "weight_decay": 0.5},),
    ({"lr": 0.01, "maximize": True},),
    ({"lr": 0.01, "maximize": True, "weight_decay": 0.1},),
)
MOMENTUM = settings(
    ({"lr": 0.05},),
    ({"lr": 0.05, "momentum": 0.5},),
    ({"lr": 0.05, "momentum": 0.99},),
    ({"lr": 0.05, "dampening": 0.3},),
    ({"lr": 0.05, "weight_decay": 0.1},),
    ({"lr": 0.05, "dampening": 0.9, "weight_decay": 0.01},),
    ({"lr": 0.01, "maximize": True, "dampening": 0.5},),
)
NESTEROV = settings(
    ({"lr": 0.05},),
    ({"lr": 0.05, "momentum": 0.5},),
    ({"lr": 0.01, "momentum": 0.99},),
    ({"lr": 0.05, "weight_decay": 0.1},),
    ({"lr": 0.01, "maximize": True},),
    ({"lr": 0.01, "maximize": True, "weight_decay": 0.1, "momentum": 0.8},),
)
ADAGRAD = settings(
    ({},),
    ({"lr": 0.5},),
    ({"lr": 0.1, "lr_decay": 0.01},),
    ({"lr": 0.1, "initial": 0.5}, {"initial_accumulator_value": 0.5}),
    ({"lr": 0.1, "eps": 1e-2, "weight_decay": 0.1},),
    ({"lr": 0.1, "maximize": True},),
    (
        {"lr": 0.1, "initial": 2.0, "lr_decay": 0.1},
        {"initial_accumulator_value": 2.0},
    ),
)
ADADELTA = settings(
    ({},),
    ({"lr": 0.5},),
    ({"rho": 0.95},),
    ({"rho": 0.5, "eps": 1e-3},),
    ({"weight_decay": 0.1},),
    ({"maximize": True},),
    ({"lr": 2.0, "rho": 0.99, "eps": 1e-8, "weight_decay": 0.01, "maximize": True},),
)
RMSPROP = settings(
    ({},),
    ({"lr": 0.05, "alpha": 0.9},),
    ({"centered": True},),
    ({"momentum": 0.9, "lr": 0.005},),
    ({"momentum": 0.5, "centered": True, "weight_decay": 0.1},),
    ({"eps": 1e-3, "maximize": True},),
    ({"weight_decay": 0.1},),
)
ADAM = settings(
    ({},),
    ({"lr": 0.1},),
    ({"lr": 0.05, "betas": (0.5, 0.9)},),
    ({"lr": 0.05, "amsgrad": True},),
    ({"lr": 0.05, "weight_decay": 0.1},),
    ({"lr": 0.05, "eps": 1e-2, "betas": (0.0, 0.99)},),
    ({"lr": 0.05, "maximize": True, "weight_decay": 0.1, "amsgrad": True},),
)
ADAMW = settings(
    ({},),
    ({"lr": 0.1},),
    ({"lr": 0.05, "weight_decay": 0.5},),
    ({"lr": 0.05, "weight_decay": 0.0},),
    ({"lr": 0.05, "amsgrad": True},),
    ({"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4},),
    ({"lr": 0.05, "maximize": True, "weight_decay": 0.2},),
)
NADAM = settings(
    ({},),
    ({"lr": 0.05},),
    ({"lr": 0.05, "momentum_decay": 0.1},),
    ({"lr": 0.05, "momentum_decay": 0.0},),
    ({"lr": 0.05, "weight_decay": 0.1},),
    ({"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-4},),
    ({"lr": 0.05, "maximize": True},),
)
ADAMAX = settings(
    ({},),
    ({"lr": 0.1},),
    ({"lr": 0.05, "betas": (0.5, 0.9)},),
    ({"lr": 0.05, "eps": 1e-2},),
    ({"lr": 0.05, "weight_decay": 0.1},),
    ({"lr": 0.05, "maximize": True},),
)
#    ours              PyTorch's   what it always gets there   settings
TABLE = [
    (optim.SGD,        "SGD",      {},                                     SGD),
    (optim.Momentum,   "SGD",      {"momentum": 0.9},                      MOMENTUM),
    (optim.Nesterov,   "SGD",      {"momentum": 0.9, "nesterov": True},    NESTEROV),
    (optim.Adagrad,    "Adagrad",  {},                                     ADAGRAD),
    (optim.Adadelta,   "Adadelta", {},                                     ADADELTA),
    (optim.RMSProp,    "RMSprop",  {},                                     RMSPROP),
    (optim.Adam,       "Adam",     {},                                     ADAM),
    (optim.AdamW,      "AdamW",    {},                                     ADAMW),
    (optim.NAdam,      "NAdam",    {},                                     NADAM),
    (optim.Adamax,     "Adamax",   {},                                     ADAMAX),
]  # fmt: skip
ROWS = [
    pytest.param(ours, name, {**always, **theirs}, kw, id=f"{ours.__name__}-{i}")
    for ours, name, always, rows in TABLE
    for i, (kw, theirs) in enumerate(rows)
]


@pytest.fixture
def torch64(torch):
    """NAdam of PyTorch keeps its product in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


def difference(ours, theirs):
    return max(
        np.abs(p.data - q.detach().numpy()).max() / np.abs(q.detach().numpy()).max()
        for p, q in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize(("ours", "name", "theirs", "kw"), ROWS)
def test_trajectory_is_that_of_pytorch(torch64, ours, name, theirs, kw):
    theirs = dict(theirs)
    theirs.pop("initial", None)
    problem = Problem()
    mine = [Tensor(p, requires_grad=True) for p in problem.start]
    other = [torch64.tensor(p, requires_grad=True) for p in problem.start]
    a, b = ours(mine, **kw), getattr(torch64.optim, name)(other, **theirs)
    arrays = [p.data for p in mine]
    for step in range(STEPS):
        gradients = problem.gradients(step, *(p.data for p in mine))
        for p, g in zip(mine, gradients, strict=True):
            p.grad = g
        gradients = problem.gradients(step, *(q.detach().numpy() for q in other))
        for q, g in zip(other, gradients, strict=True):
            q.grad = torch64.from_numpy(g)
        a.step()
        b.step()
        assert difference(mine, other) <= 1e-10, f"step {step}"
    assert all(p.data is array for p, array in zip(mine, arrays, strict=True))
    moved = (np.abs(p.data - s).max() for p, s in zip(mine, problem.start, strict=True))
    assert min(moved) > 1e-3, "a trajectory that stands still proves nothing"


@pytest.mark.quick
def test_every_optimizer_has_six_settings():
    assert all(len(rows) >= 6 for _, _, _, rows in TABLE)
    public = {getattr(optim, name) for name in optim.__all__}
    rules = {
        c for c in public if isinstance(c, type) and issubclass(c, optim.Optimizer)
    }
    without = {optim.Optimizer, optim.AdamP}  # PyTorch has no AdamP: test_optim.py
    assert {ours for ours, _, _, _ in TABLE} == rules - without


def test_groups_with_their_own_rate_and_decay(torch64):
    problem = Problem()
    mine = [Tensor(p, requires_grad=True) for p in problem.start]
    other = [torch64.tensor(p, requires_grad=True) for p in problem.start]

    def groups(w, b, q):
        return [
            {"params": [w], "weight_decay": 0.2},
            {"params": [b, q], "lr": 0.02},
        ]

    a = optim.Adam(groups(*mine), lr=0.05, weight_decay=0.01)
    b = torch64.optim.Adam(groups(*other), lr=0.05, weight_decay=0.01)
    for step in range(STEPS):
        for p, g in zip(
            mine, problem.gradients(step, *(p.data for p in mine)), strict=True
        ):
            p.grad = g
        gradients = problem.gradients(step, *(q.detach().numpy() for q in other))
        for q, g in zip(other, gradients, strict=True):
            q.grad = torch64.from_numpy(g)
        if step % 3:  # a parameter that sits out has its own count of steps
            mine[2].grad = other[2].grad = None
        a.step()
        b.step()
    assert difference(mine, other) <= 1e-10


@pytest.mark.parametrize("norm_type", [1, 2, 3, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(torch, rng, max_norm, norm_type):
    gradients = [rng.normal(size=shape) for shape in SHAPES]
    mine = [Tensor(np.zeros(shape), requires_grad=True) for shape in SHAPES]
    other = [torch.zeros(s, dtype=torch.float64, requires_grad=True) for s in SHAPES]
    for p, q, g in zip(mine, other, gradients, strict=True):
        p.grad, q.grad = g.copy(), torch.tensor(g)
    norm = optim.clip_grad_norm(mine, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(other, max_norm, norm_type)
    np.testing.assert_allclose(norm, expected.numpy(), rtol=1e-13)
    for p, q in zip(mine, other, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-13)
