"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl_course import Mutant

# fmt: off
MUTANTS = [
    Mutant("a1.1", "the sign of the second gradient", """
        - return a / b, (lambda g: g / b, lambda g: -g * a / (b * b))
        + return a / b, (lambda g: g / b, lambda g: g * a / (b * b))
    """),
    Mutant("a1.1", "b in place of b²", """
        - return a / b, (lambda g: g / b, lambda g: -g * a / (b * b))
        + return a / b, (lambda g: g / b, lambda g: -g * a / b)
    """),
    Mutant("a1.1", "the product's gradients", """
        - return a / b, (lambda g: g / b, lambda g: -g * a / (b * b))
        + return a / b, (lambda g: g * b, lambda g: g * a)
    """),
    Mutant("a1.2", "only the axes in front", """
        - y = total(x, (*range(extra), *stretched), keepdims=True).reshape(shape)
        + y = x.sum(axis=tuple(range(extra)), keepdims=True).reshape(shape)
    """),
    Mutant("a1.2", "only the stretched axes", """
        - y = total(x, (*range(extra), *stretched), keepdims=True).reshape(shape)
        + y = x.sum(axis=tuple(stretched), keepdims=True).reshape(shape)
    """),
    Mutant("a1.2", "the mean of the copies", """
        - y = total(x, (*range(extra), *stretched), keepdims=True).reshape(shape)
        + y = x.mean(axis=(*range(extra), *stretched), keepdims=True).reshape(shape)
    """),
    Mutant("a1.2", "axes shift while they are summed", """
        + y = x
        + for _ in range(extra):
        +     y = y.sum(axis=0)
        + for i, n in enumerate(shape):
        +     if n == 1:
        +         y = y.sum(axis=min(i, y.ndim - 1))
        + y = y.reshape(shape)
    """),
    Mutant("a1.2", "axes counted from the wrong end", """
        - stretched = tuple(i + extra for i, n in enumerate(shape) if n != old[i + extra])
        + stretched = tuple(i for i, n in enumerate(shape) if n != old[i + extra])
    """),
    Mutant("a1.3", "only the last to arrive", """
        -     return old + (g.dense() if type(g) is Scatter else g)
        +     return g.dense() if type(g) is Scatter else g
    """),
    Mutant("a1.3", "only the first to arrive", """
        -     old += g
        +     pass
    """),
    Mutant("a1.3", "written into foreign memory", """
        - if isinstance(old, Tensor) or not ours:
        + if isinstance(old, Tensor):
    """),
    Mutant("a1.4", "not sorted", """
        - order.sort(key=by_tick)
        + pass
    """),
    Mutant("a1.4", "in the order of discovery", """
        - order.sort(key=by_tick)
        + order.reverse()
    """),
    Mutant("a1.4", "the youngest first", """
        - order.sort(key=by_tick)
        + order.sort(key=by_tick, reverse=True)
    """),
    Mutant("a1.4", "starts at the first y only", """
        - waiting = [y.node for y in ys if y.node is not None]
        + waiting = [ys[0].node] if ys[0].node is not None else []
    """),
    Mutant("a1.4", "follows first outputs only", """
        - for to in node:
        + for to in [edge[0] for edge in node.edges if edge and edge[1] == 0]:
    """),
    Mutant("a1.4", "recursion", """
        + order = []
        +
        + def visit(node):
        +     if type(node) is not Node or node in order:
        +         return
        +     for to in node:
        +         visit(to)
        +     order.append(node)
        +
        + for y in ys:
        +     visit(y.node)
        + order.sort(key=by_tick)
    """),
    Mutant("a1.5", "w is not transposed", """
        -     g @ w.T if wanted[0] else None,
        +     g @ w if wanted[0] else None,
    """),
    Mutant("a1.5", "the mean over the batch", """
        -     total(rows, axis=0) if wanted[2] else None,
        +     rows.mean(axis=0) if wanted[2] else None,
    """),
    Mutant("a1.5", "divided by the batch", """
        -     x.reshape((-1, w.shape[0])).T @ rows if wanted[1] else None,
        +     x.reshape((-1, w.shape[0])).T @ rows / len(rows) if wanted[1] else None,
    """),
    Mutant("a1.5", "the batch has one axis", """
        -     x.reshape((-1, w.shape[0])).T @ rows if wanted[1] else None,
        +     x.T @ g if wanted[1] else None,
    """),
    Mutant("a1.6", "the sum over everything", """
        - y /= y.sum(axis=axis, keepdims=True)
        + y /= y.sum()
    """),
    Mutant("a1.6", "the scores themselves", """
        - y = exp(z)
        + y = exp(x)
    """),
    Mutant("a1.6", "the last axis only", """
        - y /= y.sum(axis=axis, keepdims=True)
        + y /= y.sum(axis=-1, keepdims=True)
    """),
    Mutant("a1.7", "the diagonal of the Jacobian only", """
        + return g * y * (1 - y)
    """),
    Mutant("a1.7", "the sum of g, not weighted", """
        - return y * (g - (g * y).sum(axis=axis, keepdims=True))
        + return y * (g - g.sum(axis=axis, keepdims=True))
    """),
    Mutant("a1.7", "the last axis only", """
        - return y * (g - (g * y).sum(axis=axis, keepdims=True))
        + return y * (g - (g * y).sum(axis=-1, keepdims=True))
    """),
    Mutant("a1.8", "the sign", """
        - losses = -_times(q, log_p).sum(axis=1)
        + losses = _times(q, log_p).sum(axis=1)
    """),
    Mutant("a1.8", "the scores themselves", """
        - log_p = z - log(exp(z).sum(axis=1, keepdims=True))
        + log_p = x - log(exp(x).sum(axis=1, keepdims=True))
    """),
    Mutant("a1.8", "the logarithm of a probability that underflows", """
        - log_p = z - log(exp(z).sum(axis=1, keepdims=True))
        + log_p = log(exp(z) / exp(z).sum(axis=1, keepdims=True))
    """),
    Mutant("a1.9", "q − p", """
        - dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q) * g
        + dx = (q - exp(log_p) * q.sum(axis=1, keepdims=True)) * g
    """),
    Mutant("a1.9", "the weights forgotten", """
        - dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q) * g
        + dx = (exp(log_p) - q) * g
    """),
    Mutant("a1.9", "g forgotten", """
        - dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q) * g
        + dx = (exp(log_p) * q.sum(axis=1, keepdims=True) - q)
    """),
    Mutant("a1.10", "the margin forgotten", """
        - gap = x - namespace(x).take_along_axis(x, labels, axis=1) + margin
        + gap = x - namespace(x).take_along_axis(x, labels, axis=1)
    """),
    Mutant("a1.10", "the label is its own rival", """
        - pushes = (gap > 0) & ~hot
        + pushes = (gap > 0)
    """),
    Mutant("a1.10", "nobody pulls the label up", """
        - slope = pushes - hot * pushes.sum(axis=1, keepdims=True)
        + slope = pushes * 1
    """),
    Mutant("a1.10", "at the margin too", """
        - pushes = (gap > 0) & ~hot
        + pushes = (gap >= 0) & ~hot
    """),
]
# fmt: on
