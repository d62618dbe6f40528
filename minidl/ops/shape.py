"""Laying numbers out: every function here is a linear map, and so is its transpose.

Throughout:  x input    y output    g = ∂L/∂y    the gradient of a linear map A is Aᵀ g
An axis may be negative: −1 is the last.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

import operator

from minidl.backend import namespace
from minidl.engine.op import op
from minidl.errors import RangeError, ShapeError
from minidl.ops.total import total

__all__ = [
    "broadcast_to", "expand_dims", "flip", "pad", "reshape", "roll", "squeeze",
    "sum_to", "swapaxes", "transpose", "tril", "triu",
]  # fmt: skip


def axes_of(axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes that `axis` names, counted from 0; None names all of them.

    >>> axes_of((0, -1), 3)
    (0, 2)
    """
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, int) and -ndim <= axis < ndim:
        return (axis % ndim,)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(operator.index(i) + ndim * (i < 0) for i in given)
    if any(not 0 <= i < ndim for i in axes):
        raise ShapeError(
            f"axis {axis} does not exist: x has {ndim} axes, numbered 0 … {ndim - 1} "
            f"or from the end −1 … −{ndim}"
            if ndim
            else f"axis {axis} does not exist: x is a single number and has no axes"
        )
    if len(set(axes)) < len(axes):
        raise ShapeError(f"axis {axis} names an axis twice")
    return axes


@op(linear=True)
def reshape(x, *, shape):
    """The same numbers, in the same order, in another shape; one length may be −1."""
    old = x.shape
    return x.reshape(shape), lambda g: reshape(g, shape=old)


@op(linear=True)
def transpose(x, *, axes=None):
    """Permute the axes; reverse them by default. The way back is the inverse order."""
    if axes is not None and len(axes) != x.ndim:
        raise ShapeError(
            f"transpose: {len(axes)} axes for x of shape {x.shape}; name all of them, "
            "in their new order, as in NumPy. x.swapaxes(1, 2) exchanges two"
        )
    y = x.transpose(axes)
    order = axes and axes_of(axes, x.ndim)
    back = order and tuple(sorted(range(len(order)), key=order.__getitem__))
    return y, lambda g: transpose(g, axes=back)


@op(linear=True)
def swapaxes(x, *, axis1, axis2):
    """Exchange two axes; once more, and all is as it was."""
    return x.swapaxes(axis1, axis2), lambda g: swapaxes(g, axis1=axis1, axis2=axis2)


@op(linear=True)
def squeeze(x, *, axis=None):
    """Drop axes of length 1: all of them, or those that `axis` names."""
    old = x.shape
    return x.squeeze(axis=axis), lambda g: reshape(g, shape=old)


@op(linear=True)
def expand_dims(x, *, axis):
    """Insert axes of length 1, so that they stand at `axis` in the result."""
    old = x.shape
    return namespace(x).expand_dims(x, axis), lambda g: reshape(g, shape=old)


@op(linear=True)
def broadcast_to(x, *, shape):
    """Repeat x until it has `shape`; its transpose sums over the copies."""
    old = x.shape
    return namespace(x).broadcast_to(x, shape), lambda g: sum_to(g, shape=old)


@op(linear=True)
def sum_to(x, *, shape):
    """Sum x down to `shape`: the transpose of broadcasting."""
    old, extra = x.shape, len(x.shape) - len(shape)
    # region a1.2: the copies that broadcasting made are added up again
    stretched = tuple(i + extra for i, n in enumerate(shape) if n != old[i + extra])
    y = total(x, (*range(extra), *stretched), keepdims=True).reshape(shape)
    # endregion
    return y, lambda g: broadcast_to(g, shape=old)


@op(linear=True)
def flip(x, *, axis=None):
    """Reverse the order along `axis`, or along all axes; twice, and it is undone."""
    return namespace(x).flip(x, axis), lambda g: flip(g, axis=axis)


@op(linear=True)
def roll(x, *, shift, axis=None):
    """Move everything `shift` places on; what falls off the end comes in in front.

    With tuples for both, each axis has its own shift; without axis, x is one long row.
    """
    if isinstance(shift, tuple) and (
        axis is None or not isinstance(axis, tuple) or len(axis) != len(shift)
    ):
        raise ShapeError(
            f"roll: {len(shift)} shifts need a tuple of as many axes, not {axis!r}; "
            "try roll(x, (1, 2), axis=(0, 1))"
        )
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    y = namespace(x).roll(x, shift, axis)
    return y, lambda g: roll(g, shift=back, axis=axis)


@op(linear=True)
def tril(x, *, k=0):
    """The lower triangle of the last two axes, up to diagonal k; 0 above it."""
    _need_matrix(x, "tril")
    return namespace(x).tril(x, k), lambda g: tril(g, k=k)


@op(linear=True)
def triu(x, *, k=0):
    """The upper triangle of the last two axes, from diagonal k on; 0 below it."""
    _need_matrix(x, "triu")
    return namespace(x).triu(x, k), lambda g: triu(g, k=k)


def _need_matrix(x, name):
    if x.ndim < 2:
        raise ShapeError(
            f"{name}: x {x.shape} is no matrix; it needs at least two axes"
        )


@op(linear=True)
def pad(x, *, width, value=0.0, mode="constant"):
    """Put a margin of `value` around x; the way back cuts it off.

    width   (before, after) for each axis; one pair or one number serves all axes
    mode    "constant"; or what the margin repeats of x: "reflect" what is inside of the
            edge, without the edge, "replicate" the edge, "circular" the other end. The
            way back adds the gradients of all copies
    """
    margins = _margins(width, x.ndim)
    if mode != "constant":
        _check_copies(x.shape, margins, mode)
        return _with_copies(x, margins, mode), lambda g: _add_copies(
            g, width=margins, mode=mode
        )
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, margins, strict=True))
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, margins, strict=True))
    y = namespace(x).full(shape, value, dtype=x.dtype)
    y[inner] = x
    return y, lambda g: _crop(g, width=margins)


@op(linear=True)
def _crop(x, *, width):
    """Cut a margin off: the transpose of padding with zeros."""
    inner = tuple(slice(a, n - b) for n, (a, b) in zip(x.shape, width, strict=True))
    return x[inner], lambda g: pad(g, width=width)


def _with_copies(x, margins, mode):
    """Put margins around x that repeat it, one axis after the other."""
    for axis, (before, after) in enumerate(margins):
        n, old = x.shape[axis], x
        if before or after:
            shape = (*x.shape[:axis], before + n + after, *x.shape[axis + 1 :])
            x = namespace(x).empty(shape, x.dtype)
            x[_at(axis, slice(before, before + n))] = old
            for i, source in _copies(n, before, after, mode):
                x[_at(axis, i)] = old[_at(axis, source)]
    return x


@op(linear=True)
def _add_copies(x, *, width, mode):
    """Cut margins off and add them to what they repeat: the transpose of that."""
    y = x
    for axis, (before, after) in list(enumerate(width))[::-1]:
        n, whole = y.shape[axis] - before - after, y
        if before or after:
            y = whole[_at(axis, slice(before, before + n))].copy()
            for i, source in _copies(n, before, after, mode):
                y[_at(axis, source)] += whole[_at(axis, i)]
    return y, lambda g: pad(g, width=width, mode=mode)


def _at(axis, i):
    return (slice(None),) * axis + (i,)


def _copies(n, before, after, mode):
    """Yield each place of the margins, and which of 0 … n − 1 stands there."""
    for i in (*range(-before, 0), *range(n, n + after)):
        if mode == "replicate":
            source = min(max(i, 0), n - 1)
        elif mode == "circular":
            source = i % n
        else:
            source = -i if i < 0 else 2 * (n - 1) - i
        yield i + before, source


def _check_copies(shape, margins, mode):
    if mode not in ("reflect", "replicate", "circular"):
        raise RangeError(
            'pad: mode is "constant", "reflect", "replicate" or "circular",'
            f" not {mode!r}"
        )
    for n, pair in zip(shape, margins, strict=True):
        most = {"reflect": n - 1, "circular": n}.get(mode, max(pair) if n else 0)
        if max(pair) > max(most, 0):
            raise ShapeError(
                f"pad: an axis of length {n} can be padded by at most {max(most, 0)} "
                f"in mode {mode!r}, not by {pair}; pad less, or try another mode"
            )


def _margins(width, ndim):
    """Return (before, after) for each of ndim axes."""
    if isinstance(width, int):
        width = (width, width)
    pairs = [tuple(pair) if hasattr(pair, "__len__") else pair for pair in width]
    if len(pairs) == 2 and all(isinstance(n, int) for n in pairs):
        pairs = [tuple(pairs)] * ndim
    if len(pairs) != ndim or any(
        not isinstance(p, tuple) or len(p) != 2 or min(p) < 0 for p in pairs
    ):
        raise ShapeError(
            f"pad: width={width} does not fit an x of {ndim} axes; give one number, "
            "one pair (before, after), or a pair for each axis, none of them negative"
        )
    return tuple(pairs)
