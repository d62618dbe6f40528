"""The playground's Python, without a browser: the program that is shown is the run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

PYTHON = Path(__file__).parents[1] / "docs/playground/python"
START = {
    "data": "spirals", "n": 100, "noise": 0.1, "held": 0.25, "shift": 0, "center": False,
    "features": ["x", "y"], "layers": [8, 8], "activation": "ReLU", "points": [],
    "init": "kaiming_normal", "bias": 0, "norm": False, "optimizer": "Adam", "lr": 0.01,
    "schedule": "constant", "horizon": 60, "decay": 0, "dropout": 0, "batch": 25, "seed": 0,
}  # fmt: skip
OWN = [[-0.5, 0.1, 0], [-0.6, 0.2, 0], [0.5, 0.1, 2], [0.4, 0.0, 2]] * 2
CASES = {
    "as it starts": {},
    "circles, features": {"data": "circles", "features": ["x2", "y2", "xy", "sinx", "siny"]},
    "xor, tanh, cosine": {"data": "xor", "activation": "Tanh", "init": "xavier_normal",
                          "schedule": "cosine", "optimizer": "Nesterov"},
    "moons, centered": {"data": "moons", "shift": 10, "center": True, "schedule": "step"},
    "blobs, warm-up, decay": {"data": "blobs", "schedule": "warmup", "decay": 0.1,
                              "optimizer": "AdamW"},
    "batch norm, dropout": {"norm": True, "dropout": 0.3, "seed": 3},
    "own points": {"data": "own", "points": OWN, "batch": 3},
    "no hidden layer": {"layers": [], "optimizer": "SGD", "lr": 0.1},
    "biases": {"bias": -4},
    "small, RMSProp": {"init": "small_random", "optimizer": "RMSProp", "layers": [2]},
    "all zero": {"init": "zeros", "optimizer": "Adagrad"},
}  # fmt: skip


@pytest.fixture
def code(monkeypatch):
    """The module that the worker imports."""
    monkeypatch.syspath_prepend(str(PYTHON))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "run", raising=False)
    import run

    yield run
    sys.modules.pop("run")


@pytest.mark.parametrize("name", CASES)
def test_the_program_makes_the_same_run(name, code, capsys):
    settings = START | CASES[name]
    made = code.made(json.dumps(settings))
    epochs = 6
    steps = epochs * len(made.loader)
    made.train(1e9, steps)
    names: dict = {}
    exec(code.text(json.dumps(settings), steps), names)
    losses = names["history"].steps["loss"]
    assert np.array_equal(made.curves["loss"], np.asarray(losses, np.float64))
    for p, q in zip(made.model.parameters(), names["model"].parameters(), strict=True):
        assert np.array_equal(p.data, q.data)
    theirs = names["monitor"].warnings
    dead = "are dead"  # counted at each frame here, at the end of some epochs there
    assert [w for w in made.words if dead not in w] == [
        w for w in theirs if dead not in w
    ]
    assert capsys.readouterr().out
    look, shade = code.frame(made, 10)
    classes = 3 if settings["data"] in ("blobs", "own") else 2
    assert len(shade) == classes * 100
    assert json.loads(look)["steps"] == steps
    quick, same = code.frame(made, 10, False)  # most pictures have the step alone
    assert json.loads(quick).keys() == {"steps", "epoch", "broken", "rate"}
    assert same == shade


def test_figures_are_those_of_the_monitor(code):
    made = code.made(json.dumps(START))
    made.train(1e9, 18)
    names: dict = {}
    exec(code.text(json.dumps(START), 18), names)
    made.look()
    for name, layer in names["monitor"].layers.items():
        mine = made.layers[name]
        for figure in (
            "mean",
            "deviation",
            "saturation",
            "gradient",
            "update_ratio",
            "dead",
        ):
            a, b = getattr(mine, figure), getattr(layer, figure)
            assert a == pytest.approx(b, nan_ok=True), (name, figure)


def test_a_run_that_breaks_says_so_and_stops(code):
    settings = START | {"optimizer": "SGD", "lr": 100, "decay": 10}
    made = code.made(json.dumps(settings))
    made.train(1e9, 50)
    look = json.loads(code.frame(made, 10)[0])
    assert look["broken"]
    assert look["steps"] < 50
    assert look["loss"] is None
    assert any("the loss is NaN or infinite" in word for word in look["words"])


def test_expressions_become_pages(monkeypatch):
    monkeypatch.syspath_prepend(str(PYTHON))
    import steps

    made = json.loads(steps.page("sigmoid(w · x + b)", "x = 2, w = −1.5"))
    assert made["operations"] == 3
    for wrong, says in {
        "3": "nothing is computed",
        "foo(x)": "minidl.ops has no foo",
        "x +": "invalid syntax",
        "(lambda: x)()": "names, numbers",
        "x.__class__": "__class__ may not",
        "[1, 2] @ x": "matmul",
    }.items():
        with pytest.raises(steps.ExpressionError, match=says):
            steps.page(wrong, "")
    with pytest.raises(steps.ExpressionError, match="no number"):
        steps.page("x * x", "x = 'two'")
