"""Rows of the table for losses: a graph with labels among its inputs.

Throughout:  x scores (N, K, …)    labels (N, …), or numbers like x
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.errors import GraphError
from minidl.interchange.graph import WHOLE, Graph, Operand
from minidl.interchange.rows import Settings, Xs, index_of, row
from minidl.ops.targets import IGNORE


def reduced(g: Graph, losses: Any, s: Settings, y: Operand) -> Any:
    """Return the losses, their sum or their mean."""
    how = s.get("reduction", "mean")
    if how == "none":
        return losses
    kind = {"mean": "ReduceMean", "sum": "ReduceSum"}[how]
    return g(kind, losses, keepdims=0)


def pair(g: Graph, xs: Xs, x: Operand) -> tuple[Operand, Operand]:
    """Return what a network says and what is true, in one dtype."""
    return g.like(xs[0], x.dtype), g.like(xs[1], x.dtype)


@row("cross_entropy", "nll_loss")
def cross_entropy(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """−log p of the label; with label smoothing, ε of the mean over all classes."""
    x, labels = xs
    labels = g.constant(labels)
    smoothing, weight = s.get("label_smoothing", 0.0), s.get("weight")
    log_p = x if s["name"] == "nll_loss" else g("LogSoftmax", x, axis=1)
    log_p = log_p._replace(shape=x.shape)
    if labels.dtype.kind == "f":
        if smoothing or weight is not None:
            raise _only_labels("probabilities")
        return reduced(g, _along_classes(g, g("Mul", labels, log_p)), s, y)
    if smoothing and (weight is not None or s.get("ignore_index", IGNORE) != IGNORE):
        raise _only_labels("weights or an ignore_index")
    loss = g(
        "NegativeLogLikelihoodLoss",
        log_p,
        index_of(g, labels),
        None if weight is None else g.like(weight, y.dtype),
        ignore_index=s.get("ignore_index", IGNORE),
        reduction=s.get("reduction", "mean"),
    )
    if not smoothing:
        return loss
    mean = g("Neg", g.reduce("ReduceMean", log_p, [1], False))
    share = reduced(g, mean, s, y)
    parts = ((loss, 1 - smoothing), (share, smoothing))
    return g("Add", *(g("Mul", part, g.like(w, y.dtype)) for part, w in parts))


def _only_labels(beside: str) -> GraphError:
    return GraphError(
        f"to_onnx: cross_entropy with label_smoothing is written for labels alone, not "
        f"for {beside} as well; export the model without its loss"
    )


def _along_classes(g: Graph, x: Operand) -> Any:
    """−Σ over the classes."""
    return g("Neg", g.reduce("ReduceSum", x, [1], False))


@row("hinge_loss")
def hinge_loss(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """Σ max(0, xⱼ − x_y + margin) over the others: over all, less that of y itself."""
    x, labels = xs
    labels = g("Unsqueeze", index_of(g, g.constant(labels)), [1])
    margin = s.get("margin", 1.0)
    gap = g("Sub", x, g("GatherElements", x, labels, axis=1))
    pushes = g("Relu", g("Add", gap, g.like(margin, y.dtype)))._replace(shape=x.shape)
    all_of_it = g.reduce("ReduceSum", pushes, [1], False)
    return reduced(g, g("Sub", all_of_it, g.like(max(margin, 0.0), y.dtype)), s, y)


@row("binary_cross_entropy_with_logits")
def with_logits(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """a t softplus(−x) + (1 − t) softplus(x)."""
    x, t = pair(g, xs, y)
    yes = g("Mul", t, g("Softplus", g("Neg", x)))
    if s.get("pos_weight") is not None:
        yes = g("Mul", yes, g.like(s["pos_weight"], y.dtype))
    no = g("Mul", g("Sub", g.like(1.0, y.dtype), t), g("Softplus", x))
    return reduced(g, _weighted(g, g("Add", yes, no), s, y), s, y)


@row("binary_cross_entropy")
def binary(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """−t log x − (1 − t) log(1 − x); logarithms stop at −100."""
    x, t = pair(g, xs, y)
    one, least = g.like(1.0, y.dtype), g.like(-100.0, y.dtype)
    yes, no = (g("Max", g("Log", p), least) for p in (x, g("Sub", one, x)))
    both = g("Add", g("Mul", t, yes), g("Mul", g("Sub", one, t), no))
    return reduced(g, _weighted(g, g("Neg", both), s, y), s, y)


def _weighted(g: Graph, losses: Any, s: Settings, y: Operand) -> Any:
    if s.get("weight") is None:
        return losses
    return g("Mul", losses, g.like(s["weight"], y.dtype))


@row("mse_loss", "l1_loss", "huber_loss")
def distance(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """d², |d|, or c (d − ½ c) with c = d clipped to ±δ."""
    d = g("Sub", *pair(g, xs, y))
    if s["name"] == "mse_loss":
        losses = g("Mul", d, d)
    elif s["name"] == "l1_loss":
        losses = g("Abs", d)
    else:
        delta = s.get("delta", 1.0)
        c = g("Clip", d, g.like(-delta, y.dtype), g.like(delta, y.dtype))
        losses = g("Mul", c, g("Sub", d, g("Mul", c, g.like(0.5, y.dtype))))
    return reduced(g, losses, s, y)


@row("kl_div")
def kl_div(g: Graph, xs: Xs, s: Settings, y: Operand) -> Any:
    """t (log t − x), 0 where t = 0."""
    x, t = pair(g, xs, y)
    log_t = t
    if s.get("log_target"):
        t = g("Exp", t)
    else:
        tiny = np.finfo(y.dtype).tiny
        log_t = g("Log", g("Max", t, g.like(float(tiny), y.dtype)))
    losses = g("Mul", t, g("Sub", log_t, x))
    if s.get("reduction") != "batchmean":
        return reduced(g, losses, s, y)
    n = g("Shape", x, start=0, end=1)._replace(dtype=WHOLE)
    total = g("ReduceSum", losses, keepdims=0)
    return g("Div", total, g("Squeeze", g.cast(n, y.dtype), [0]))
