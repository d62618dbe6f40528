"""The loop around the rules: groups, schedules, what is refused, what is never done.

The rules themselves are in test_optim_torch.py, and AdamP, which PyTorch has not,
in test_optim_adamp.py.
"""

import gc
import inspect
import math

import numpy as np
import pytest

from minidl import Tensor, optim
from minidl.engine.modes import mode
from minidl.errors import DTypeError, GraphError, MinidlError, RangeError, ShapeError
from minidl.optim import schedules

pytestmark = pytest.mark.quick

RULES = {
    "SGD": {},
    "Momentum": {"dampening": 0.5},
    "Nesterov": {},
    "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {},
    "RMSProp": {"centered": True, "momentum": 0.5},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "AdamP": {"weight_decay": 0.1},
    "NAdam": {},
    "Adamax": {},
}
every_rule = pytest.mark.parametrize("rule", RULES)


class Plain:
    """All that an optimizer may know of a parameter."""

    def __init__(self, data, grad=None):
        self.data, self.grad, self.touched = data, grad, 0

    def touch(self):
        self.touched += 1


def make(rule, params, **options):
    return getattr(optim, rule)(params, **{**RULES[rule], **options})


DEFAULTS = {  # PyTorch's; where it has none for the rate, 1e-3
    "SGD": {"lr": 1e-3},
    "Momentum": {"lr": 1e-3, "momentum": 0.9, "dampening": 0.0},
    "Nesterov": {"lr": 1e-3, "momentum": 0.9},
    "Adagrad": {"lr": 1e-2, "lr_decay": 0.0, "initial": 0.0, "eps": 1e-10},
    "Adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
    "RMSProp": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
    "Adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False},
    "AdamW": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "weight_decay": 1e-2},
    "AdamP": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "delta": 0.1, "wd_ratio": 0.1, "weight_decay": 0.0},
    "NAdam": {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 4e-3},
    "Adamax": {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8},
}  # fmt: skip


@every_rule
def test_a_rule_that_is_given_nothing_has_the_usual_settings(rule):
    known = inspect.signature(getattr(optim, rule)).parameters.values()
    found = {p.name: p.default for p in known if p.default is not p.empty}
    assert found == DEFAULTS[rule]


# ---------------------------------------------------------------------- the common loop


@every_rule
def test_a_bowl_is_descended_and_the_array_stays(rule):
    p = Tensor(np.array([[3.0, -2.0]]), requires_grad=True)
    array, rate = p.data, {"Adadelta": 20.0, "Adagrad": 3.0}.get(rule, 0.05)
    opt = make(rule, [p], lr=schedules.warmup(10, schedules.cosine(rate, 490)))
    for _ in range(500):
        opt.zero_grad()
        (p * p * np.array([1.0, 4.0])).sum().backward()
        opt.step()
    assert np.abs(p.data).max() < 0.02
    assert p.data is array


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (4, 3), (2, 3, 2)])
def test_any_shape_keeps_its_dtype_and_its_gradient(rng, rule, dtype, shape):
    p = Plain(np.asarray(rng.normal(size=shape), dtype))
    opt = make(rule, [p], weight_decay=np.float64(0.1), lr=lambda t: np.float64(0.1))
    for step in range(3):
        p.grad = np.asarray(rng.normal(size=shape), dtype)
        p.grad.setflags(write=False)
        before = p.data.copy()
        opt.step()
        assert p.touched == step + 1
        assert np.all(p.data != before)
    kept = opt.members[0].slots.values()
    assert {x.dtype for x in (p.data, *kept)} == {np.dtype(dtype)}
    assert all(isinstance(slot, np.ndarray) for slot in kept)


class OnDevice(np.ndarray):
    """An array that may not be read back, as one on a GPU should not."""

    def _read(self, *args):
        raise AssertionError("the value of an array was read on the host")

    __bool__ = __float__ = __int__ = __index__ = item = tolist = _read


@every_rule
@pytest.mark.parametrize("maximize", [False, True])
def test_no_rule_asks_for_the_value_of_an_array(rng, rule, maximize):
    results = {}
    for kind in (np.ndarray, OnDevice):
        draw = np.random.default_rng(1)
        p = Plain(draw.normal(size=(4, 3)).view(kind))
        lr = 0.1 if kind is np.ndarray else np.array(0.1).view(kind)
        opt = make(rule, [p], lr=lr, maximize=maximize, weight_decay=0.1)
        for t in (1, 2, 3):
            p.grad = draw.normal(size=(4, 3)).view(kind)
            if kind is OnDevice:
                opt.members[0].t = np.array(t - 1.0).view(kind) if t > 1 else 0
            optim.clip_grad_value([p], 2.0)
            optim.clip_grad_norm([p], 1.0)
            opt.step()
        assert type(p.data) is kind
        results[kind] = np.asarray(p.data)
    np.testing.assert_allclose(results[OnDevice], results[np.ndarray], rtol=1e-12)


@every_rule
def test_no_gradient_no_step(rng, rule):
    p, q = (Plain(rng.normal(size=(2, 2))) for _ in range(2))
    opt, old = make(rule, [p, q], lr=0.1), q.data.copy()
    p.grad = np.ones((2, 2))
    opt.step()
    opt.step()
    assert (q.data == old).all()
    assert q.touched == 0
    assert [m.t for m in opt.members] == [2, 0]
    assert opt.members[1].slots == {}


def test_zero_grad_and_add_group(rng):
    p, q = Plain(np.ones(2), np.ones(2)), Plain(np.ones(2), np.ones(2))
    opt = optim.SGD([p], lr=0.5)
    opt.add_group({"params": [("late", q)], "lr": 0.25})
    opt.step()
    assert (p.data.tolist(), q.data.tolist()) == ([0.5, 0.5], [0.75, 0.75])
    assert opt.members[1].name == "late"
    assert opt.params == [p, q]
    opt.zero_grad()
    assert p.grad is None
    assert q.grad is None
    with pytest.raises(
        RangeError, match=r"parameter 2 .* is the same parameter as late"
    ):
        opt.add_group({"params": [q]})


def test_lr_is_a_number_a_schedule_and_a_scale():
    p = Plain(np.zeros(1), np.ones(1))
    opt = optim.SGD([p], lr=schedules.linear(1.0, 4))
    seen = []
    for _ in range(4):
        seen.append(opt.lr)
        opt.step()
    assert seen == [1.0, 0.75, 0.5, 0.25]
    assert p.data[0] == -2.5
    opt.lr = 2
    opt.lr_scale = 0.5
    opt.step()
    assert (opt.lr, opt.lr_scale, p.data[0]) == (1.0, 0.5, -3.5)
    assert repr(opt) == "SGD(lr=1, 1 parameters with 1 numbers, step 5)"


def test_a_numpy_scalar_for_a_rate_does_not_widen(rng):
    start, g = rng.normal(size=(2, 50)).astype("float32")
    rates, moved = (0.1, np.float64(0.1), lambda t: np.float64(0.1)), set()
    for lr in rates:
        p = Plain(start.copy(), g)
        optim.SGD([p], lr=lr).step()
        moved.add(p.data.tobytes())
    assert len(moved) == 1


def test_climbing_turns_the_gradient_but_not_the_penalty():
    for maximize, moved in ((False, -0.25), (True, 1.75)):
        p = Plain(np.ones(1), np.full(1, 2.0))
        optim.SGD([p], lr=0.5, weight_decay=0.5, maximize=maximize).step()
        assert p.data == moved


def test_a_step_can_be_taken_over(monkeypatch):
    p, taken = Plain(np.ones(2), np.ones(2)), []
    opt = optim.SGD([p], lr=0.5)
    monkeypatch.setattr(mode, "stateful", lambda *call: taken.append(call))
    opt.step()
    assert [(method.__name__, owner) for method, owner in taken] == [("step", opt)]
    assert (p.data == 1).all()
    assert opt.t == 0


def test_no_decay_spares_biases_and_norms():
    class Model:
        def named_parameters(self):
            yield "fc.weight", Plain(np.ones((2, 2)), np.zeros((2, 2)))
            yield "fc.bias", Plain(np.ones(2), np.zeros(2))
            yield "scale", Plain(np.ones(()), np.zeros(()))

    opt = optim.SGD(optim.no_decay(Model(), 0.5), lr=1.0)
    opt.step()
    assert {m.name: float(m.parameter.data.mean()) for m in opt.members} == {
        "fc.weight": 0.5,
        "fc.bias": 1.0,
        "scale": 1.0,
    }
    assert len(optim.no_decay([("b", Plain(np.ones(2)))], 0.1)) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_check_finite_names_the_parameter_and_moves_nothing(bad):
    good, ill = Plain(np.ones(3), np.ones(3)), Plain(np.ones(3), np.array([1, bad, 1]))
    opt = optim.Momentum([("a", good), ("b", ill)], lr=0.1, check_finite=True)
    with pytest.raises(RangeError, match="gradient of b holds 1 NaN or Inf among 3"):
        opt.step()
    assert (good.data == 1).all()
    assert opt.t == 0
    ill.grad = np.ones(3)
    opt.step()
    assert (good.data < 1).all()


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, "s"), ({"centered": True}, "sm"), ({"momentum": 0.5}, "sb")],
)
def test_rmsprop_keeps_what_its_settings_want(settings, kept):
    opt = optim.RMSProp([Plain(np.ones(2), np.ones(2))], **settings)
    opt.step()
    assert list(opt.members[0].slots) == list(kept)


def test_gradients_are_not_looked_at_unless_asked():
    p = Plain(np.ones(2), np.array([1.0, math.nan]))
    optim.SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(p.data, [0.5, math.nan])


def test_an_optimizer_dies_without_the_garbage_collector(rng):
    gc.collect()
    gc.disable()
    try:
        opt = optim.Adam([Plain(rng.normal(size=3), np.ones(3))])
        opt.step()
        del opt
        assert gc.collect() == 0
    finally:
        gc.enable()


# ---------------------------------------------------------------------- what is refused

W = Plain(np.ones((2, 2)))


def computed():
    return Tensor([1.0], requires_grad=True) * 2


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (lambda: optim.SGD([], 0.1), RangeError, "^SGD got no parameters; is the model empty"),
        (lambda: optim.SGD([W, W], 0.1), RangeError, "^SGD: .* moved twice"),
        (lambda: optim.SGD([W], -0.1), RangeError, "^SGD: lr must be .* at least 0, not -0.1"),
        (lambda: optim.SGD([W], math.nan), RangeError, "finite"),
        (lambda: optim.SGD([W], "0.1"), DTypeError, "lr must be a number, not str"),
        (lambda: optim.SGD([W], 0.1, weight_decay=-1), RangeError, "weight_decay"),
        (lambda: optim.SGD(W, 0.1), DTypeError, r"try \[parameter\]"),
        (lambda: optim.SGD([np.ones(2)], 0.1), DTypeError, "item 0 is ndarray, not a par"),
        (lambda: optim.SGD([Plain(np.ones(2, int))], 0.1), DTypeError, "only floats"),
        (lambda: optim.SGD([computed()], 0.1), GraphError, "not a leaf"),
        (lambda: optim.SGD(lambda: [W], 0.1), DTypeError, "parentheses"),
        (lambda: optim.SGD(3, 0.1), DTypeError, "not a int"),
        (lambda: optim.SGD({"w": W}, 0.1), DTypeError, "not a dict"),
        (lambda: optim.SGD([W, {"params": [W]}], 0.1), DTypeError, "not a mixture"),
        (lambda: optim.SGD([{"params": [W], "momentum": 1}], 0.1), RangeError, "'momentum'"),
        (lambda: optim.SGD([{"lr": 1}], 0.1), RangeError, "has no 'params'"),
        (lambda: optim.Momentum([W], 0.1, momentum=1.0), RangeError, r"momentum .* \[0, 1\)"),
        (lambda: optim.Adam([W], betas=(0.9, 1.0)), RangeError, r"betas\[1\]"),
        (lambda: optim.Adam([W], betas=0.9), RangeError, "a pair such as"),
        (lambda: optim.Adam([W], eps=-1), RangeError, "eps"),
        (lambda: optim.Adadelta([W], rho=2), RangeError, "rho"),
        (lambda: optim.RMSProp([W], alpha=-0.1), RangeError, "alpha"),
        (lambda: optim.Adagrad([W], initial=-1), RangeError, "initial"),
        (lambda: optim.AdamP([W], delta=-1), RangeError, "delta"),
        (lambda: optim.NAdam([W], momentum_decay=-1), RangeError, "momentum_decay"),
        (lambda: optim.no_decay([W], -1), RangeError, "weight_decay"),
        (lambda: optim.clip_grad_norm([W], 0), RangeError, "max_norm"),
        (lambda: optim.clip_grad_value([W], -1), RangeError, "limit"),
        (lambda: optim.Accumulation(optim.SGD([W], 0.1), 0), RangeError, "k must be"),
        (lambda: optim.EMA([W], decay=1.0), RangeError, "decay"),
    ],
)  # fmt: skip
def test_misuse_says_what_to_write(build, error, says):
    with pytest.raises(error, match=says) as caught:
        build()
    assert isinstance(caught.value, MinidlError)


def test_a_whole_model_is_refused_by_name():
    class Net:
        def named_parameters(self):
            return iter(())

    with pytest.raises(DTypeError, match=r"whole Net; try model.parameters\(\)"):
        optim.Adam(Net())


def test_a_gradient_that_does_not_fit_is_refused():
    opt = optim.SGD([("w", p := Plain(np.ones((2, 2), "float32")))], 0.1)
    p.grad = np.ones(2, "float32")  # NumPy would broadcast it
    with pytest.raises(ShapeError, match=r"gradient of w has shape \(2,\)"):
        opt.step()
    p.grad = np.ones((2, 2))
    with pytest.raises(DTypeError, match="of w is float64, the parameter float32"):
        opt.step()


def test_a_parameter_that_changed_is_diagnosed():
    p = Plain(np.ones(3), np.ones(3))
    opt = optim.Momentum([("w", p)], 0.1)
    opt.step()
    p.data, p.grad = np.ones(4), np.ones(4)
    with pytest.raises(ShapeError, match="make a new optimizer"):
        opt.step()
    p = Plain(np.ones(3), np.ones(3))
    p.data.setflags(write=False)
    with pytest.raises(RangeError, match="read-only"):
        optim.SGD([p], 0.1).step()


def test_momentum_is_dampened_from_its_second_step_on():
    """v = 1, 0.9 + 0.7 · 2, 2.07 + 0.7 · 4 for gradients 1, 2, 4: by hand."""
    p = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.Momentum([p], lr=1.0, momentum=0.9, dampening=0.3)
    places = []
    for g in (1.0, 2.0, 4.0):
        p.grad = np.array([g])
        optimizer.step()
        places.append(p.data.item())
    np.testing.assert_allclose(places, [-1.0, -3.3, -8.17], rtol=1e-12)
