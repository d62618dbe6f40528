"""The reference of the path "from nothing": a whole engine in one file, stage by stage.

It is written for readers who have finished the path, and is the one place where the
repository says again what stands in `minidl/`. Only NumPy and the standard library.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

# Stage 1: values


class Tensor:
    """An array that knows what it was computed from.

    data      the numbers, float64
    grad      ∂L/∂data, in the shape of data; zero until `backward`
    parents   the Tensors that it was computed from
    local     maps ∂L/∂self to ∂L/∂parent for each parent
    """

    __array_ufunc__ = None  # so that `array * tensor` asks our __rmul__

    def __init__(self, data, parents=(), local=None):
        self.data = np.array(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)
        self.parents, self.local = parents, local

    def __add__(self, other):
        other = tensor(other)
        return Tensor(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        other = tensor(other)
        a, b = self.data, other.data
        return Tensor(a * b, (self, other), lambda g: (g * b, g * a))

    __radd__, __rmul__ = __add__, __mul__

    # Stage 2: graph order

    def backward(self):
        """Add ∂(sum of self)/∂t to the grad of every Tensor t that self depends on."""
        grads = {id(self): np.ones_like(self.data)}
        for node in reversed(ordered(self)):
            g = grads.pop(id(node))
            node.grad = node.grad + g
            if node.local is not None:
                for parent, part in zip(node.parents, node.local(g), strict=True):
                    part = unbroadcast(part, parent.data.shape)
                    grads[id(parent)] = grads.get(id(parent), 0) + part

    # Stage 4: operations

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -tensor(other)

    def __rsub__(self, other):
        return tensor(other) + -self

    def __truediv__(self, other):
        other = tensor(other)
        a, b = self.data, other.data
        return Tensor(a / b, (self, other), lambda g: (g / b, -g * a / b**2))

    def __matmul__(self, other):
        """X W.    X (N, D), W (D, K) -> (N, K)."""
        x, w = self.data, other.data
        return Tensor(x @ w, (self, other), lambda g: (g @ w.T, x.T @ g))

    def sum(self, axis=None):
        """Σ over one axis, or over all."""
        shape = self.data.shape

        def local(g):
            g = g if axis is None else np.expand_dims(g, axis)
            return (np.broadcast_to(g, shape),)

        return Tensor(self.data.sum(axis=axis), (self,), local)


def tensor(x):
    """Return x if it is a Tensor, else a Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def ordered(last):
    """Return all that `last` depends on, every Tensor behind its parents, once.

    A loop with a stack of its own: Python's stack ends at about 1000 calls.
    """
    order, seen, stack = [], set(), [(last, False)]
    while stack:
        node, parents_done = stack.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(parent, False) for parent in node.parents]
    return order


# Stage 3: broadcasting


def unbroadcast(g, shape):
    """Sum g over the axes along which an array of `shape` was stretched."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    ones = tuple(i for i, n in enumerate(shape) if n == 1)
    return g.sum(axis=ones, keepdims=True)


# Stage 4: operations, those that are functions


def relu(x):
    """max(x, 0)."""
    positive = x.data > 0
    return Tensor(np.where(positive, x.data, 0.0), (x,), lambda g: (g * positive,))


def exp(x):
    """eˣ, which is its own derivative."""
    y = np.exp(x.data)
    return Tensor(y, (x,), lambda g: (g * y,))


def log(x):
    """The natural logarithm."""
    a = x.data
    return Tensor(np.log(a), (x,), lambda g: (g / a,))


def cross_entropy(scores, labels):
    """−(1/N) Σ log softmax(scores)[i, labels[i]].    scores (N, K), labels (N,)."""
    shifted = scores.data - scores.data.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows, n = np.arange(len(labels)), len(labels)

    def local(g):
        d = np.exp(log_p)
        d[rows, labels] -= 1
        return (g * d / n,)

    return Tensor(-log_p[rows, labels].sum() / n, (scores,), local)


# Stage 5: modules


class Module:
    """Something with parameters: its Tensors, and those of the Modules in it."""

    def __call__(self, x):
        """Return what `forward` makes of x."""
        return self.forward(x)

    def parameters(self):
        """Return the Tensors by their names, such as "first.w"."""
        found = {}
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                found[name] = value
            elif isinstance(value, Module):
                inner = value.parameters().items()
                found |= {f"{name}.{key}": parameter for key, parameter in inner}
        return found


class Linear(Module):
    """X w + b.    X (N, n_in), w (n_in, n_out), b (n_out,)."""

    def __init__(self, n_in, n_out, seed=0):
        rng = np.random.default_rng(seed)
        self.w = Tensor(rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in))
        self.b = Tensor(np.zeros(n_out))

    def forward(self, x):
        """Return the scores."""
        return x @ self.w + self.b


# Stage 6: the optimizer


class SGD:
    """v <- μ v + g, w <- w − lr v, with v = 0 at first."""

    def __init__(self, parameters, lr, momentum=0.0):
        self.parameters = list(parameters.values())
        self.lr, self.momentum = lr, momentum
        self.v = [np.zeros_like(p.data) for p in self.parameters]

    def zero_grad(self):
        """Set all gradients to zero."""
        for p in self.parameters:
            p.grad = np.zeros_like(p.data)

    def step(self):
        """Move every parameter once."""
        for i, p in enumerate(self.parameters):
            self.v[i] = self.momentum * self.v[i] + p.grad
            p.data = p.data - self.lr * self.v[i]


# Stage 7: the training loop


def fit(model, x, y, optimizer, epochs, batch=50, seed=0):
    """Train; return the loss of each epoch, a mean over its examples."""
    rng, losses = np.random.default_rng(seed), []
    for _ in range(epochs):
        order, total = rng.permutation(len(x)), 0.0
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            optimizer.zero_grad()
            loss = cross_entropy(model(Tensor(x[chosen])), y[chosen])
            loss.backward()
            optimizer.step()
            total += float(loss.data) * len(chosen)
        losses.append(total / len(x))
    return losses


# Stage 8: the checkpoint


def save(path, model):
    """Write the parameters, and before them the SHA-256 of what follows."""
    body = io.BytesIO()
    np.savez(body, **{name: p.data for name, p in model.parameters().items()})
    digest = hashlib.sha256(body.getvalue()).digest()
    Path(path).write_bytes(digest + body.getvalue())


def load(path, model):
    """Fill the parameters; raise ValueError, and fill none, if any does not fit."""
    content, parameters = Path(path).read_bytes(), model.parameters()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise ValueError(f"{path} is damaged: its checksum does not fit")
    arrays = dict(np.load(io.BytesIO(content[32:])))
    came = {name: array.shape for name, array in arrays.items()}
    fits = {name: p.data.shape for name, p in parameters.items()}
    if came != fits:
        raise ValueError(f"{path} holds {came}, but the model has {fits}")
    for name, p in parameters.items():
        p.data = arrays[name]
