"""JAX: the whole step compiled by jit; optimizers are a few lines each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks.workloads import HEADS, HIDDEN, LAYERS, LENGTH, Given

Step = Callable[[], Any]
Params = dict[str, Any]


def zeros(params: Params, n: int) -> tuple[Params, ...]:
    """Return what a rule remembers: n arrays for each parameter."""
    return tuple(jax.tree.map(jnp.zeros_like, params) for _ in range(n))


def adam(p: Any, g: Any, t: Any, m: Any, v: Any, lr: float = 1e-3) -> Any:
    """Adam, for one array."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    hat = m / (1 - 0.9**t)
    return p - lr * hat / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def adamw(p: Any, g: Any, t: Any, m: Any, v: Any) -> Any:
    """Adam with decoupled weight decay."""
    return adam(p * (1 - 1e-3 * 0.01), g, t, m, v)


def momentum(p: Any, g: Any, t: Any, v: Any, lr: float = 1e-3) -> Any:
    """v ← 0.9 v + g."""
    v = 0.9 * v + g
    return p - lr * v, v


def nesterov(p: Any, g: Any, t: Any, v: Any) -> Any:
    """Momentum that looks ahead."""
    v = 0.9 * v + g
    return p - 1e-3 * (g + 0.9 * v), v


def adagrad(p: Any, g: Any, t: Any, s: Any) -> Any:
    """Steps that shrink."""
    s = s + g * g
    return p - 1e-3 * g / (jnp.sqrt(s) + 1e-10), s


def rmsprop(p: Any, g: Any, t: Any, s: Any) -> Any:
    """A running mean of squares."""
    s = 0.99 * s + 0.01 * g * g
    return p - 1e-3 * g / (jnp.sqrt(s) + 1e-8), s


def adadelta(p: Any, g: Any, t: Any, s: Any, d: Any) -> Any:
    """Two running means."""
    s = 0.9 * s + 0.1 * g * g
    delta = jnp.sqrt(d + 1e-6) / jnp.sqrt(s + 1e-6) * g
    return p - 1e-3 * delta, s, 0.9 * d + 0.1 * delta * delta


def sgd(p: Any, g: Any, t: Any) -> Any:
    """Downhill."""
    return (p - 1e-3 * g,)


RULES: dict[str, tuple[Callable[..., Any], int]] = {
    "sgd": (sgd, 0), "momentum": (momentum, 1), "nesterov": (nesterov, 1),
    "adagrad": (adagrad, 1), "adadelta": (adadelta, 2), "rmsprop": (rmsprop, 1),
    "adam": (adam, 2),
}  # fmt: skip


def moved(rule: Any, params: Params, grads: Params, t: Any, slots: Any) -> Any:
    """Return the parameters and slots after a step of a rule."""
    new = {k: rule(p, grads[k], t, *(s[k] for s in slots)) for k, p in params.items()}
    columns = [{k: x[i] for k, x in new.items()} for i in range(1 + len(slots))]
    return columns[0], tuple(columns[1:])


def cross_entropy(scores: Any, labels: Any) -> Any:
    """Return the mean loss."""
    logs = jax.nn.log_softmax(scores)
    return -jnp.take_along_axis(logs, labels[..., None], axis=-1).mean()


def training(scores: Any, rule: Any, n_slots: int, given: Given) -> Step:
    """Return a step: scores, cross entropy, backward, the rule, all in one jit."""
    x, labels = jnp.array(given.data["x"]), jnp.array(given.data["labels"])

    @partial(jax.jit, donate_argnums=(0, 2))
    def go(params: Params, t: Any, slots: Any) -> Any:
        def loss(p: Params) -> Any:
            return cross_entropy(scores(p, x), labels)

        value, grads = jax.value_and_grad(loss)(params)
        return value, *moved(rule, params, grads, t, slots)

    params = {name: jnp.array(p) for name, p in given.params.items()}
    slots, t = zeros(params, n_slots), 0

    def step() -> float:
        nonlocal params, slots, t
        t += 1
        value, params, slots = jax.block_until_ready(go(params, float(t), slots))
        return float(value)

    return step


def mlp(p: Params, x: Any) -> Any:
    """Return scores."""
    last = len(p) // 2 - 1
    for i in range(last):
        x = jax.nn.relu(x @ p[f"w{i}"] + p[f"b{i}"])
    return x @ p[f"w{last}"] + p[f"b{last}"]


def conv(x: Any, w: Any, padding: int = 0, stride: int = 1) -> Any:
    """Convolve images (N, C, H, W)."""
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(
        x, w, (stride, stride), pads, dimension_numbers=("NCHW", "OIHW", "NCHW")
    )


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    """Normalize every channel over the batch."""
    axes = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    hat = (x - mean) * lax.rsqrt(var + 1e-5)
    return hat * gamma.reshape(shape) + beta.reshape(shape)


def max_pool(x: Any) -> Any:
    """Return the largest of every 2 x 2."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def cnn(p: Params, x: Any) -> Any:
    """Return scores."""
    for i in range(4):
        x = conv(x, p[f"w{i}"], padding=1)
        x = jax.nn.relu(batch_norm(x, p[f"gamma{i}"], p[f"beta{i}"]))
        x = max_pool(x) if i % 2 else x
    return x.reshape(len(x), -1) @ p["w"] + p["b"]


def lstm(p: Params, x: Any) -> Any:
    """Return scores at every time."""
    zx = (x @ p["wx"] + p["bias"]).swapaxes(0, 1)

    def one(state: Any, z: Any) -> Any:
        h, c = state
        i, f, o, g = jnp.split(z + h @ p["wh"], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((len(x), HIDDEN))
    hs = lax.scan(one, (start, start), zx)[1].swapaxes(0, 1)
    return hs @ p["w"] + p["b"]


def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    """Normalize every row."""
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * gamma + beta


def gpt(p: Params, tokens: Any) -> Any:
    """Return scores at every time."""
    x = p["embedding"][tokens] + p["positions"]
    n, t, d = x.shape
    late = np.triu(np.full((t, t), -np.inf, np.float32), 1)
    for i in range(LAYERS):
        h = layer_norm(x, p[f"{i}.norm1.gamma"], p[f"{i}.norm1.beta"])
        q, k, v = (
            (h @ p[f"{i}.w{c}"] + p[f"{i}.b{c}"])
            .reshape(n, t, HEADS, d // HEADS)
            .swapaxes(1, 2)
            for c in "qkv"
        )
        a = jax.nn.softmax(q @ k.swapaxes(2, 3) * (d // HEADS) ** -0.5 + late)
        y = (a @ v).swapaxes(1, 2).reshape(n, t, d)
        x = x + y @ p[f"{i}.wo"] + p[f"{i}.bo"]
        h = layer_norm(x, p[f"{i}.norm2.gamma"], p[f"{i}.norm2.beta"])
        h = jax.nn.gelu(h @ p[f"{i}.w1"] + p[f"{i}.b1"], approximate=True)
        x = x + h @ p[f"{i}.w2"] + p[f"{i}.b2"]
    return layer_norm(x, p["norm.gamma"], p["norm.beta"]) @ p["embedding"].T


def update(given: Given, rule: str) -> Step:
    """An optimizer alone."""
    f, n_slots = RULES[rule]
    params = {name: jnp.array(p) for name, p in given.params.items()}
    grads = {name: jnp.array(g) for name, g in given.data.items()}
    go = jax.jit(partial(moved, f), donate_argnums=(0, 3))
    slots, t = zeros(params, n_slots), 0

    def step() -> tuple[Any, ...]:
        nonlocal params, slots, t
        t += 1
        params, slots = jax.block_until_ready(go(params, grads, float(t), slots))
        return (params["w0"],)

    return step


def chain(given: Given) -> Step:
    """y ← y · c and y ← y + c in turn, and back; not compiled, for graphs change."""
    x, c, one = jnp.array(given.params["x"]), jnp.array(given.data["c"]), jnp.ones(4)

    def f(y: Any) -> Any:
        for _ in range(LENGTH // 2):
            y = y * c
            y = y + c
        return y

    def step() -> tuple[Any, ...]:
        y, back = jax.vjp(f, x)
        return jax.block_until_ready((y, back(one)[0]))  # type: ignore[no-any-return]

    return step


OPS: dict[str, Callable[..., Any]] = {
    "conv3x3-3": partial(conv, padding=1),
    "conv3x3-32": partial(conv, padding=1),
    "conv3x3-64": partial(conv, padding=1),
    "conv5x5-s2": partial(conv, padding=2, stride=2),
    "conv1x1": conv,
    "batch_norm2d": batch_norm,
    "batch_norm1d": batch_norm,
    "layer_norm": layer_norm,
    "max_pool": max_pool,
    "cross_entropy-1000": cross_entropy,
    "cross_entropy-10": cross_entropy,
    "gelu-tanh": partial(jax.nn.gelu, approximate=True),
    "gelu": partial(jax.nn.gelu, approximate=False),
    "elu": jax.nn.elu,
    "erf": lax.erf,
}


def single(given: Given, name: str) -> Step:
    """One op, forward and backward."""
    xs = [jnp.array(x) for x in given.params.values()]
    extra = [jnp.array(x) for x in given.data.values()]

    @jax.jit
    def go(*xs: Any) -> Any:
        y, back = jax.vjp(lambda *xs: OPS[name](*xs, *extra), *xs)
        return y, *back(jnp.ones_like(y))

    return lambda: jax.block_until_ready(go(*xs))


WORK: dict[str, Callable[[Given], Step]] = {
    "a": partial(training, mlp, adam, 2), "b": partial(training, mlp, adam, 2),
    "c": partial(training, cnn, partial(momentum, lr=0.01), 1),
    "d": partial(training, lstm, adam, 2), "e": partial(training, gpt, adamw, 2),
    "g": chain,
    **{f"f.{rule}": partial(update, rule=rule) for rule in RULES},
    **{f"h.{name}": partial(single, name=name) for name in OPS},
}  # fmt: skip
