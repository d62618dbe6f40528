"""Rows of ops/norm.py: the oracles gather each set of numbers that share a mean."""

import functools

import numpy as np

from minidl import ops
from tests.rows import Row, normal, positive

EPS = 1e-5


def first(op):
    """The op without its aux: statistics that nothing is differentiated through."""
    return functools.wraps(op)(lambda *xs, **settings: op(*xs, **settings)[0])


def unit(v, eps):
    return (v - v.mean()) / np.sqrt(v.var() + eps)


def channels(v, x):
    return 1 if v is None else v.reshape(-1, *[1] * (x.ndim - 2))


def batch(x, gamma=None, beta=None, eps=EPS):
    y = np.stack([unit(x[:, c], eps) for c in range(x.shape[1])], axis=1)
    return affine(y, gamma, beta, lambda v: channels(v, x))


def given(x, mean, var, gamma=None, beta=None, eps=EPS):
    mean, var = channels(mean, x), channels(var, x)
    y = (x - mean) / np.sqrt(var + eps)
    return affine(y, gamma, beta, lambda v: channels(v, x))


def layer(x, gamma=None, beta=None, n_axes=1, eps=EPS):
    shape = x.shape[x.ndim - n_axes :]
    y = np.array([unit(v, eps) for v in x.reshape(-1, np.prod(shape))])
    return affine(y.reshape(x.shape), gamma, beta)


def group(x, gamma=None, beta=None, num_groups=1, eps=EPS):
    y = [[unit(v, eps) for v in np.split(image, num_groups)] for image in x]
    return affine(np.reshape(y, x.shape), gamma, beta, lambda v: channels(v, x))


def rms(x, gamma=None, n_axes=1, eps=EPS):
    flat = x.reshape(*x.shape[: x.ndim - n_axes], -1)
    root = np.sqrt(np.mean(flat**2, axis=-1) + eps)
    return affine(x / root.reshape(*root.shape, *[1] * n_axes), gamma, None)


def affine(y, gamma, beta, shaped=lambda v: v):
    y = y if gamma is None else y * shaped(gamma)
    return y if beta is None else y + shaped(beta)


def instance(x, gamma=None, beta=None, eps=EPS):
    return group(x, gamma, beta, num_groups=x.shape[1], eps=eps)


def unit_length(x, axis=-1):
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


def cosine(a, b, axis=-1):
    lengths = np.linalg.norm(a, axis=axis) * np.linalg.norm(b, axis=axis)
    return (a * b).sum(axis) / lengths


def r(op, inputs, oracle, **settings):
    return Row(op, inputs, functools.partial(oracle, **settings), settings)


batch_norm = first(ops.batch_norm)
# an odd scale and shift, so that γ = 1 or β = 0 cannot pass for them
G3, B3, G4, B4 = positive(3), normal(3), positive(4), normal(4)
IMAGES = (normal(3, 4, 2, 3) * 2 + 1, G4, B4)

ROWS = [
    r(batch_norm, (normal(5, 3), G3, B3), batch),
    r(batch_norm, (normal(5, 3) * 3 + 1, None, None), batch),
    r(batch_norm, (normal(5, 3), G3, None), batch, eps=0.1),
    r(batch_norm, IMAGES, batch),
    r(batch_norm, (normal(2, 3, 4), G3, B3), batch),
    r(ops.batch_norm_eval, (normal(5, 3), normal(3), positive(3), G3, B3), given),
    r(ops.batch_norm_eval, (IMAGES[0], normal(4), positive(4), G4, B4), given, eps=0.1),
    r(ops.batch_norm_eval, (normal(1, 3), normal(3), positive(3), None, B3), given),
    r(ops.layer_norm, (normal(3, 4), G4, B4), layer),
    r(ops.layer_norm, (normal(2, 3, 4), G4, None), layer, eps=0.1),
    r(ops.layer_norm, (normal(2, 3, 4), positive(3, 4), normal(3, 4)), layer, n_axes=2),
    r(ops.layer_norm, (normal(3, 4), positive(3, 4), normal(3, 4)), layer, n_axes=2),
    r(ops.layer_norm, (normal(4), None, None), layer),
    r(ops.group_norm, IMAGES, group, num_groups=2),
    r(
        ops.group_norm,
        (normal(2, 6), positive(6), normal(6)),
        group,
        num_groups=3,
        eps=0.1,
    ),
    r(ops.group_norm, (normal(2, 4, 3), None, None), group, num_groups=1),
    r(ops.instance_norm, IMAGES, instance),
    r(ops.instance_norm, (normal(2, 3, 5), None, None), instance),
    r(ops.rms_norm, (normal(3, 4), G4), rms),
    r(ops.rms_norm, (normal(2, 3, 4), positive(3, 4)), rms, n_axes=2, eps=0.1),
    r(ops.rms_norm, (normal(4), None), rms),
    r(ops.normalize, (normal(3, 4),), unit_length),
    r(ops.normalize, (normal(3, 4, 2),), unit_length, axis=1),
    r(ops.cosine_similarity, (normal(3, 4), normal(3, 4)), cosine),
    r(ops.cosine_similarity, (normal(3, 4), normal(4)), cosine),
    r(ops.cosine_similarity, (normal(3, 4), normal(3, 4)), cosine, axis=0),
]
