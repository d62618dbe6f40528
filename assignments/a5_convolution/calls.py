"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u = ∂L/∂y, drawn at random    dx = ∂L/∂x    ddx = ∂/∂x Σ (all first ones)²
Settings come as numbers or as arrays: (height, width), or a frame's
((top, bottom), (left, right)). A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

import math

import numpy as np

import minidl as md
from minidl import Tensor, data, nn, ops
from minidl.check import loops
from minidl.lab.transfer import nearest
from minidl.ops.windows import fitting, place


def leaf(x):
    """A Tensor that gradients shall reach."""
    return Tensor(x, requires_grad=True)


def gradients(y, u, **leaves):
    """Walk back from y, where ∂L/∂y = u; the answer is named by the leaves. And u."""
    u = np.resize(u, y.shape)  # repeats its numbers
    y.backward(u)
    found = {f"d{n}": x.grad for n, x in leaves.items() if x.grad is not None}
    return {**found, "u": u}


def again(y, u, **leaves):
    """The gradient of the gradient: only a way back that speaks Tensor has one."""
    u = np.resize(u, y.shape)
    first = md.grad(y, list(leaves.values()), u, create_graph=True)
    total = sum((ops.sum(g * g) for g in first), start=Tensor(0.0, dtype=y.dtype))
    second = md.grad(total, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves, second, strict=True)
    return {f"dd{n}": g for n, g in pairs if g is not None}


def plain(how):
    """Settings as the engine takes them: numbers, pairs, pairs of pairs."""

    def numbers(value):
        return tuple(map(numbers, value)) if np.ndim(value) else int(value)

    return {name: numbers(value) for name, value in how.items()}


# a5.1


def fit(settings):
    """Rows of settings: length, frame before and after, size, stride, dilation."""
    found = [
        fitting(length, (before, after), size, stride, dilation)
        for length, before, after, size, stride, dilation in settings.tolist()
    ]
    framed, reach, count = (np.array(numbers) for numbers in zip(*found, strict=True))
    return {"framed": framed, "reach": reach, "count": count}


# a5.2


def looped(x, w, b=None, **how):
    return {"y": loops.conv2d(x, w, b, **plain(how))}


# a5.3


def unfolded(x, **how):
    return {"y": ops.unfold(x, **plain(how)), "x": x}


# a5.4


def folded(numbers, n_c, **how):
    """The numbers, repeated, make the columns; they must stay as they were."""
    how, (n, c) = plain(how), n_c.tolist()
    image, size = how["output_size"], how["kernel_size"]
    at = place("fold", image, size, how["stride"], how["padding"], how["dilation"])
    columns = np.resize(numbers, (n, c * math.prod(size), math.prod(at.out)))
    return {"y": ops.fold(columns, **how), "columns": columns}


# a5.5, a5.6


def convolved(x, w, b=None, **how):
    return {"y": ops.conv2d(x, w, b, **plain(how))}


def convolved_all(x, w, u, b=None, **how):
    """All gradients, and u, which must stay as it was."""
    leaves = {"x": leaf(x), "w": leaf(w)} | ({} if b is None else {"b": leaf(b)})
    y = ops.conv2d(*leaves.values(), **plain(how))
    return gradients(y, u, **leaves)


def convolved_again(x, w, u, **how):
    x, w = leaf(x), leaf(w)
    return again(ops.conv2d(x, w, **plain(how)), u, x=x, w=w)


# a5.7, a5.8


def largest(x, **how):
    return {"y": ops.max_pool2d(x, **plain(how)), "x": x}


def largest_dx(x, u, **how):
    x = leaf(x)
    return gradients(ops.max_pool2d(x, **plain(how)), u, x=x)


def largest_du(x, u, **how):
    """The way back is linear in u: what is its own way back?"""
    return back_and_forth(lambda x: ops.max_pool2d(x, **plain(how)), x, u)


def back_and_forth(f, x, u):
    """The gradient by u of Σ dx²."""
    x = leaf(x)
    y = f(x)
    u = leaf(np.resize(u, y.shape))
    (dx,) = md.grad(y, x, u, create_graph=True)
    (du,) = md.grad(ops.sum(dx * dx), u)
    return {"du": du}


def mean(x, **how):
    return {"y": ops.avg_pool2d(x, **plain(how))}


def mean_dx(x, u, **how):
    x = leaf(x)
    return gradients(ops.avg_pool2d(x, **plain(how)), u, x=x)


def mean_real(x, u, **how):
    """Only pixels of the image count, none of the frame."""
    x = leaf(x)
    y = ops.avg_pool2d(x, count_include_pad=False, **plain(how))
    return {"y": y.data, **gradients(y, u, x=x)}


def mean_du(x, u, **how):
    return back_and_forth(lambda x: ops.avg_pool2d(x, **plain(how)), x, u)


# a5.9


def sights(sizes, strides, dilations):
    """A convolution for each row, one behind the other."""
    rows = zip(sizes.tolist(), strides.tolist(), dilations.tolist(), strict=True)
    layers = [
        nn.Conv2d(1, 1, tuple(size), tuple(stride), dilation=tuple(dilation))
        for size, stride, dilation in rows
    ]
    return reach(nn.Sequential(*layers))


def sights_of_pools(sizes):
    """Poolings, which step by their own size, and a convolution behind each."""
    layers = []
    for size in sizes.tolist():
        layers += [nn.MaxPool2d(tuple(size)), nn.ReLU(), nn.Conv2d(1, 1, tuple(size))]
    return reach(nn.Sequential(*layers))


def reach(net):
    """What receptive_fields says, as arrays (layers, 2)."""
    found = nn.receptive_fields(net)
    return {
        "sees": np.array([layer.sees for layer in found]),
        "apart": np.array([layer.apart for layer in found]),
    }


# a5.10


def adds(image, channels, size, stride=1, padding=0, groups=1):
    """Multiply-adds of a convolution with a bias, and of a batch norm behind it."""
    n_in, n_out = channels.tolist()
    how = plain({"stride": stride, "padding": padding, "groups": groups})
    conv = nn.Conv2d(n_in, n_out, tuple(size.tolist()), **how)
    net = nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU())
    rows = net.summary(tuple(image.tolist())).rows
    return {"adds": np.array([row.multiply_adds for row in rows])}


def adds_of_linear(shape, n_out):
    """A linear layer on the last axis of x."""
    net = nn.Linear(int(shape[-1]), int(n_out))
    return {"adds": np.array(net.summary(tuple(shape.tolist())).multiply_adds)}


# a5.11


def shifted(x, padding, seed, fill=0.0):
    move = data.RandomCrop(padding=int(padding), fill=float(fill))
    return {"y": move(x, rng=int(seed)), "x": x}


def cut_out(x, size, seed):
    return {"y": data.RandomCrop(tuple(size.tolist()))(x, rng=int(seed))}


def offsets(count, padding, seed):
    """Which places one bright pixel goes to, in many images."""
    p = int(padding)
    x = np.zeros((int(count), 1, 2 * p + 1, 2 * p + 1), np.float32)
    x[:, :, p, p] = 1
    y = data.RandomCrop(padding=p)(x, rng=int(seed))
    return {"places": np.unique(y.reshape(len(x), -1).argmax(axis=1))}


# a5.12


def pasted(x, labels, classes, alpha, seed):
    how = {"classes": int(classes), "alpha": float(alpha), "rng": int(seed)}
    images, soft = data.cutmix(x, labels, **how)
    return {"x": images, "y": soft}


def pasted_soft(x, q, alpha, seed):
    images, soft = data.cutmix(x, q, alpha=float(alpha), rng=int(seed))
    return {"x": images, "y": soft, "x_before": x, "q_before": q}


# a5.13

PATTERNS = ("1", "[01]", "3", "3.1", "[13].*")


def network(seed):
    """Two batch norms, one of them deeper, and dropout."""
    rng = np.random.default_rng(int(seed))
    return nn.Sequential(
        nn.Linear(3, 4, rng=rng), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=rng),
        nn.Sequential(nn.Linear(4, 4, rng=rng), nn.BatchNorm1d(4)),
    )  # fmt: skip


def look(net, x):
    """Gradients after one step of training (0 for none), and all that is remembered."""
    net(Tensor(x)).sum(axis=0)[0].backward()
    grads = [0 * p.data if p.grad is None else p.grad for p in net.parameters()]
    return {
        "learns": np.array([p.requires_grad for p in net.parameters()]),
        "grads": np.concatenate([np.ravel(g) for g in grads]),
        "statistics": np.concatenate(statistics(net)),
        "modes": np.array([m.training for m in net.modules()]),
    }


def statistics(net):
    """What the batch norms remember."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    return [m.running_mean.data for m in norms] + [m.running_var.data for m in norms]


def frozen(x, seed, pattern):
    net = network(seed).freeze(PATTERNS[int(pattern)])
    net.train()
    return look(net, x)


def frozen_late(x, seed, pattern):
    """Frozen in the midst of training: gradients are there already."""
    net = network(seed)
    look(net, x)
    net.freeze(PATTERNS[int(pattern)])
    old = [p.grad is not None for p in net.parameters()]
    return {"old": np.array(old), **look(net.train(), x)}


def thawed(x, seed, pattern):
    """Frozen twice in training, and unfrozen; again in training, unfrozen in eval."""
    net, name = network(seed), PATTERNS[int(pattern)]
    training = [
        m.training for m in net.freeze(name).freeze(name).unfreeze(name).modules()
    ]
    net.freeze(name).eval().unfreeze(name)
    evaluating = [m.training for m in net.modules()]
    return {
        "training": np.array(training), "evaluating": np.array(evaluating),
        **look(net.train(), x),
    }  # fmt: skip


# a5.14


def neighbors(x, k, among=None):
    return {"nearest": nearest(x, int(k), among=among)}


def neighbors_of_zero(x, k):
    """The others' neighbors, where one vector is 0 and at right angles to all."""
    x = x.copy()
    x[0] = 0
    return {"nearest": nearest(x, len(x) - 1)[1:]}
