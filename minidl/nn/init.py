"""How weights start: large enough that a signal survives, small enough not to explode.

Each function draws an array of a shape; given a Tensor, it writes into that Tensor and
returns it. A layer multiplies the variance of a signal by n_in · Var(W) on its way
forward, and that of a gradient by n_out · Var(W) on its way back; most names below are
a choice between the two.

The `init=` of a layer is one of these functions, or its name. Hidden layers keep
He's variance, "kaiming_normal". The last layer of a classifier takes "head": equal
scores cost log K, and He's variance there would add half the variance of the scores to
the first loss. "torch" draws weight and bias as PyTorch does, so that settings tuned
there carry over.

Numbers are drawn on the host, in float64, and cast to the default dtype afterwards: one
seed gives the same weights on every device and, up to rounding, in every width.

shape  Linear (in, out), convolution (F, C, KH, KW)
rng    a Generator, a seed, or None for the next child of minidl.seed
gain   √(what the nonlinearity loses)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, overload

import numpy as np

from minidl import backend, foreign
from minidl.backend import Seed
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, RangeError, ShapeError

__all__ = [
    "calculate_gain", "constant", "fan", "head", "kaiming_normal", "kaiming_uniform",
    "lecun_normal", "normal", "ones", "orthogonal", "small_random", "torch", "uniform",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Shape = int | Sequence[int]
Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Initializer = Callable[..., Floats]  # called as init(shape, rng=rng)
P = ParamSpec("P")


class Filler(Protocol[P]):
    """A function that draws an array of a shape, or fills a Tensor in place."""

    @overload
    def __call__(self, shape: Shape, *args: P.args, **kwargs: P.kwargs) -> Floats: ...
    @overload
    def __call__(self, shape: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...


def fills(draw: Callable[Concatenate[Shape, P], Floats]) -> Filler[P]:
    """Let a function of a shape take a Tensor, too, and write into it.

    It keeps its dtype and its device, whether it requires a gradient or not.

    >>> zeros(Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """

    @wraps(draw)
    def fill(shape: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if not isinstance(shape, Tensor):
            return draw(shape, *args, **kwargs)
        drawn = draw(shape.shape, *args, **kwargs)
        shape.data[...] = backend.to_device(drawn.astype(shape.dtype), shape.device)
        shape.touch()
        return shape

    return fill


@fills
def zeros(shape: Shape, *, rng: Seed = None) -> Floats:
    """0: for biases. A layer whose weights are all 0 learns nothing."""
    return constant(shape, 0.0)


@fills
def ones(shape: Shape, *, rng: Seed = None) -> Floats:
    """1: for the scale of a normalization."""
    return constant(shape, 1.0)


@fills
def constant(shape: Shape, value: float = 0.0, *, rng: Seed = None) -> Floats:
    """Return `value` everywhere.

    >>> constant(2, 0.5)
    array([0.5, 0.5], dtype=float32)
    """
    return np.full(shape, value, dtype=backend.default_dtype())


@fills
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Seed = None
) -> Floats:
    """N(mean, std²)."""
    _positive(std=std)
    return _cast(mean + std * backend.generator(rng).standard_normal(shape))


@fills
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, rng: Seed = None
) -> Floats:
    """U(low, high)."""
    if not low <= high:
        raise RangeError(f"uniform: low {low} lies above high {high}; swap them")
    return _cast(low + (high - low) * backend.generator(rng).random(shape))


@fills
def small_random(shape: Shape, scale: float = 0.01, *, rng: Seed = None) -> Floats:
    """scale · N(0, 1): good for a shallow net; in a deep one every signal dies."""
    return normal(shape, 0.0, scale, rng=rng)


@fills
def xavier_uniform(shape: Shape, gain: float = 1.0, *, rng: Seed = None) -> Floats:
    """U(−a, a), a = gain √(6 / (fan_in + fan_out)).

    The middle between keeping the variance of signals and that of gradients, where
    units are about linear. Glorot & Bengio 2010, eq. 16.
    """
    bound = math.sqrt(3) * gain * _xavier_std(shape)
    return uniform(shape, -bound, bound, rng=rng)


@fills
def xavier_normal(shape: Shape, gain: float = 1.0, *, rng: Seed = None) -> Floats:
    """N(0, σ²), σ = gain √(2 / (fan_in + fan_out)).    Glorot & Bengio 2010, eq. 12."""
    return normal(shape, 0.0, gain * _xavier_std(shape), rng=rng)


@fills
def kaiming_uniform(
    shape: Shape,
    mode: str = "fan_in",
    nonlinearity: str = "relu",
    slope: float | None = None,
    *,
    rng: Seed = None,
) -> Floats:
    """U(−a, a), a = √3 gain / √fan: the variance of `kaiming_normal`."""
    bound = math.sqrt(3) * _kaiming_std(shape, mode, nonlinearity, slope)
    return uniform(shape, -bound, bound, rng=rng)


@fills
def kaiming_normal(
    shape: Shape,
    mode: str = "fan_in",
    nonlinearity: str = "relu",
    slope: float | None = None,
    *,
    rng: Seed = None,
) -> Floats:
    """N(0, σ²), σ = gain / √fan; for a ReLU σ² = 2 / fan_in.

    A ReLU drops half of its input, and the 2 makes up for it: variances stay, forward
    (mode "fan_in") or backward ("fan_out"). He et al. 2015, eq. 10 and 14; with a
    `slope` for leaky ReLU and PReLU, eq. 15.
    """
    return normal(shape, 0.0, _kaiming_std(shape, mode, nonlinearity, slope), rng=rng)


@fills
def lecun_normal(shape: Shape, *, rng: Seed = None) -> Floats:
    """N(0, 1 / fan_in): a sum of fan_in terms keeps their variance; also for SELU.

    LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", eq. 16.
    """
    return normal(shape, 0.0, 1 / math.sqrt(_fans(shape)[0]), rng=rng)


@fills
def head(shape: Shape, *, rng: Seed = None) -> Floats:
    """N(0, σ²), σ = √(2 / fan_in) / 10: the last layer of a classifier.

    A tenth of He's: scores begin nearly equal, and the first loss of K classes is close
    to log K; they are not 0, so that inputs differ and gradients reach what is below.
    """
    return normal(shape, 0.0, _kaiming_std(shape, "fan_in", "relu", None) / 10, rng=rng)


@fills
def torch(shape: Shape, *, rng: Seed = None) -> Floats:
    """U(−a, a), a = 1 / √fan_in, as PyTorch's Linear and Conv layers start.

    `init="torch"` draws their bias from the same interval. The variance, 1 / (3
    fan_in), is a sixth of He's: through ten layers of ReLU a signal all but vanishes.
    """
    bound = 1 / math.sqrt(_fans(shape)[0])
    return uniform(shape, -bound, bound, rng=rng)


@fills
def orthogonal(shape: Shape, gain: float = 1.0, *, rng: Seed = None) -> Floats:
    """gain · Q with orthonormal rows or columns, whichever are fewer.

    Any number of such layers keeps the length of a signal exactly, as long as they are
    linear. A convolution counts as the matrix (F, C · KH · KW). Saxe, McClelland &
    Ganguli 2014. The signs of R make Q uniform among all such matrices.

    >>> w = orthogonal((4, 2), rng=0)
    >>> bool(np.allclose(w.T @ w, np.eye(2), atol=1e-6))
    True
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(lengths) < 2:
        raise ShapeError(
            f"orthogonal: {lengths} is no matrix; it takes two axes or more"
        )
    if 0 in lengths:
        return zeros(lengths)
    rows, columns = lengths[0], math.prod(lengths[1:])
    tall = (max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(backend.generator(rng).standard_normal(tall))
    q = q * np.sign(np.diag(r))
    return _cast(gain * (q if rows >= columns else q.T).reshape(lengths))


def named(init: str | Initializer) -> Initializer:
    """Return the initializer of a name, or the function as it is.

    Raises RangeError for an unknown name, DTypeError for what is neither.
    """
    if isinstance(init, str):
        known = {name for name in __all__ if name not in ("calculate_gain", "fan")}
        if init not in known:
            raise RangeError(
                f"init={init!r} is unknown; there are {', '.join(sorted(known))}, or a "
                "function of (shape, rng=...)"
            )
        function: Initializer = globals()[init]
        return function
    if not callable(init):
        raise DTypeError(
            f"init={init!r} is no initializer; give a name such as "
            '"kaiming_normal", or a function of (shape, rng=...)'
        )
    return init if init in _ours() else _checked(init)


def _ours() -> list[Initializer]:
    return [globals()[name] for name in __all__]


def _checked(init: Initializer) -> Initializer:
    """Return a user's function whose weights have the shape, and the default dtype."""

    def drawn(shape: Shape, *, rng: Seed = None) -> Floats:
        weight = np.asarray(init(shape, rng=rng))
        wanted = (shape,) if isinstance(shape, int) else tuple(shape)
        if weight.shape != wanted:
            raise ShapeError(
                f"init={getattr(init, '__name__', init)} returned {weight.shape} for a "
                f"weight of shape {wanted}; return an array of the shape that it gets"
            )
        return _cast(weight)

    return drawn


def bias_for(init: str | Initializer, n: int, weight: Shape, rng: Seed) -> Floats:
    """Return the bias (n,) beside a weight: zeros, but for "torch".

    There it is U(−a, a), a = 1 / √fan_in of the weight.
    """
    if named(init) is not torch:
        return zeros(n)
    bound = 1 / math.sqrt(_fans(weight)[0])
    return uniform(n, -bound, bound, rng=rng)


def fan(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out): how many inputs a unit reads, how many units read one.

    Two axes are a Linear weight (in, out); more are a convolution (F, C / groups, K…),
    whose unit reads C / groups · K… numbers. PyTorch's Linear is (out, in), so that
    its two fans are these, swapped.

    >>> fan((784, 10)), fan((16, 3, 5, 5))
    ((784, 10), (75, 400))
    """
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(lengths) < 2:
        raise ShapeError(
            f"fan: {lengths} has no inputs and outputs to count; a weight has two axes "
            "(in, out) or is a convolution (F, C, K…). Biases start with init.zeros"
        )
    if len(lengths) == 2:
        return lengths[0], lengths[1]
    window = math.prod(lengths[2:])
    return lengths[1] * window, lengths[0] * window


def calculate_gain(nonlinearity: str, slope: float | None = None) -> float:
    """Return the factor for the weights that makes up for what a nonlinearity loses.

    1 for linear, conv and sigmoid, 5/3 for tanh, √2 for ReLU, √(2 / (1 + slope²)) for
    leaky ReLU (slope 0.01 unless given), 3/4 for SELU: PyTorch's table.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    gains = {
        "linear": 1.0,
        "conv": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + (0.01 if slope is None else slope) ** 2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise RangeError(
            f"no gain is known for {nonlinearity!r}; there are {', '.join(gains)}. "
            "Smooth relatives of the ReLU (ELU, GELU, SiLU) usually take 'relu'"
        )
    return gains[nonlinearity]


def _fans(shape: Shape) -> tuple[int, int]:
    """The fans, at least 1: an empty weight has nothing to scale."""
    fan_in, fan_out = fan(shape)
    return max(fan_in, 1), max(fan_out, 1)


def _xavier_std(shape: Shape) -> float:
    # region a2.11: a middle between what signals and gradients ask for
    fan_in, fan_out = _fans(shape)
    return math.sqrt(2 / (fan_in + fan_out))
    # endregion


def _kaiming_std(
    shape: Shape, mode: str, nonlinearity: str, slope: float | None
) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise RangeError(
            f"mode {mode!r} is unknown: 'fan_in' keeps the variance of signals, "
            "'fan_out' that of gradients"
        )
    # region a2.12: one of the two fans, and what the nonlinearity loses
    fan_in, fan_out = _fans(shape)
    gain = calculate_gain(nonlinearity, slope)
    return gain / math.sqrt(fan_in if mode == "fan_in" else fan_out)
    # endregion


def _positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value >= 0:
            raise RangeError(f"{name} is {value}; a spread is 0 or more")


def _cast(drawn: Floats) -> Floats:
    """Return what was drawn in float64 in the default dtype."""
    return np.asarray(drawn).astype(backend.default_dtype())


def __getattr__(name: str) -> Any:
    raise foreign.missing("minidl.nn.init", name, __all__)
