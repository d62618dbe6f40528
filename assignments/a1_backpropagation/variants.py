"""Right answers that are written in another way: each must keep all its points."""

from minidl_course import Variant

# fmt: off
VARIANTS = [
    Variant("a1.1", "the quotient kept, and used again", """
        + y = a / b
        + return y, (lambda g: g / b, lambda g: -(g * y) / b)
    """),
    Variant("a1.1", "a times a power of b", """
        + return a * b ** -1.0, (lambda g: g * b ** -1.0, lambda g: -a * g * b ** -2.0)
    """),
    Variant("a1.2", "one axis after the other, the last first", """
        + y = x
        + for axis in reversed(range(len(old))):
        +     if axis < extra or shape[axis - extra] != old[axis]:
        +         y = y.sum(axis=axis, keepdims=True)
        + y = y.reshape(shape)
    """),
    Variant("a1.2", "every axis of length 1, copied or not", """
        + ones = tuple(i + extra for i, n in enumerate(shape) if n == 1)
        + y = x.sum(axis=(*range(extra), *ones), keepdims=True).reshape(shape)
    """),
    Variant("a1.2", "in float64", """
        + y = x.astype("float64")
        + for _ in range(extra):
        +     y = y.sum(axis=0)
        + for axis, n in enumerate(shape):
        +     if n == 1:
        +         y = y.sum(axis=axis, keepdims=True)
        + y = y.astype(x.dtype)
    """),
    Variant("a1.3", "a new array each time", """
        + new = g.dense() if type(g) is Scatter else g
        + return old + new
    """),
    Variant("a1.3", "in place by a copy", """
        + new = g.dense() if type(g) is Scatter else g
        + if isinstance(old, Tensor):
        +     return old + new
        + total = old if ours else old.copy()
        + total += new
        + return total
    """),
    Variant("a1.4", "breadth first", """
        - node = waiting.pop()
        + node = waiting.pop(0)
    """),
    Variant("a1.4", "a set, sorted at the end", """
        + found = {y.node for y in ys} - {None}
        + waiting = list(found)
        + while waiting:
        +     new = {to for to in waiting.pop() if isinstance(to, Node)}
        +     waiting.extend(new - found)
        +     found |= new
        + order = sorted(found, key=by_tick)
    """),
    Variant("a1.5", "tensordot", """
        + rows, seen = g.reshape((-1, w.shape[1])), x.reshape((-1, w.shape[0]))
        + dx = tensordot(rows, w, axes=[[1], [1]]).reshape(x.shape)
        + return dx, tensordot(seen, rows, axes=[[0], [0]]), rows.sum(axis=0)
    """),
    Variant("a1.5", "the transposed product", """
        -     x.reshape((-1, w.shape[0])).T @ rows if wanted[1] else None,
        +     (rows.T @ x.reshape((-1, w.shape[0]))).T if wanted[1] else None,
        -     total(rows, axis=0) if wanted[2] else None,
        +     g.sum(axis=tuple(range(len(g.shape) - 1))) if wanted[2] else None,
    """),
    Variant("a1.6", "in float64", """
        + e = exp(z.astype("float64"))
        + y = (e / e.sum(axis=axis, keepdims=True)).astype(z.dtype)
    """),
    Variant("a1.6", "by the logarithm of the sum", """
        + y = exp(z - log(exp(z).sum(axis=axis, keepdims=True)))
    """),
    Variant("a1.7", "the product first", """
        + gy = g * y
        + return gy - y * gy.sum(axis=axis, keepdims=True)
    """),
    Variant("a1.8", "z and the sum apart", """
        - log_p = z - log(exp(z).sum(axis=1, keepdims=True))
        + size = exp(z).sum(axis=1, keepdims=True)
        + log_p = z - log(size)
    """),
    Variant("a1.8", "the maximum taken off again, in float64", """
        + wide = z.astype("float64")
        + log_p = (wide - log(exp(wide).sum(axis=1, keepdims=True))).astype(z.dtype)
        + losses = _times(-q, log_p).sum(axis=1)
    """),
    Variant("a1.9", "p from z", """
        + p = exp(log_p)
        + p = p / p.sum(axis=1, keepdims=True)
        + dx = g * (q.sum(axis=1, keepdims=True) * p) - g * q
    """),
    Variant("a1.9", "the parts apart", """
        - dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q) * g
        + dx = exp(log_p) * (q * g).sum(axis=1, keepdims=True) - q * g
    """),
    Variant("a1.10", "a product by the mask", """
        + own = (x * hot).sum(axis=1, keepdims=True)
        + gap = namespace(x).maximum(x - own + margin, 0.0) * ~hot
        + losses = gap.sum(axis=1)
        + pushes = gap > 0
        + slope = pushes.astype(x.dtype)
        + slope = slope - hot * slope.sum(axis=1, keepdims=True)
    """),
    Variant("a1.10", "the slope by where", """
        - slope = pushes - hot * pushes.sum(axis=1, keepdims=True)
        + slope = where(hot, -pushes.sum(axis=1, keepdims=True), pushes)
    """),
]
# fmt: on
