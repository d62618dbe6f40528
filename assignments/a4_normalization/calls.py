"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u = ∂L/∂y, drawn at random    dx = ∂L/∂x    ddx = ∂/∂x Σ (all first ones)²
A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

import numpy as np

import minidl as md
from minidl import Tensor, data, nn, ops, optim
from minidl.train import EarlyStopping


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


# a4.1, a4.2


def batch(x, gamma, beta, eps):
    return {"y": ops.batch_norm(x, gamma, beta, eps=float(eps))[0]}


def batch_statistics(x, eps):
    y, mean, var = ops.batch_norm(x, eps=float(eps))
    return {"y": y, "mean": mean, "var": var}


def batch_all(x, gamma, beta, eps, u):
    """All three gradients, and u, which must stay as it is."""
    x, gamma, beta = leaf(x), leaf(gamma), leaf(beta)
    y = ops.batch_norm(x, gamma, beta, eps=float(eps))[0]
    return {**gradients(y, u, x=x, gamma=gamma, beta=beta), "u": u}


def batch_again(x, gamma, beta, eps, u):
    x, gamma = leaf(x), leaf(gamma)
    y = ops.batch_norm(x, gamma, beta, eps=float(eps))[0]
    return again(y, u, x=x, gamma=gamma)


# a4.3


def remembered(batches, momentum):
    """What a layer remembers after each of some batches; a momentum of 0 is None."""
    layer = nn.BatchNorm1d(batches.shape[2], momentum=float(momentum) or None)
    means, variances = [], []
    for x in batches:
        layer(Tensor(x))
        means.append(layer.running_mean.data.copy())
        variances.append(layer.running_var.data.copy())
    return {"means": np.stack(means), "variances": np.stack(variances)}


def remembered_images(batches, momentum):
    layer = nn.BatchNorm2d(batches.shape[2], momentum=float(momentum))
    for x in batches:
        layer(Tensor(x))
    return {"mean": layer.running_mean.data, "variance": layer.running_var.data}


# a4.4, a4.5


def layer(x, gamma, beta, eps):
    return {"y": ops.layer_norm(x, gamma, beta, eps=float(eps))}


def layer_plain(x, n_axes, eps):
    return {"y": ops.layer_norm(x, n_axes=int(n_axes), eps=float(eps))}


def layer_all(x, gamma, beta, eps, u):
    x, gamma, beta = leaf(x), leaf(gamma), leaf(beta)
    y = ops.layer_norm(x, gamma, beta, eps=float(eps))
    return {**gradients(y, u, x=x, gamma=gamma, beta=beta), "u": u}


def layer_again(x, gamma, beta, eps, u):
    x, gamma = leaf(x), leaf(gamma)
    return again(ops.layer_norm(x, gamma, beta, eps=float(eps)), u, x=x, gamma=gamma)


# a4.6, a4.7


def dropped(x, key, p):
    return {"y": ops.dropout(x, key, p=float(p)), "x": x}


def dropped_corners(x, key):
    none, every = ops.dropout(x, key, p=0.0), ops.dropout(x, key, p=1.0)
    return {"none": none, "every": every}


def dropped_channels(x, key, p):
    return {"y": ops.dropout(x, key, p=float(p), share=(2,))}


def dropped_dx(x, key, p, u):
    x = leaf(x)
    return {**gradients(ops.dropout(x, key, p=float(p)), u, x=x), "u": u}


def dropped_channels_dx(x, key, p, u):
    x = leaf(x)
    return gradients(ops.dropout(x, key, p=float(p), share=(2,)), u, x=x)


def dropped_du(x, key, p, u):
    """The way back is linear in u: what is its own way back?"""
    x, u = leaf(x), leaf(u)
    (dx,) = md.grad(ops.dropout(x, key, p=float(p)), x, u, create_graph=True)
    (du,) = md.grad(ops.sum(dx * dx), u)
    return {"du": du}


# a4.8


def shrunk(p, grads, lr, weight_decay):
    """Where p is after each step of gradient descent, and g, which stays."""
    p, points = leaf(p), []
    rule = optim.SGD([p], float(lr), weight_decay=float(weight_decay))
    for g in grads:
        p.grad = g
        rule.step()
        points.append(p.data.copy())
    return {"p": np.stack(points), "grads": grads}


def shrunk_with_momentum(p, grads, lr, weight_decay):
    p = leaf(p)
    rule = optim.Momentum([p], float(lr), weight_decay=float(weight_decay))
    for g in grads:
        p.grad = g
        rule.step()
    return {"p": p.data}


# a4.9


def smoothed(x, labels, smoothing):
    how = {"label_smoothing": float(smoothing), "reduction": "none"}
    return {"y": ops.cross_entropy(x, labels, **how)}


def smoothed_dx(x, labels, smoothing, u):
    x, how = leaf(x), {"label_smoothing": float(smoothing), "reduction": "none"}
    return gradients(ops.cross_entropy(x, labels, **how), u, x=x)


def smoothed_weighted(x, labels, smoothing, weight):
    how = {"label_smoothing": float(smoothing), "weight": weight}
    return {"y": ops.cross_entropy(x, labels, **how)}


def smoothed_dq(x, labels, smoothing, weight, u):
    q, how = leaf(labels), {"label_smoothing": float(smoothing), "reduction": "none"}
    return gradients(ops.cross_entropy(x, q, weight=weight, **how), u, q=q)


# a4.10


def mixed(x, labels, classes, alpha, seed):
    how = {"classes": int(classes), "alpha": float(alpha), "rng": int(seed)}
    images, soft = data.mixup(x, labels, **how)
    return {"x": images, "y": soft}


def mixed_soft(x, q, alpha, seed):
    images, soft = data.mixup(x, q, alpha=float(alpha), rng=int(seed))
    return {"x": images, "y": soft, "x_before": x, "q_before": q}


# a4.11


class Model:
    """What early stopping needs of a model: weights to take, and to give back."""

    weight = 0.0

    def state_dict(self):
        """Weights by their names."""
        return {"weight": np.array(self.weight)}

    def load_state_dict(self, state):
        """Take weights back."""
        self.weight = float(state["weight"])


class Training:
    """What early stopping needs of a Trainer."""

    def __init__(self):
        self.model, self.ending = Model(), "done"

    def stop(self):
        """End after this epoch."""
        self.ending = "stopped"


def stopped(metrics, patience, min_delta=0.0, rising=False, restore=True):
    """When it ends, what was best, and the weight (the number of its epoch) kept."""
    mode, training = "max" if rising else "min", Training()
    rule = EarlyStopping(
        "metric", int(patience), min_delta=float(min_delta), mode=mode,
        restore=bool(restore),
    )  # fmt: skip
    rule.on_begin(training)
    for epoch, metric in enumerate(metrics, 1):
        training.model.weight = float(epoch)
        rule.on_validation(training, {"epoch": epoch, "metric": float(metric)})
        if training.ending == "stopped":
            break
    rule.on_end(training)
    return {
        "epochs": np.array(epoch),
        "best": np.array(float("nan") if rule.best is None else rule.best),
        "best_epoch": np.array(rule.best_epoch),
        "weight": np.array(training.model.weight),
    }


# a4.12


def stepped(p, directions, lr, gradient):
    """Where p is after each step of AdamP, with gradients made for the p of now."""
    p, points = leaf(p), []
    rule = optim.AdamP([p], float(lr))
    for direction in directions:
        p.grad = gradient(p.data, direction).astype(p.dtype)
        rule.step()
        points.append(p.data.copy())
    return {"p": np.stack(points)}


def turned(p, directions, lr):
    """Gradients at right angles to every column of a matrix, to every kernel."""
    axes = (0,) if p.ndim == 2 else (1, 2, 3)
    return stepped(p, directions, lr, lambda w, d: at_right_angles(w, d, axes))


def turned_whole(p, directions, lr):
    """Gradients at right angles to all of p, but to no column of it."""

    def gradient(w, d):
        signs = np.where(np.arange(w.shape[1]) % 2, -1.0, 1.0)
        return at_right_angles(w, 4 * w * signs + d / 8, None)

    return stepped(p, directions, lr, gradient)


def straight(p, directions, lr):
    """Gradients along the weights."""
    return stepped(p, directions, lr, lambda w, d: w + d / 8)


def at_right_angles(w, d, axes):
    """Return d without its part along w."""
    along = (w * d).sum(axis=axes, keepdims=True) / (w * w).sum(
        axis=axes, keepdims=True
    )
    return d - along * w
