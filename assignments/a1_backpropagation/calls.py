"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u = ∂L/∂y, drawn at random    dx = ∂L/∂x    ddx = ∂/∂x Σ (all first ones)²
A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

import minidl as md
from minidl import Tensor, ops


def leaf(x):
    """A Tensor that gradients shall reach."""
    return Tensor(x, requires_grad=True)


def gradients(y, u, **leaves):
    """Walk back from y, where ∂L/∂y = u; the answer is named by the leaves."""
    y.backward(u)
    return {f"d{n}": x.grad for n, x in leaves.items() if x.grad is not None}


def again(y, u, **leaves):
    """The gradient of the gradient: only a way back that speaks Tensor has one."""
    first = md.grad(y, list(leaves.values()), u, create_graph=True)
    total = sum((ops.sum(g * g) for g in first), start=Tensor(0.0, dtype=y.dtype))
    second = md.grad(total, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves, second, strict=True)
    return {f"dd{n}": g for n, g in pairs if g is not None}


# a1.1


def quotient(a, b):
    return {"y": ops.divide(a, b)}


def quotient_da(a, b, u):
    a = leaf(a)
    return gradients(ops.divide(a, b), u, a=a)


def quotient_db(a, b, u):
    b = leaf(b)
    return gradients(ops.divide(a, b), u, b=b)


def quotient_again(a, b, u):
    a, b = leaf(a), leaf(b)
    return again(ops.divide(a, b), u, a=a, b=b)


# a1.2


def summed(x, shape):
    return {"y": ops.sum_to(x, shape=tuple(int(n) for n in shape))}


def stretched(a, b, u):
    a, b = leaf(a), leaf(b)
    return gradients(a * b, u, a=a, b=b)


def summed_corners(x, cube, empty):
    return {
        "neighbors": ops.sum_to(cube, shape=(1, 1, cube.shape[2])),
        "same": ops.sum_to(x, shape=x.shape),
        "number": ops.sum_to(x, shape=()),
        "one": ops.sum_to(x[:1], shape=(1, x.shape[1])),
        "empty": ops.sum_to(empty, shape=(1, *empty.shape[1:])),
    }


# a1.3


def used_twice(x, c, u):
    x = leaf(x)
    return gradients(x * c + ops.exp(x), u, x=x)


def used_often(x, weights, u):
    x = leaf(x)
    h = ops.tanh(x)
    y = h
    for w in weights:
        y = y + h * w
    return gradients(y, u, x=x)


def neighbors(a, b, c, u):
    a, b = leaf(a), leaf(b)
    product = a * c
    total = a + b
    return {**gradients(total + product, u, a=a, b=b), "u": u}


def slices(x, z, w, u):
    x, z = leaf(x), leaf(z)
    y = ops.square(x).sum(axis=1)
    for t in range(len(w)):
        y = y + x[:, t] * z[:, t] * w[t]
    return gradients(y + ops.exp(z).sum(axis=1), u, x=x, z=z)


def used_twice_again(x, c, u):
    x = leaf(x)
    return again(x * c + ops.exp(x) + ops.sin(x), u, x=x)


# a1.4


def chain(x, c, u):
    x = leaf(x)
    y = x
    for k in c:
        y = ops.tanh(y * k)
    return gradients(y, u, x=x)


def diamond(x, depth, u):
    x = leaf(x)
    top = ops.exp(x)
    left = right = top
    for _ in range(int(depth)):
        left, right = ops.sin(left), ops.cos(right)
    return gradients((left * top) * (top * right) + ops.tanh(left), u, x=x)


def outputs(x, c, u):
    """Nodes with several outputs, and two ys with graphs of their own."""

    def made(x):
        rows = ops.unstack(x * c)
        y = rows[1] * rows[-1]  # not the first output, which some follow alone
        for row in rows[2:-1]:
            y = ops.sin(y) + row * rows[1]
        return y

    x, z = leaf(x), leaf(x)
    both = md.grad([ops.sum(z * c), made(z)], [z], [None, u])
    return gradients(made(x), u, x=x) | {"dz": both[0]}


def long_chain(x, c, u):
    x = leaf(x)
    y = x
    for k in c:
        y = y * float(k)
    return gradients(y, u, x=x)


def partway(x, c, u):
    x = leaf(x)
    h = ops.exp(x * c)
    dh, dx = md.grad(ops.sin(h) * h + x, [h, x], u)
    return {"dh": dh, "dx": dx}


# a1.5


def affine_dx(x, w, b, u):
    x = leaf(x)
    return gradients(ops.affine(x, w, b), u, x=x)


def affine_dw(x, w, b, u):
    w = leaf(w)
    return gradients(ops.affine(x, w, b), u, w=w)


def affine_db(x, w, b, u):
    b = leaf(b)
    return gradients(ops.affine(x, w, b), u, b=b)


def affine_all(x, w, b, u):
    x, w, b = leaf(x), leaf(w), leaf(b)
    return gradients(ops.affine(x, w, b), u, x=x, w=w, b=b)


def affine_again(x, w, u):
    x, w = leaf(x), leaf(w)
    return again(ops.affine(x, w), u, x=x, w=w)


# a1.6 and a1.7


def probabilities(x, axis=-1):
    return {"p": ops.softmax(x, axis=int(axis))}


def probabilities_dx(x, u, axis=-1):
    x = leaf(x)
    return gradients(ops.softmax(x, axis=int(axis)), u, x=x)


def probabilities_again(x, u):
    x = leaf(x)
    return again(ops.softmax(x), u, x=x)


# a1.8 and a1.9


def losses(x, labels):
    return {"y": ops.cross_entropy(x, labels, reduction="none")}


def loss(x, labels):
    return {"y": ops.cross_entropy(x, labels)}


def smoothed(x, labels, weight, smoothing):
    how = {"weight": weight, "label_smoothing": float(smoothing)}
    return {"y": ops.cross_entropy(x, labels, **how)}


def loss_dx(x, labels, u):
    x = leaf(x)
    return gradients(ops.cross_entropy(x, labels), u, x=x)


def losses_dx(x, labels, u):
    x = leaf(x)
    return gradients(ops.cross_entropy(x, labels, reduction="none"), u, x=x)


def weighted_dx(x, labels, weight, u):
    x = leaf(x)
    return gradients(ops.cross_entropy(x, labels, weight=weight), u, x=x)


def losses_again(x, labels, u):
    x = leaf(x)
    return again(ops.cross_entropy(x, labels, reduction="none"), u, x=x)


# a1.10


def hinge(x, labels, margin):
    y = ops.hinge_loss(x, labels, margin=float(margin), reduction="none")
    return {"y": y}


def hinge_dx(x, labels, margin, u):
    x = leaf(x)
    y = ops.hinge_loss(x, labels, margin=float(margin), reduction="none")
    return gradients(y, u, x=x)
