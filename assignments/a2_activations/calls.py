"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u = ∂L/∂y, drawn at random    dx = ∂L/∂x    ddx = ∂/∂x Σ (∂L/∂x)²
A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

import numpy as np

import minidl as md
from minidl import Tensor, ops
from minidl.data import preprocess
from minidl.nn import init

NONLINEARITIES = ("linear", "relu", "tanh", "selu")


def slope(op, x, u, **settings):
    """∂L/∂x of y = op(x), where ∂L/∂y = u."""
    x = Tensor(x, requires_grad=True)
    op(x, **settings).backward(u)
    return {} if x.grad is None else {"dx": x.grad}


def curvature(op, x, u, **settings):
    """The gradient of the gradient: only a way back that speaks Tensor has one."""
    x = Tensor(x, requires_grad=True)
    (dx,) = md.grad(op(x, **settings), x, u, create_graph=True)
    (ddx,) = md.grad(ops.sum(dx * dx), x)
    return {"ddx": ddx}


def strict():
    """A context in which an overflow is an error and no mere warning."""
    return np.errstate(over="raise")


# a2.1, a2.2


def logistic(x):
    return {"y": ops.sigmoid(x)}


def logistic_far(x):
    with strict():
        return {"y": ops.sigmoid(x)}


def logistic_dx(x, u):
    return slope(ops.sigmoid, x, u)


def logistic_again(x, u):
    return curvature(ops.sigmoid, x, u)


# a2.3


def tanh(x):
    return {"y": ops.tanh(x)}


def tanh_dx(x, u):
    return slope(ops.tanh, x, u)


def tanh_far(x, u):
    with strict():
        return {"y": ops.tanh(x), **slope(ops.tanh, x, u)}


def tanh_again(x, u):
    return curvature(ops.tanh, x, u)


# a2.4


def rectified(x):
    return {"y": ops.relu(x), "x": x}


def rectified_dx(x, u):
    return {**slope(ops.relu, x, u), "u": u}


# a2.5


def leaky(x, s):
    """One slope, or several."""
    slopes = s.reshape(-1).tolist()
    return {f"y{i}": ops.leaky_relu(x, negative_slope=v) for i, v in enumerate(slopes)}


def leaky_dx(x, s, u):
    made = {}
    for i, v in enumerate(s.reshape(-1).tolist()):
        found = slope(ops.leaky_relu, x, u, negative_slope=v)
        made |= {f"{name}{i}": value for name, value in found.items()}
    return made


# a2.6


def exponential(x, alpha):
    return {"y": ops.elu(x, alpha=float(alpha))}


def exponential_dx(x, alpha, u):
    return slope(ops.elu, x, u, alpha=float(alpha))


def exponential_far(x, alpha, u):
    with strict():
        return {**exponential(x, alpha), **exponential_dx(x, alpha, u)}


def exponential_again(x, alpha, u):
    return curvature(ops.elu, x, u, alpha=float(alpha))


# a2.7


def largest(x, pieces, axis=-1):
    return {"y": ops.maxout(x, pieces=int(pieces), axis=int(axis))}


def largest_dx(x, pieces, u, axis=-1):
    return slope(ops.maxout, x, u, pieces=int(pieces), axis=int(axis))


# a2.8


def centered(x, new):
    center = preprocess.ZeroCenter().fit(x)
    return {"mean": center.mean, "z": center(new)}


def centered_channels(x, new):
    center = preprocess.ZeroCenter(per="channel").fit(x)
    return {"mean": center.mean, "z": center(new)}


# a2.9


def directions(x, k):
    p = preprocess.PCA(int(k)).fit(x)
    return {"components": p.components}


def variances(x, k):
    p = preprocess.PCA(int(k)).fit(x)
    return {"variances": p.variances, "explained": p.explained}


def few_samples(x, k):
    return {**directions(x, k), **variances(x, k)}


def projected(x, new, k):
    p = preprocess.PCA(int(k)).fit(x)
    return {"mean": p.mean, "z": p(new), "x": p.inverse(p(new))}


# a2.10


def white(x, new, k, eps):
    p = preprocess.Whiten(int(k), eps=float(eps)).fit(x)
    z = p(x)
    return {"z": z, "new": p(new), "covariance": z.T @ z / (len(x) - 1)}


def white_images(x, new, eps):
    return {"z": preprocess.Whiten(eps=float(eps), zca=True).fit(x)(new)}


# a2.11, a2.12: what the numbers of a generator were multiplied by


def xavier(shape):
    return {"w": init.xavier_normal(tuple(shape), rng=0)}


def xavier_std(shape):
    shape = tuple(shape)
    return {"std": init.xavier_normal(shape, rng=0) / init.normal(shape, rng=0)}


def xavier_bound(shape):
    shape = tuple(shape)
    unit = init.uniform(shape, -1, 1, rng=0)
    return {"bound": init.xavier_uniform(shape, rng=0) / unit}


def he(shape):
    return {"w": init.kaiming_normal(tuple(shape), rng=0)}


def he_std(shape, out, nonlinearity=1):
    shape, mode = tuple(shape), "fan_out" if out else "fan_in"
    w = init.kaiming_normal(shape, mode, NONLINEARITIES[int(nonlinearity)], rng=0)
    return {"std": w / init.normal(shape, rng=0)}


def he_leaky(shape, s):
    shape = tuple(shape)
    w = init.kaiming_normal(shape, "fan_in", "leaky_relu", float(s), rng=0)
    return {"std": w / init.normal(shape, rng=0)}


def he_bound(shape, out):
    shape, mode = tuple(shape), "fan_out" if out else "fan_in"
    unit = init.uniform(shape, -1, 1, rng=0)
    return {"bound": init.kaiming_uniform(shape, mode, rng=0) / unit}
