"""Schedules against PyTorch's over 300 steps, and what they say when misused."""

import math
import warnings

import numpy as np
import pytest

from minidl import Tensor
from minidl.errors import DTypeError, RangeError
from minidl.optim import SGD, ReduceOnPlateau, schedules

STEPS = 300
S = schedules
CYCLE = {"base_lr": 0.001, "max_lr": 0.1, "cycle_momentum": False}
ONE = {"max_lr": 0.1, "total_steps": STEPS, "cycle_momentum": False}
ONE_OF_200 = ONE | {"total_steps": 200}

# PyTorch's class, its arguments (it begins at lr = 0.1), ours; the steps that it can tell
ROWS = [
    ("StepLR", {"step_size": 30}, S.step(0.1, 30), STEPS),
    ("StepLR", {"step_size": 7, "gamma": 0.9}, S.step(0.1, 7, 0.9), STEPS),
    ("MultiStepLR", {"milestones": [50, 120, 250]}, S.multistep(0.1, [50, 120, 250]), STEPS),
    ("MultiStepLR", {"milestones": [9, 9], "gamma": 0.5}, S.multistep(0.1, [9, 9], 0.5), STEPS),
    ("ExponentialLR", {"gamma": 0.98}, S.exponential(0.1, 0.98), STEPS),
    ("ConstantLR", {"factor": 0.5, "total_iters": 20}, S.join(S.constant(0.05), S.constant(0.1), at=[20]), STEPS),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 100}, S.linear(0.01, 100, 0.1), STEPS),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 250}, S.linear(0.1, 250), STEPS),
    ("CosineAnnealingLR", {"T_max": STEPS}, S.cosine(0.1, STEPS), STEPS),
    ("CosineAnnealingLR", {"T_max": STEPS, "eta_min": 0.01}, S.cosine(0.1, STEPS, 0.01), STEPS),
    ("CosineAnnealingLR", {"T_max": 100, "eta_min": 0.02}, S.cosine(0.1, 100, 0.02), 100),
    ("CosineAnnealingWarmRestarts", {"T_0": 50}, S.cosine_restarts(0.1, 50), STEPS),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2, "eta_min": 0.01}, S.cosine_restarts(0.1, 10, 2, 0.01), STEPS),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 3}, S.cosine_restarts(0.1, 3, 3), STEPS),
    ("PolynomialLR", {"total_iters": 250}, S.polynomial(0.1, 250), STEPS),
    ("PolynomialLR", {"total_iters": 400, "power": 2.0}, S.polynomial(0.1, 400, 2.0), STEPS),
    ("PolynomialLR", {"total_iters": 300, "power": 0.5}, S.polynomial(0.1, 300, 0.5), STEPS),
    ("OneCycleLR", ONE, S.one_cycle(0.1, STEPS), STEPS),
    ("OneCycleLR", ONE | {"anneal_strategy": "linear"}, S.one_cycle(0.1, STEPS, shape="linear"), STEPS),
    ("OneCycleLR", ONE | {"three_phase": True}, S.one_cycle(0.1, STEPS, three_phase=True), STEPS),
    ("OneCycleLR", ONE_OF_200 | {"pct_start": 0.45, "div_factor": 10.0, "final_div_factor": 100.0}, S.one_cycle(0.1, 200, rise=0.45, div=10, final_div=100), 200),
    ("OneCycleLR", ONE | {"pct_start": 0.1234}, S.one_cycle(0.1, STEPS, rise=0.1234), STEPS),
    ("CyclicLR", CYCLE | {"step_size_up": 40}, S.cyclic(0.001, 0.1, 40), STEPS),
    ("CyclicLR", CYCLE | {"step_size_up": 30, "step_size_down": 10}, S.cyclic(0.001, 0.1, 30, 10), STEPS),
    ("CyclicLR", CYCLE | {"step_size_up": 25, "mode": "triangular2"}, S.cyclic(0.001, 0.1, 25, mode="triangular2"), STEPS),
    ("CyclicLR", CYCLE | {"step_size_up": 25, "mode": "exp_range", "gamma": 0.99}, S.cyclic(0.001, 0.1, 25, mode="exp_range", gamma=0.99), STEPS),
    ("LambdaLR", {"lr_lambda": lambda t: min((t + 1) / 20, math.sqrt(20 / (t + 1)))}, S.inverse_sqrt(0.1, 20), STEPS),
]  # fmt: skip


def theirs_of(torch, name, arguments, steps):
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    p.grad = torch.zeros_like(p)
    optimizer = torch.optim.SGD([p], lr=0.1)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at its last step, one too many
            scheduler.step() if len(rates) < steps else None
    return rates


@pytest.mark.parametrize(
    ("name", "arguments", "ours", "steps"),
    [pytest.param(*row, id=f"{row[0]}-{i}") for i, row in enumerate(ROWS)],
)
def test_rate_is_that_of_pytorch(torch, name, arguments, ours, steps):
    theirs = theirs_of(torch, name, arguments, steps)
    np.testing.assert_allclose(
        [ours(t) for t in range(steps)], theirs, rtol=0, atol=1e-12
    )
    assert len(set(theirs)) > 1


def test_joined_warmup_is_sequential_lr(torch):
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([p], lr=0.1)
    lr = torch.optim.lr_scheduler
    up = lr.LinearLR(optimizer, start_factor=0.1, total_iters=20)
    down = lr.CosineAnnealingLR(optimizer, T_max=280)
    both = lr.SequentialLR(optimizer, [up, down], milestones=[20])
    ours = S.join(S.linear(0.01, 20, 0.1), S.cosine(0.1, 280), at=[20])
    for t in range(STEPS):
        assert ours(t) == pytest.approx(both.get_last_lr()[0], rel=0, abs=1e-12)
        optimizer.step()
        both.step()


METRICS = {
    "noise": lambda t, rng: rng.normal(),
    "loss": lambda t, rng: 2 * 0.99**t + 0.1 * rng.uniform(),
    "steps": lambda t, rng: 3.0 - t // 25,
    "flat": lambda t, rng: 1.0,
    "nan": lambda t, rng: math.nan if t % 3 else 1.0 - t,
}
PLATEAUS = [
    {},
    {"patience": 3},
    {"patience": 0, "factor": 0.9},
    {"patience": 2, "cooldown": 5, "factor": 0.5},
    {"patience": 2, "threshold": 0.1, "factor": 0.7},
    {"patience": 1, "threshold": 0.0, "factor": 0.5, "cooldown": 1},
    {"patience": 2, "factor": 0.5, "lr_min": 0.003},
    {"patience": 0, "factor": 0.5, "lr_min": [0.003, 0.0001]},
    {"patience": 0, "factor": 0.3, "eps": 0.005},
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_is_that_of_pytorch(torch, rng, mode, threshold_mode, metric):
    values = [METRICS[metric](t, rng) for t in range(STEPS)]
    if threshold_mode == "rel":  # of negative metrics we judge otherwise
        values = [abs(value) + 0.01 for value in values]
    reduced = 0
    for settings in PLATEAUS:
        settings = settings | {"mode": mode, "threshold_mode": threshold_mode}
        ps = [Tensor(np.zeros(1), requires_grad=True) for _ in range(2)]
        ours = SGD([{"params": [ps[0]]}, {"params": [ps[1]], "lr": 0.02}], lr=0.1)
        qs = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        other = torch.optim.SGD(
            [{"params": [qs[0]]}, {"params": [qs[1]], "lr": 0.02}], lr=0.1
        )
        plateau = ReduceOnPlateau(ours, **settings)
        theirs = {"min_lr" if k == "lr_min" else k: v for k, v in settings.items()}
        expected = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **theirs)
        for t, value in enumerate(values):
            plateau.step(value)
            expected.step(value)
            rates = [group.rate(t) for group in ours.groups]
            want = [group["lr"] for group in other.param_groups]
            np.testing.assert_allclose(rates, want, rtol=0, atol=1e-12)
        reduced += ours.lr < 0.1
    assert reduced, "a rate that never falls proves nothing"


def test_plateau_works_on_top_of_a_schedule_and_is_saved():
    def make():
        p = Tensor([1.0], requires_grad=True)
        p.grad = p.data * 0
        opt = SGD([p], lr=S.linear(1.0, 100))
        return opt, ReduceOnPlateau(opt, patience=1, factor=0.5, cooldown=1)

    opt, plateau = make()
    again, other = make()
    for t in range(8):
        opt.step()
        plateau.step(Tensor(1.0))
        if t == 2:
            again.load_state_dict(opt.state_dict())
            other.load_state_dict(plateau.state_dict())
    assert opt.lr_scale == 0.25
    assert opt.lr == pytest.approx(0.25 * 0.92)
    for _ in range(5):
        again.step()
        other.step(np.float32(1))
    assert (again.lr, other.state_dict()) == (opt.lr, plateau.state_dict())


def test_warmup_scale_join_and_epochs():
    f = S.warmup(10, S.cosine(0.5, 100))
    assert [f(0), f(9), f(10)] == [0.05, 0.5, 0.5]
    assert f(60) == pytest.approx(0.25)
    assert S.warmup(0, f) is not None
    assert S.warmup(0, S.constant(2.0))(0) == 2.0
    assert S.scale(f, 4.0)(9) == 2.0
    g = S.join(S.constant(1.0), S.constant(2.0), S.linear(3.0, 3), at=[2, 4])
    assert [g(t) for t in range(8)] == [1, 1, 2, 2, 3, 2, 1, 0]
    h = S.per_epoch(S.multistep(1.0, [1, 3], 0.5), steps_per_epoch=2)
    assert [h(t) for t in range(8)] == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_schedules_end_flat_and_hold_no_state():
    for f in (
        S.cosine(0.1, 50, 0.01),
        S.linear(0.1, 50, 0.01),
        S.polynomial(0.1, 50, 2, 0.01),
        S.one_cycle(0.1, 50),
    ):
        forwards = [f(t) for t in range(80)]
        assert forwards[::-1] == [f(t) for t in reversed(range(80))]
        assert len(set(forwards[50:])) == 1


def test_inverse_sqrt_is_the_rate_of_the_transformer():
    d, w = 512, 4000
    f = S.inverse_sqrt(1 / math.sqrt(d * w), w)
    for s in (1, 100, 4000, 10000):  # the paper counts from 1
        paper = d**-0.5 * min(s**-0.5, s * w**-1.5)
        assert f(s - 1) == pytest.approx(paper, rel=1e-12)


def test_swa_schedule():
    f = S.swa(S.constant(0.5), start=3, lr=0.1, cycle=2, lr_min=0.02)
    np.testing.assert_allclose([f(t) for t in range(7)], [0.5] * 3 + [0.06, 0.02] * 2)
    assert S.swa(S.constant(0.5), start=1, lr=0.1)(5) == 0.1


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: S.constant(-1), RangeError, "at least 0, not -1"),
        (lambda: S.constant(math.nan), RangeError, "finite"),
        (lambda: S.cosine(0.1, 0), RangeError, "steps must be at least 1"),
        (lambda: S.cosine(0.1, 1e3), DTypeError, r"int\(steps\)"),
        (lambda: S.cosine(S.constant(0.1), 10), DTypeError, "call it first"),
        (lambda: S.warmup(10, 0.1), DTypeError, "schedules.constant"),
        (lambda: S.join(S.constant(1), S.constant(2), at=[]), RangeError, "need 1 rising"),
        (lambda: S.join(*[S.constant(1)] * 3, at=[5, 5]), RangeError, "rising"),
        (lambda: S.one_cycle(0.1, 100, rise=1.0), RangeError, "rise=0.3"),
        (lambda: S.one_cycle(0.1, 100, shape="sine"), RangeError, "'cos' or 'linear'"),
        (lambda: S.cyclic(0, 1, 5, mode="up"), RangeError, "'triangular' or"),
        (lambda: S.exponential(0.1, 0), RangeError, "above 0"),
        (lambda: S.per_epoch(S.constant(1), 0), RangeError, "steps_per_epoch"),
        (lambda: ReduceOnPlateau(SGD([Tensor([1.0])], 0.1), factor=1), RangeError, "factor"),
        (lambda: ReduceOnPlateau(SGD([Tensor([1.0])], 0.1), mode="low"), RangeError, "'min' or 'max'"),
        (lambda: ReduceOnPlateau(SGD([Tensor([1.0])], 0.1), lr_min=[0, 0]), RangeError, "1 groups"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_write(make, error, says):
    with pytest.raises(error, match=says):
        make()
