"""Steps of optimizers: the paper's formula, and what students write instead.

A step takes p, g, the state (a tuple of arrays) and t = 1, 2, …, and returns the new p
and the new state. η = 0.1, and an ε that can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bank.cases import Array

Step = Callable[[Array, Array, Any, int], tuple[Array, tuple[Array, ...]]]
LR, MU, B1, B2, EPS, DECAY = 0.1, 0.9, 0.9, 0.8, 0.05, 0.02


@dataclass(frozen=True)
class Rule:
    """A step that is not the paper's; `expect`: ideas of a right verdict."""

    name: str
    paper: Step
    slots: int
    step: Step
    expect: str


def momentum(p, g, s, t):
    """v ← μ v + g ;  p ← p − η v."""
    v = MU * s[0] + g
    return p - LR * v, (v,)


def nesterov(p, g, s, t):
    """v ← μ v + g ;  p ← p − η (g + μ v)."""
    v = MU * s[0] + g
    return p - LR * (g + MU * v), (v,)


def adagrad(p, g, s, t):
    """c ← c + g² ;  p ← p − η g / (√c + ε)."""
    c = s[0] + g * g
    return p - LR * g / (np.sqrt(c) + EPS), (c,)


def rmsprop(p, g, s, t):
    """c ← β c + (1 − β) g² ;  p ← p − η g / (√c + ε)."""
    c = B2 * s[0] + (1 - B2) * g * g
    return p - LR * g / (np.sqrt(c) + EPS), (c,)


def adam(p, g, s, t, b1=B1, correct=True, decay=0.0):
    """m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) ;  p ← p − η (m̂ / (√v̂ + ε) + λ p)."""
    m, v = b1 * s[0] + (1 - b1) * g, B2 * s[1] + (1 - B2) * g * g
    mh, vh = (m / (1 - b1**t), v / (1 - B2**t)) if correct else (m, v)
    return p - LR * (mh / (np.sqrt(vh) + EPS) + decay * p), (m, v)


def adamw(p, g, s, t):
    return adam(p, g, s, t, decay=DECAY)


# --- first half
def momentum_averages(p, g, s, t):
    v = MU * s[0] + (1 - MU) * g
    return p - LR * v, (v,)


def momentum_of_the_old_velocity(p, g, s, t):
    return p - LR * s[0], (MU * s[0] + g,)


def momentum_forgets(p, g, s, t):
    return p - LR * (MU * s[0] + g), s


def momentum_climbs(p, g, s, t):
    v = MU * s[0] + g
    return p + LR * v, (v,)


def nesterov_with_the_old_velocity(p, g, s, t):
    return p - LR * (g + MU * s[0]), (MU * s[0] + g,)


def adagrad_without_root(p, g, s, t):
    c = s[0] + g * g
    return p - LR * g / (c + EPS), (c,)


def adagrad_sums_g(p, g, s, t):
    c = s[0] + np.abs(g)
    return p - LR * g / (np.sqrt(c) + EPS), (c,)


def rmsprop_epsilon_under_the_root(p, g, s, t):
    c = B2 * s[0] + (1 - B2) * g * g
    return p - LR * g / np.sqrt(c + EPS), (c,)


def rmsprop_rates_exchanged(p, g, s, t):
    c = (1 - B2) * s[0] + B2 * g * g
    return p - LR * g / (np.sqrt(c) + EPS), (c,)


def adam_without_correction(p, g, s, t):
    return adam(p, g, s, t, correct=False)


def adam_counts_from_zero(p, g, s, t):
    return adam(p, g, s, t + 1)


def adam_decays_through_g(p, g, s, t):
    return adam(p, g + DECAY * p, s, t)


RULES_A = [
    Rule("momentum: an average", momentum, 1, momentum_averages, "scale | 1 − μ"),
    Rule("momentum: old v", momentum, 1, momentum_of_the_old_velocity, "time | stale"),
    Rule("momentum: v not kept", momentum, 1, momentum_forgets, "state | stale"),
    Rule("momentum: p grows", momentum, 1, momentum_climbs, "sign"),
    Rule("nesterov: old v", nesterov, 1, nesterov_with_the_old_velocity, "stale|time"),
    Rule("adagrad: no root", adagrad, 1, adagrad_without_root, "√|sqrt|root"),
    Rule("adagrad: |g|", adagrad, 1, adagrad_sums_g, "squar|²"),
    Rule("rmsprop: ε in √", rmsprop, 1, rmsprop_epsilon_under_the_root, "ε|eps"),
    Rule("rmsprop: β, 1 − β", rmsprop, 1, rmsprop_rates_exchanged, "order | β"),
    Rule("adam: no correction", adam, 2, adam_without_correction, "bias|correct|1 − β"),
    Rule("adam: t + 1", adam, 2, adam_counts_from_zero, "bias|correct|shift|step"),
    Rule("adamw: λ in g", adamw, 2, adam_decays_through_g, "decay|λ|decoupled"),
]


# --- second half
def adamax(p, g, s, t):
    """u ← max(β₂ u, |g|) ;  p ← p − η / (1 − β₁ᵗ) · m / (u + ε)."""
    m, u = B1 * s[0] + (1 - B1) * g, np.maximum(B2 * s[1], np.abs(g))
    return p - LR / (1 - B1**t) * m / (u + EPS), (m, u)


def adadelta(p, g, s, t):
    """Δ = −√(d + ε) / √(c + ε) g ;  d, c: averages of Δ² and g²."""
    c = B2 * s[0] + (1 - B2) * g * g
    step = -np.sqrt(s[1] + EPS) / np.sqrt(c + EPS) * g
    return p + step, (c, B2 * s[1] + (1 - B2) * step**2)


def adam_v_of_the_mean(p, g, s, t):
    m = B1 * s[0] + (1 - B1) * g
    v = B2 * s[1] + (1 - B2) * m * m
    return p - LR * m / (1 - B1**t) / (np.sqrt(v / (1 - B2**t)) + EPS), (m, v)


def adam_keeps_the_corrected(p, g, s, t):
    m, v = B1 * s[0] + (1 - B1) * g, B2 * s[1] + (1 - B2) * g * g
    mh, vh = m / (1 - B1**t), v / (1 - B2**t)
    return p - LR * mh / (np.sqrt(vh) + EPS), (mh, vh)


def adam_epsilon_under_the_root(p, g, s, t):
    m, v = B1 * s[0] + (1 - B1) * g, B2 * s[1] + (1 - B2) * g * g
    return p - LR * m / (1 - B1**t) / np.sqrt(v / (1 - B2**t) + EPS), (m, v)


def adam_one_beta_for_both(p, g, s, t):
    m, v = B1 * s[0] + (1 - B1) * g, B1 * s[1] + (1 - B1) * g * g
    return p - LR * m / (1 - B1**t) / (np.sqrt(v / (1 - B1**t)) + EPS), (m, v)


def adam_power_as_product(p, g, s, t):
    m, v = B1 * s[0] + (1 - B1) * g, B2 * s[1] + (1 - B2) * g * g
    mh, vh = m / abs(1 - B1 * t), v / abs(1 - B2 * t)
    return p - LR * mh / (np.sqrt(vh) + EPS), (m, v)


def adamw_decay_past_the_rate(p, g, s, t):
    stepped, kept = adam(p, g, s, t)
    return stepped - DECAY * p, kept


def adamax_adds(p, g, s, t):
    m, u = B1 * s[0] + (1 - B1) * g, B2 * s[1] + (1 - B2) * np.abs(g)
    return p - LR / (1 - B1**t) * m / (u + EPS), (m, u)


def adadelta_with_a_rate(p, g, s, t):
    c = B2 * s[0] + (1 - B2) * g * g
    step = -LR / np.sqrt(c + EPS) * g
    return p + step, (c, B2 * s[1] + (1 - B2) * step**2)


def adadelta_of_the_gradient(p, g, s, t):
    q, (c, _) = adadelta(p, g, s, t)
    return q, (c, B2 * s[1] + (1 - B2) * g * g)


def nesterov_steps_twice(p, g, s, t):
    v = MU * s[0] + g
    return p - LR * (g + v), (v,)


RULES_B = [
    Rule("adam: v of m", adam, 2, adam_v_of_the_mean, "point|g²|\\bm\\b"),
    Rule("adam: m̂ is kept", adam, 2, adam_keeps_the_corrected, "state|stale|correct"),
    Rule("adam: ε in √", adam, 2, adam_epsilon_under_the_root, "ε|eps"),
    Rule("adam: β₁ for β₂", adam, 2, adam_one_beta_for_both, "β|beta|order"),
    Rule("adam: βt for βᵗ", adam, 2, adam_power_as_product, "bias|correct|power"),
    Rule("adamw: λ without η", adamw, 2, adamw_decay_past_the_rate, "decay|λ|scale"),
    Rule("adamax: no maximum", adamax, 2, adamax_adds, "max"),
    Rule("adadelta: η for √d", adadelta, 2, adadelta_with_a_rate, "rate|√|root|Δ"),
    Rule("adadelta: d of g", adadelta, 2, adadelta_of_the_gradient, "point|Δ|step"),
    Rule(
        "nesterov: μ forgotten", nesterov, 1, nesterov_steps_twice, "μ|scale|momentum"
    ),
]


# --- right ones in other algebra
def momentum_in_place(p, g, s, t):
    v = s[0].copy()
    v *= MU
    v += g
    new = p.copy()
    new -= LR * v
    return new, (v,)


def nesterov_as_published(p, g, s, t):
    v = MU * s[0] + g
    return p - LR * (1 + MU) * g - LR * MU * MU * s[0], (v,)


def rmsprop_towards(p, g, s, t):
    c = s[0] + (1 - B2) * (g * g - s[0])
    return p - LR * (g / (c**0.5 + EPS)), (c,)


def adam_by_rate(p, g, s, t):
    """The paper's faster order: the corrections in the rate, and ε scaled with them."""
    m, v = s[0] + (1 - B1) * (g - s[0]), s[1] + (1 - B2) * (g**2 - s[1])
    root = (1 - B2**t) ** 0.5
    return p - LR * root / (1 - B1**t) * m / (np.sqrt(v) + EPS * root), (m, v)


def adamw_shrinks_first(p, g, s, t):
    stepped, kept = adam(p, g, s, t)
    return stepped - LR * DECAY * p, kept


RIGHT_RULES = [
    Rule("momentum in place", momentum, 1, momentum_in_place, ""),
    Rule("nesterov in g and the old v", nesterov, 1, nesterov_as_published, ""),
    Rule("rmsprop towards g²", rmsprop, 1, rmsprop_towards, ""),
    Rule("adam by its rate", adam, 2, adam_by_rate, ""),
    Rule("adamw shrinks first", adamw, 2, adamw_shrinks_first, ""),
]


def agrees_with_paper(rule: Rule, rng: np.random.Generator, steps: int = 4) -> bool:
    """Whether the step does as the paper says, from zero state, for the same g's."""
    p = q = rng.standard_normal(5)
    s = z = tuple(np.zeros(5) for _ in range(rule.slots))
    for t in range(1, steps + 1):
        g = rng.standard_normal(5)
        p, s = rule.paper(p, g, s, t)
        q, z = rule.step(q, g, z, t)
        if not np.allclose(p, q, rtol=1e-10):
            return False
    return True
