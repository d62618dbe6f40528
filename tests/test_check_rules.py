"""minidl.check.check_rule: optimizers against the formulas of their papers."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import check, optim
from minidl.errors import RangeError


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", optim.SGD), ("momentum", optim.Momentum), ("nesterov", optim.Nesterov),
        ("adagrad", optim.Adagrad), ("rmsprop", optim.RMSProp), ("adam", optim.Adam),
        ("adamw", optim.AdamW),
    ],
)  # fmt: skip
def test_minidl_follows_the_papers(name, kind):
    assert check.check_rule(kind, name).ok


def adam(**slip):
    """Adam as CS231n writes it, with one line of it replaced."""
    line = {
        "t": "t + 1",
        "m": "b1 * m + (1 - b1) * dw",
        "v": "b2 * v + (1 - b2) * dw**2",
        "mt": "m / (1 - b1**t)",
        "vt": "v / (1 - b2**t)",
        "w": "w - lr * mt / (np.sqrt(vt) + eps)",
        **slip,
    }

    def update(w, dw, config):
        names = {"np": np, "w": w, "dw": dw, "lr": config["learning_rate"]}
        names |= {
            "b1": config["beta1"],
            "b2": config["beta2"],
            "eps": config["epsilon"],
        }
        names |= {k: config.get(k, 0) for k in "mvt"}
        for key in ("t", "m", "v", "mt", "vt", "w"):
            names[key] = eval(line[key], {}, names)
        return names["w"], {**config, **{k: names[k] for k in "mvt"}}

    return update


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ({"mt": "m"}, r"has `m` where `m / \(1 - beta1 \*\* t\)`"),
        ({"v": "b2 * v + (1 - b2) * dw"}, r"\(1 - beta2\) \* g` where"),
        ({"w": "w - lr * mt / np.sqrt(vt + eps)"}, r"sqrt\(vhat \+ eps\)` where"),
        ({"w": "w - lr * mt / (vt + eps)"}, r"\(vhat \+ eps\)` where"),
        ({"w": "w + lr * mt / (np.sqrt(vt) + eps)"}, r"has `p \+ lr"),
        ({"m": "b2 * m + (1 - b2) * dw"}, r"has `beta2 \* m \+ \(1 - beta2\) \* g`"),
        ({"m": "b1 * m + dw"}, r"has `beta1 \* m \+ g`"),
        ({"vt": "v / (1 - b2**(t + 1))"}, r"t \+ 1"),
    ],
)
def test_a_mistake_in_a_rule_is_named(slip, says):
    assert check.check_rule(adam(), "adam").ok
    with pytest.raises(check.GradientError, match=says):
        check.check_rule(adam(**slip), "adam")


def test_a_formula_of_ones_own():
    lines = "v = momentum * v + g\np = p - lr * sqrt(abs(v))"

    def rule(w, dw, config):
        v = config["momentum"] * config.get("v", 0) + dw
        return w - config["lr"] * np.sqrt(abs(v)), {**config, "v": v}

    assert check.check_rule(rule, lines).ok
    assert not check.check_rule(rule, "momentum", raise_exception=False).ok
    with pytest.raises(RangeError, match="no rule is called 'adm'"):
        check.check_rule(rule, "adm")


def test_what_no_change_explains_is_only_said_to_be_wrong():
    odd = lambda w, dw, config: (w - np.sin(dw * 7) ** 2, config)  # noqa: E731
    report = check.check_rule(odd, "adam", raise_exception=False)
    assert report.faults == []
    assert "where the formula gives" in report.text
