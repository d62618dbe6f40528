"""Typical wrong answers: each must lose points of its own task, and of no other."""

from minidl.course import Mutant

RECURSIVE = """
order = []

def visit(node):
    if type(node) is not Node or node in order:
        return
    for edge in node.edges:
        visit(edge and edge[0])
    order.append(node)

for y in ys:
    visit(y.node)
order.sort(key=by_tick)
"""

# fmt: off
MUTANTS = [
    Mutant("a1.1", "the sign of the second gradient", "-g * a", "g * a"),
    Mutant("a1.1", "b in place of b²", "(b * b)", "b"),
    Mutant("a1.1", "the product's gradients", "g / b, lambda g: -g * a / (b * b)",
           "g * b, lambda g: g * a"),
    Mutant("a1.2", "only the axes in front", "(*range(extra), *stretched)",
           "tuple(range(extra))"),
    Mutant("a1.2", "only the stretched axes", "(*range(extra), *stretched)",
           "tuple(stretched)"),
    Mutant("a1.2", "the mean of the copies", "x.sum(", "x.mean("),
    Mutant("a1.2", "axes counted from the wrong end", "tuple(i + extra for i, n",
           "tuple(i for i, n"),
    Mutant("a1.3", "only the last to arrive",
           "return old + (g.dense() if type(g) is Scatter else g)",
           "return g.dense() if type(g) is Scatter else g"),
    Mutant("a1.3", "only the first to arrive", "old += g", "pass"),
    Mutant("a1.3", "written into foreign memory", "isinstance(old, Tensor) or not ours",
           "isinstance(old, Tensor)"),
    Mutant("a1.4", "not sorted", "order.sort(key=by_tick)", "pass"),
    Mutant("a1.4", "in the order of discovery", "order.sort(key=by_tick)",
           "order.reverse()"),
    Mutant("a1.4", "the youngest first", "key=by_tick", "key=by_tick, reverse=True"),
    Mutant("a1.4", "follows first outputs only", "to = edge and edge[0]",
           "to = edge[0] if edge and edge[1] == 0 else None"),
    Mutant("a1.4", "recursion", "", RECURSIVE),
    Mutant("a1.5", "w is not transposed", "g @ w.T", "g @ w"),
    Mutant("a1.5", "the mean over the batch", "rows.sum(axis=0)", "rows.mean(axis=0)"),
    Mutant("a1.5", "divided by the batch", ".T @ rows", ".T @ rows / len(rows)"),
    Mutant("a1.5", "the batch has one axis", "x.reshape((-1, w.shape[0])).T @ rows",
           "x.T @ g"),
    Mutant("a1.6", "the sum over everything", "y.sum(axis=axis, keepdims=True)",
           "y.sum()"),
    Mutant("a1.6", "the scores themselves", "exp(z)", "exp(x)"),
    Mutant("a1.6", "the last axis only", "axis=axis", "axis=-1"),
    Mutant("a1.7", "the diagonal of the Jacobian only", "",
           "\nreturn g * y * (1 - y)\n"),
    Mutant("a1.7", "the sum of g, not weighted", "(g * y).sum", "g.sum"),
    Mutant("a1.7", "the last axis only", "axis=axis", "axis=-1"),
    Mutant("a1.8", "the sign", "-_times", "_times"),
    Mutant("a1.8", "the scores themselves", "z - log(exp(z)", "x - log(exp(x)"),
    Mutant("a1.8", "the logarithm of a probability that underflows",
           "z - log(exp(z).sum(axis=1, keepdims=True))",
           "log(exp(z) / exp(z).sum(axis=1, keepdims=True))"),
    Mutant("a1.9", "q − p", "(exp(log_p) * q.sum(axis=1, keepdims=True) - q)",
           "(q - exp(log_p) * q.sum(axis=1, keepdims=True))"),
    Mutant("a1.9", "the weights forgotten", " * q.sum(axis=1, keepdims=True)", ""),
    Mutant("a1.9", "g forgotten", " * g", ""),
    Mutant("a1.10", "the margin forgotten", " + margin", ""),
    Mutant("a1.10", "the label is its own rival", " & ~hot", ""),
    Mutant("a1.10", "nobody pulls the label up",
           "pushes - hot * pushes.sum(axis=1, keepdims=True)", "pushes * 1"),
    Mutant("a1.10", "at the margin too", "gap > 0", "gap >= 0"),
]
# fmt: on
