"""Save at step 50, load in a new process, go on: the same bits as without a break.

This file is also the program of that process: `python test_optim_state.py FOLDER`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl import Tensor, optim
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.optim import schedules

pytestmark = pytest.mark.quick

HALF, STEPS = 50, 100
SHAPES = {"fc.weight": (6, 4), "fc.bias": (4,), "conv.weight": (3, 2, 2, 2), "s": ()}
RULES = {
    "SGD": {},
    "Momentum": {"dampening": 0.5},
    "Nesterov": {},
    "Adagrad": {"lr_decay": 0.1, "initial": 0.1},
    "Adadelta": {},
    "RMSProp": {"centered": True, "momentum": 0.5},
    "Adam": {},
    "Adam+amsgrad": {"amsgrad": True},
    "AdamW": {},
    "AdamP": {},
    "NAdam": {},
    "Adamax": {},
}
CASES = [(rule, dtype) for rule in RULES for dtype in ("float32", "float64")]


class Run:
    """Parameters, an optimizer with a schedule and two groups, and an EMA."""

    def __init__(self, rule, dtype):
        draw = np.random.default_rng(5)
        self.dtype = dtype
        self.named = [
            (name, Tensor(draw.normal(size=shape).astype(dtype), requires_grad=True))
            for name, shape in SHAPES.items()
        ]
        lr = schedules.warmup(20, schedules.cosine_restarts(0.05, 25, lr_min=0.001))
        groups = optim.no_decay(self.named, 0.05)
        self.opt = getattr(optim, rule.split("+")[0])(groups, lr=lr, **RULES[rule])
        self.ema = optim.EMA(self.named, decay=0.9)
        self.plateau = optim.ReduceOnPlateau(self.opt, patience=4, factor=0.9)

    def go(self, start, stop):
        for step in range(start, stop):
            draw = np.random.default_rng(step)
            for name, p in self.named:
                noise = np.asarray(draw.normal(size=p.shape), self.dtype)
                p.grad = (p.data - 1) * np.asarray(0.5, self.dtype) + noise
                if name == "fc.bias" and step % 7 == 0:
                    p.grad = None
            self.opt.step()
            self.ema.update()
            self.plateau.step(draw.normal())
        return self

    def states(self):
        weights = {name: p.data for name, p in self.named}
        states = {"opt": self.opt, "ema": self.ema, "plateau": self.plateau}
        return {"weights": weights} | {k: v.state_dict() for k, v in states.items()}

    def load(self, states):
        for name, p in self.named:
            p.data[...] = states["weights"][name]
        self.opt.load_state_dict(states["opt"])
        self.ema.load_state_dict(states["ema"])
        self.plateau.load_state_dict(states["plateau"])
        return self


def write(path, states):
    """Arrays in one file, everything else as JSON: no pickle anywhere."""
    flat = {f"{k}/{key}": x for k, state in states.items() for key, x in state.items()}
    arrays = {k: x for k, x in flat.items() if isinstance(x, np.ndarray)}
    rest = {k: x for k, x in flat.items() if k not in arrays}
    np.savez(path.with_suffix(".npz"), **arrays)
    path.with_suffix(".json").write_text(json.dumps(rest))


def read(path):
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        flat = dict(arrays) | json.loads(path.with_suffix(".json").read_text())
    states = {}
    for key, value in flat.items():
        kind, name = key.split("/", 1)
        states.setdefault(kind, {})[name] = value
    return states


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """Save all runs at half time, and let one new process finish them."""
    folder = tmp_path_factory.mktemp("states")
    for rule, dtype in CASES:
        write(folder / f"{rule}-{dtype}", Run(rule, dtype).go(0, HALF).states())
    home = str(Path(optim.__file__).parents[2])
    path = os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": path})
    return folder


@pytest.mark.parametrize(("rule", "dtype"), CASES)
def test_a_new_process_goes_on_bit_by_bit(continued, rule, dtype):
    expected = Run(rule, dtype).go(0, STEPS).states()
    got = read(continued / f"{rule}-{dtype}-done")
    assert got.keys() == expected.keys()
    for kind, state in expected.items():
        assert got[kind].keys() == state.keys()
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == dtype
                assert got[kind][name].tobytes() == value.tobytes(), f"{kind} {name}"
            else:
                assert got[kind][name] == value, f"{kind} {name}"
    half = read(continued / f"{rule}-{dtype}")["weights"]
    assert all((half[n] != expected["weights"][n]).any() for n in SHAPES)
    assert min(expected["opt"]["lr_scale"]) < 1


def test_it_fits_into_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    state = Run("NAdam", "float32").go(0, 3).opt.state_dict()
    arrays = {k: x for k, x in state.items() if isinstance(x, np.ndarray)}
    safetensors.save_file(arrays, tmp_path / "opt.safetensors")
    again = Run("NAdam", "float32")
    rest = json.loads(json.dumps({k: x for k, x in state.items() if k not in arrays}))
    again.opt.load_state_dict(
        rest | safetensors.load_file(tmp_path / "opt.safetensors")
    )
    assert again.opt.t == 3


def test_a_state_is_a_snapshot():
    run = Run("Adam", "float32").go(0, 5)
    state = run.opt.state_dict()
    copies = {k: x.copy() for k, x in state.items() if isinstance(x, np.ndarray)}
    run.go(5, 10)
    assert all((state[k] == x).all() for k, x in copies.items())
    other = Run("Adam", "float32")
    other.opt.load_state_dict(state)
    other.go(5, 6)
    assert all((state[k] == x).all() for k, x in copies.items())


def test_numbers_come_back_and_schedules_stay():
    def make(lr):
        return optim.SGD([Tensor([1.0], requires_grad=True)], lr, weight_decay=0.5)

    saved = make(0.1)
    saved.lr, saved.groups[0].weight_decay = 0.025, 0.25
    state = saved.state_dict()
    number, schedule = make(0.1), make(schedules.constant(0.7))
    number.load_state_dict(state)
    schedule.load_state_dict(state)
    assert (number.lr, number.groups[0].weight_decay) == (0.025, 0.25)
    assert schedule.lr == 0.7


def test_a_state_that_does_not_fit_is_refused():
    state = Run("Adam", "float32").go(0, 3).opt.state_dict()

    def ours(changes, rule="Adam", dtype="float32"):
        opt = Run(rule, dtype).opt
        before = opt.state_dict()
        try:
            opt.load_state_dict(
                {k: x for k, x in (state | changes).items() if x is not None}
            )
        finally:
            assert opt.state_dict() == before, "a failed load changes nothing"

    with pytest.raises(RangeError, match="saved by Adam, and SGD keeps other slots"):
        ours({}, rule="SGD")
    with pytest.raises(RangeError, match="3 parameters, this Adam has 4"):
        ours({"steps": [3, 3, 3]})
    with pytest.raises(RangeError, match="1 groups, this Adam has 2"):
        ours({"lr": ["schedule"]})
    with pytest.raises(
        RangeError, match=r"is conv.weight, and the state has fc.weight"
    ):
        ours({"names": ["fc.weight", "fc.weight", "fc.bias", "s"]})
    with pytest.raises(RangeError, match=r"no slots.1.v"):
        ours({"slots.1.v": None})
    with pytest.raises(ShapeError, match=r"slots.0.m has shape \(2,\)"):
        ours({"slots.0.m": np.zeros(2, "float32")})
    with pytest.raises(DTypeError, match=r"slots.0.m is float32, but .* float64"):
        ours({}, dtype="float64")


def main(folder):
    for rule, dtype in CASES:
        run = Run(rule, dtype).load(read(folder / f"{rule}-{dtype}"))
        write(folder / f"{rule}-{dtype}-done", run.go(HALF, STEPS).states())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
