"""Einstein's convention: name the axes, multiply, sum over names not in the result.

    einsum("ij,jk->ik", a, b)  is  yᵢₖ = Σⱼ aᵢⱼ bⱼₖ

Throughout:  xs operands    terms the labels of their axes    out the labels of y
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import functools
import itertools
import math
import string
from typing import Any

from minidl.engine.op import op
from minidl.engine.tensor import TensorLike, values
from minidl.errors import ShapeError
from minidl.ops.indexing import diagonal
from minidl.ops.reduce import sum
from minidl.ops.shape import reshape, transpose

__all__ = ["einsum"]


def einsum(subscripts: str, *operands: TensorLike) -> Any:
    """Sum products over named axes, as np.einsum does.

    "ij,jk->ik" is a matrix product, "ii->i" a diagonal, "bi,bj->bij" outer products;
    "..." stands for the axes that have no name. Without "->", the names that occur once
    make the result, in alphabetical order. Axes of length 1 stretch.
    """
    terms, out = _parse(subscripts, tuple(len(x.shape) for x in operands))
    lengths = _lengths(subscripts, operands, terms)
    pairs = [_on_the_diagonal(*pair) for pair in zip(operands, terms, strict=True)]
    pairs = [_squeezed(x, labels, lengths) for x, labels in pairs]
    terms = [labels for _, labels in pairs]
    xs, named = [], []
    for k, (x, labels) in enumerate(pairs):
        elsewhere = {*out, *itertools.chain(*terms[:k], *terms[k + 1 :])}
        lonely = tuple(i for i, c in enumerate(labels) if c not in elsewhere)
        xs.append(sum(x, axis=lonely) if lonely else x)
        named.append("".join(c for c in labels if c in elsewhere))
    if len(xs) == 1:
        return transpose(xs[0], axes=tuple(named[0].index(c) for c in out))
    return _einsum(*xs, terms=tuple(named), out=out)


@op
def _einsum(*xs, terms, out):
    """y = Σ Π xs, linear in every operand: dx is the einsum of g with all the others.

    No label twice in a term, and each of them in `out` or in another term.
    """
    y = _contract([values(x) for x in xs], terms, out)  # the way back needs no y

    def by(k):
        others, named = xs[:k] + xs[k + 1 :], terms[:k] + terms[k + 1 :]
        return lambda g: _einsum(g, *others, terms=(out, *named), out=terms[k])

    return y, tuple(by(k) for k in range(len(xs)))


# What the subscripts say


@functools.cache
def _parse(subscripts, ndims):
    """Return the labels of every operand and of the result, "..." spelled out."""
    text = subscripts.replace(" ", "")
    inputs, arrow, out = text.partition("->")
    terms = inputs.split(",")
    used = set(text) - set(",.->")
    if not used <= set(string.ascii_letters) or len(terms) != len(ndims):
        raise ShapeError(
            f"einsum: {subscripts!r} names {len(terms)} operands, and {len(ndims)} "
            'came; axes are named by letters, as in "ij,jk->ik"'
        )
    spare = "".join(c for c in string.ascii_letters if c not in used)
    widths = [n - len(t) + 3 for t, n in zip(terms, ndims, strict=True) if "..." in t]
    width = max(widths, default=0)
    terms = [_spelled(t, n, spare[:width]) for t, n in zip(terms, ndims, strict=True)]
    if not arrow:
        counts = "".join(terms)
        out = "..." + "".join(c for c in sorted(used) if counts.count(c) == 1)
    out = out.replace("...", spare[:width])
    if len(set(out)) < len(out) or not set(out) <= set("".join(terms)):
        raise ShapeError(
            f"einsum: the result of {subscripts!r} may name each axis of the operands "
            "once, and no other"
        )
    return terms, out


def _spelled(term, ndim, spare):
    """The labels of one operand, with letters for its "...", aligned at the right."""
    named = term.replace("...", "", 1)
    n = ndim - len(named)
    if n < 0 or "." in named or (n and "..." not in term):
        raise ShapeError(
            f"einsum: {term!r} names {len(named)} axes of an operand that has {ndim}; "
            'write "..." for axes without a name'
        )
    return term.replace("...", spare[len(spare) - n :])


def _lengths(subscripts, operands, terms):
    """Return the length of every label."""
    lengths: dict[str, int] = {}
    for x, labels in zip(operands, terms, strict=True):
        for c, n in zip(labels, x.shape, strict=True):
            if lengths.setdefault(c, n) == 1:
                lengths[c] = n
            elif n not in (1, lengths[c]):
                raise ShapeError(
                    f"einsum {subscripts!r}: axis {c!r} is {lengths[c]} long in one "
                    f"place and {n} in another (operands "
                    f"{', '.join(str(tuple(x.shape)) for x in operands)})"
                )
    return lengths


def _on_the_diagonal(x, labels):
    """Take the diagonal for a label that occurs twice, so that it occurs once."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            i, j = labels.index(c), labels.rindex(c)
            x, labels = diagonal(x, 0, i, j), _without(_without(labels, j), i) + c
    return x, labels


def _without(labels, i):
    return labels[:i] + labels[i + 1 :]


def _squeezed(x, labels, lengths):
    """Drop axes of length 1 that another operand stretches."""
    keep = [i for i, c in enumerate(labels) if x.shape[i] == lengths[c]]
    if len(keep) == len(labels):
        return x, labels
    return reshape(x, shape=tuple(x.shape[i] for i in keep)), "".join(
        labels[i] for i in keep
    )


# The computation, on plain arrays


def _contract(xs, terms, out):
    """Multiply two at a time, always the pair whose product is the smallest."""
    xs, terms = list(xs), list(terms)
    while len(xs) > 1:
        pairs = itertools.combinations(range(len(xs)), 2)
        _, i, j = min((_size(xs, terms, out, i, j), i, j) for i, j in pairs)
        rest = _left(terms, out, i, j)
        product = _pair(xs[i], terms[i], xs[j], terms[j], rest)
        for k in (j, i):
            del xs[k], terms[k]
        xs.append(product)
        terms.append(rest)
    return xs[0].transpose([terms[0].index(c) for c in out])


def _left(terms, out, i, j):
    """The labels of a product of two operands that somebody still asks for."""
    asked = {
        *out,
        *itertools.chain(*(t for k, t in enumerate(terms) if k not in (i, j))),
    }
    return "".join(c for c in dict.fromkeys(terms[i] + terms[j]) if c in asked)


def _size(xs, terms, out, i, j):
    lengths = dict(zip(terms[i] + terms[j], xs[i].shape + xs[j].shape, strict=True))
    return math.prod(lengths[c] for c in _left(terms, out, i, j))


def _pair(a, of_a, b, of_b, out):
    """One product, as a batch of them:    (B, N, D) @ (B, D, K) -> (B, N, K)."""
    lengths = dict(zip(of_a + of_b, a.shape + b.shape, strict=True))
    batch = [c for c in of_a if c in of_b and c in out]
    inner = [c for c in of_a if c in of_b and c not in out]
    rows = [c for c in of_a if c not in of_b]
    columns = [c for c in of_b if c not in of_a]
    n_b, n_d, n_n, n_k = (
        math.prod(lengths[c] for c in labels)
        for labels in (batch, inner, rows, columns)
    )
    a = a.transpose([of_a.index(c) for c in (*batch, *rows, *inner)])
    b = b.transpose([of_b.index(c) for c in (*batch, *inner, *columns)])
    a, b = a.reshape((n_b, n_n, n_d)), b.reshape((n_b, n_d, n_k))
    y = a @ b if inner else a * b
    labels = [*batch, *rows, *columns]
    y = y.reshape([lengths[c] for c in labels])
    return y.transpose([labels.index(c) for c in out])
