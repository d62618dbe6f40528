"""The fast twins: the printed lines to rounding, or hands off.

Where numba is installed its loops are twins, too.
"""

import gc
from importlib.util import find_spec

import numpy as np
import pytest

from minidl import optim
from minidl.errors import RangeError, ShapeError
from minidl.kernels.cpu import optim as fast
from minidl.kernels.cpu import optim_rules
from minidl.optim.optimizer import FAST

SHAPES = [(64, 33), (33,), (), (0,), (30, 50), (5,), (2, 3, 4), (2500,)]
COMMON = [
    {},
    {"lr": 0.1, "weight_decay": 0.3},
    {"lr": lambda t: np.float64(0.1) / (1 + t)},
]
BETAS = {"betas": (0.5, 0.9), "eps": 1e-3}
OWN = {  # settings that only one rule has
    optim.Momentum: {"momentum": 0.5, "dampening": 0.2},
    optim.Nesterov: {"momentum": 0.3},
    optim.Adagrad: {"lr_decay": 0.1, "initial": 0.5},
    optim.RMSProp: {"alpha": 0.5, "eps": 1e-3},
    optim.Adadelta: {"rho": 0.5, "eps": 1e-3},
    optim.Adam: BETAS,
    optim.AdamW: BETAS,
    optim.Adamax: BETAS,
}
LEFT = [  # settings of one rule that the loops have no line for
    (optim.Adam, {"amsgrad": True}),
    (optim.RMSProp, {"momentum": 0.9}),
    (optim.RMSProp, {"centered": True}),
]
RULES = sorted((rule for rule, device in FAST if device == "cpu"), key=repr)
PACKED = {optim.Adam: (0, 1 << 13), optim.AdamW: (0, 1 << 13)}  # it gathers small ones
CASES = [
    (rule, settings, small)
    for rule in RULES
    for settings in [*COMMON, OWN.get(rule, {}), *[s for r, s in LEFT if r is rule]]
    for small in PACKED.get(rule, (0,))
]
twins = pytest.mark.parametrize("rule", RULES)
adams = pytest.mark.parametrize("rule", [optim.Adam, optim.AdamW])


@pytest.fixture(params=["numba", "numpy"] if find_spec("numba") else ["numpy"])
def way(request, monkeypatch):
    """With the loops of numba, for however few numbers, or without."""
    if find_spec("numba"):
        from minidl.kernels.numba import loops
        from minidl.kernels.numba import optim as compiled

        monkeypatch.setattr(compiled, "LARGE", 0)
        monkeypatch.setattr(loops.State, "active", request.param == "numba")
    return request.param


@pytest.fixture
def numpy_alone(monkeypatch):
    if find_spec("numba"):
        from minidl.kernels.numba import loops

        monkeypatch.setattr(loops.State, "active", False)


class Plain:
    def __init__(self, data, grad=None):
        self.data, self.grad = data, grad

    def touch(self):
        pass


def parameters(dtype="float32"):
    rng = np.random.default_rng(2)
    params = [Plain(np.asarray(rng.normal(size=s), dtype)) for s in SHAPES]
    return [*params, Plain(np.asfortranarray(rng.normal(size=(8, 9)).astype(dtype)))]


def gradients(step, params):
    """Fresh ones; every few steps one is missing, transposed or of a view."""
    rng = np.random.default_rng(step)
    for i, p in enumerate(params):
        p.grad = np.asarray(rng.normal(size=p.data.shape), p.data.dtype)
        if (i + step) % 6 == 5:
            p.grad = None
        elif p.data.ndim == 2 and step % 3 == 1:
            p.grad = np.asfortranarray(p.grad)
        elif p.data.ndim == 1 and step % 3 == 2:
            p.grad = np.repeat(p.grad, 2)[::2]


def run(rule, settings, steps=8, dtype="float32"):
    params = parameters(dtype)
    groups = [{"params": params[:6]}, {"params": params[6:], "weight_decay": 0.0}]
    opt = rule(groups, **settings)
    for step in range(steps):
        gradients(step if step > 3 else 0, params)  # at first, all together
        before = [None if p.grad is None else p.grad.copy() for p in params]
        opt.step()
        for p, g in zip(params, before, strict=True):
            assert g is None or (p.grad == g).all()
    return opt


def without(monkeypatch):
    for rule in list(FAST):
        monkeypatch.delitem(FAST, rule)


@pytest.mark.parametrize(("rule", "settings", "small"), CASES)
def test_equal_to_the_printed_lines(monkeypatch, way, rule, settings, small):
    monkeypatch.setattr(fast, "SMALL", small)
    monkeypatch.setattr(fast, "CHUNK", 1000)
    quick = run(rule, settings)
    without(monkeypatch)
    printed = run(rule, settings)
    # with λ θ in the gradient, the rounding of θ reaches m and v too
    exact = rule is optim.AdamW or "weight_decay" not in settings
    for a, b in zip(quick.members, printed.members, strict=True):
        assert a.t == b.t
        assert a.slots.keys() == b.slots.keys()
        p, q = a.parameter.data, b.parameter.data
        np.testing.assert_allclose(p, q, rtol=3e-6, atol=1e-6)  # of steps of 1e-3 to 1
        for name, slot in a.slots.items():
            if exact and name == "m" and way == "numpy":
                assert slot.tobytes() == b.slots[name].tobytes(), name
            np.testing.assert_allclose(slot, b.slots[name], rtol=1e-5, atol=1e-6)


EDGES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-42, 1], "f4")


@twins
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_infinity_and_nan_stay_where_they_are(monkeypatch, way, rule, decay):
    def moved():
        ps = [
            Plain(EDGES.copy()),
            Plain(np.ones_like(EDGES)),
            Plain(EDGES[::-1].copy()),
        ]
        gs = [np.ones_like(EDGES), EDGES, EDGES]
        opt = rule(ps, lr=0.1, weight_decay=decay)
        for _ in range(2):
            for p, g in zip(ps, gs, strict=True):
                p.grad = g.copy()
            with np.errstate(all="ignore"):
                opt.step()
        return [*[p.data for p in ps], *[m.slots for m in opt.members]]

    quick = moved()
    without(monkeypatch)
    for a, b in zip(quick, moved(), strict=True):
        if isinstance(a, dict):
            a, b = (np.stack([*x.values(), EDGES]) for x in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_mean_overflows_no_earlier_than_the_printed_line():
    s, x, share = np.zeros(2, np.float32), np.array([2e19, 1], np.float32), 0.99
    printed = (1 - share) * x * x  # finite, where x * x is not
    optim_rules.mean(s, share, x, np.empty_like(x))
    np.testing.assert_allclose(s, printed)


@pytest.mark.parametrize(
    ("settings", "dtype", "taken"),
    [
        ({}, "float32", True),
        ({"weight_decay": 0.1}, "float32", True),
        ({}, "float64", False),
        ({"maximize": True}, "float32", False),
        ({"amsgrad": True}, "float32", False),
    ],
)
@adams
def test_what_it_takes_and_what_it_leaves(
    monkeypatch, way, rule, settings, dtype, taken
):
    calls = []
    update = rule.update
    monkeypatch.setattr(
        rule, "update", lambda *args, **kw: calls.append(1) or update(*args, **kw)
    )
    run(rule, settings, steps=1, dtype=dtype)
    assert len(calls) == (1 if taken else len(SHAPES)), "one is in Fortran's order"


def test_a_rule_of_ones_own_is_not_overtaken():
    class Mine(optim.Adam):
        def update(self, p, g, lr, t, m, v):
            p += 1

    p = Plain(np.zeros(3, "float32"), np.ones(3, "float32"))
    Mine([p]).step()
    assert p.data.tolist() == [1, 1, 1]


@adams
@pytest.mark.usefixtures("numpy_alone")
def test_small_ones_share_an_array_until_somebody_gives_them_other_slots(rule):
    params = [Plain(np.ones(3, "float32"), np.ones(3, "float32")) for _ in range(4)]
    opt = rule(params)
    arrays = [p.data for p in params]
    opt.step()
    (pack,) = [fast.packs[g] for g in opt.groups]
    assert all(np.shares_memory(m.slots["v"], pack.v) for m in opt.members)
    opt.step()
    assert fast.packs[opt.groups[0]] is pack
    opt.load_state_dict(opt.state_dict())
    opt.step()
    assert fast.packs[opt.groups[0]] is not pack
    assert all(p.data is a for p, a in zip(params, arrays, strict=True))
    assert len({p.data.tobytes() for p in params}) == 1


@twins
def test_what_does_not_fit_is_still_told(way, rule):
    params = [Plain(np.ones(3, "float32"), np.ones(3, "float32")) for _ in range(3)]
    opt = rule(params)
    opt.step()
    if rule is not optim.SGD:  # it keeps nothing that could not fit
        params[1].data = params[1].grad = np.ones(4, "float32")
        with pytest.raises(ShapeError, match="make a new optimizer"):
            opt.step()
    params[0].data.setflags(write=False)
    with pytest.raises(RangeError, match="read-only"):
        rule(params[:1]).step()


@adams
@pytest.mark.usefixtures("numpy_alone")
def test_nothing_stays_behind(rule):
    gc.collect()
    gc.disable()
    try:
        kept = len(fast.packs)
        opt = run(rule, {}, steps=2)
        assert len(fast.packs) == kept + 2  # one for each group
        del opt
        assert len(fast.packs) == kept
        assert gc.collect() == 0
    finally:
        gc.enable()
