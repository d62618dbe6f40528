"""PyTorch as a second oracle: values, gradients, and gradients of gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl import Tensor, grad
from minidl.backend import Array

Function = Callable[..., Any]


def assert_agree(
    torch: Any,
    ours: Function,
    theirs: Function,
    inputs: Sequence[Array],
    *,
    orders: int = 2,
    fixed: Sequence[int] = (),
    atol: float = 1e-10,
) -> None:
    """Compare two functions of the same inputs in float64, to `atol`.

    Floats among the inputs get gradients, but for those whose place is in `fixed`. The
    cotangents are random; the second order is the gradient of ⟨gradients, random v⟩.
    """
    tracked = [x.dtype.kind == "f" and i not in fixed for i, x in enumerate(inputs)]
    pairs = list(zip(inputs, tracked, strict=True))
    a = [Tensor(x, requires_grad=True) if t else x for x, t in pairs]
    b = [torch.tensor(np.ascontiguousarray(x), requires_grad=t) for x, t in pairs]
    ya, yb = ours(*a), theirs(*b)
    a, b = ([x for x, t in zip(xs, tracked, strict=True) if t] for xs in (a, b))
    draw = np.random.default_rng(7)
    near(ya.data, yb, atol)
    for order in range(orders):
        more = order + 1 < orders
        u = draw.standard_normal(ya.shape)
        seed = torch.tensor(u)
        first = grad(ya, a, u, retain_graph=True, allow_unused=True)
        gb = torch.autograd.grad(yb, b, seed, create_graph=True, allow_unused=True)
        for x, y in zip(first, gb, strict=True):
            near(0.0 if x is None else x, 0.0 if y is None else y, atol)
        if not more:
            return
        ga = grad(ya, a, u, create_graph=True, allow_unused=True)
        vs = [draw.standard_normal(x.shape) for x in a]
        ya = total((g * v).sum() for g, v in zip(ga, vs, strict=True) if g is not None)
        yb = total(
            (g * torch.tensor(v)).sum()
            for g, v in zip(gb, vs, strict=True)
            if g is not None
        )
        if not (ya.requires_grad and yb.requires_grad):
            return  # straight lines: the second derivative is zero


def total(terms: Any) -> Any:
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def near(ours: Any, theirs: Any, atol: float) -> None:
    theirs = theirs if isinstance(theirs, float) else theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=atol, atol=atol)
