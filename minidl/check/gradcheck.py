"""Is this gradient right? `gradcheck` for the first order, `gradgradcheck` for two.

Both look at L = Σ u f(x) in float64, with a random cotangent u, and compare ∂L/∂x with
differences of L (slopes.py). The names are PyTorch's; the tolerances are tighter, for
the differences are good to about 1e-9.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minidl.backend import Seed, generator
from minidl.check.report import KINK, OK, WRONG, Finding, GradientError, Report
from minidl.check.slopes import Loss, Tolerance, drawn, pulled
from minidl.check.subject import Function, Subject, is_layer
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError

Mode = Literal["fast", "full"]
DRAW = 0xC0FFEE  # the default seed: not one that a student's x was drawn from as well


def gradcheck(
    f: Function,
    inputs: Any,
    *,
    mode: Mode = "fast",
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    rng: Seed = DRAW,
    raise_exception: bool = True,
) -> Report:
    """Compare the gradients of f with central differences; return a Report.

    f        a function of Tensors, or a layer: then its parameters are checked as well,
             on a float64 copy with its buffers and its random state frozen
    inputs   a list of arrays; floats are checked, integers and None are passed on
    mode     "fast": one slope along a random direction for each input;
             "full": every element (2 evaluations of f for each)
    eps      the step ε; rtol, atol: |analytic − numeric| may be atol + rtol · size
    rng      draws the cotangent and the directions; always the same by default
    raise_exception   raise GradientError if something is wrong, in place of a Report
                      that is false

    >>> print(gradcheck(lambda x, w: (x @ w).tanh(), [np.ones((2, 3)), np.eye(3)]))
    <lambda>: the gradient of 2 inputs is right (largest relative error ...)
    """
    if mode not in ("fast", "full"):
        raise RangeError(f'gradcheck: mode is "fast" or "full", not {mode!r}')
    report = _check(Subject(f, inputs), mode, Tolerance(eps, rtol, atol), rng)
    return _delivered(report, raise_exception)


def gradgradcheck(
    f: Function,
    inputs: Any,
    *,
    mode: Mode = "fast",
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    rng: Seed = DRAW,
    raise_exception: bool = True,
) -> Report:
    """Check the gradients of the gradients of f, as `gradcheck` does those of f.

    The function looked at is (x, g) ↦ ∂Σ g f(x) / ∂x, made with `create_graph=True`; g,
    the gradient that comes from above, is an input too, called "grad of output".
    """
    subject = Slope(Subject(f, inputs), generator(rng))
    report = _check(subject, mode, Tolerance(eps, rtol, atol), rng)
    report.order = "second derivative"
    return _delivered(report, raise_exception)


def check_layer(layer: Any, *inputs: Any, rng: Seed = DRAW) -> list[Report]:
    """Check a layer by its inputs and parameters: in training and not, to second order.

    inputs   arrays, or shapes such as (2, 3), for which normal numbers are drawn

    Raises GradientError at the first report that is not right.
    """
    draw = generator(rng)
    arrays = [draw.standard_normal(x) if _is_shape(x) else x for x in inputs]
    reports = []
    for training in (True, False):
        twin = copy.deepcopy(layer)
        if is_layer(twin):
            twin.train() if training else twin.eval()
        for check in (gradcheck, gradgradcheck):
            report = check(twin, arrays, rng=rng, raise_exception=False)
            report.title += " in training" if training else " in evaluation"
            reports.append(_delivered(report, raise_exception=True))
    return reports


class Slope(Subject):
    """The gradient of a subject as a function: of its points, and of g from above."""

    def __init__(self, subject: Subject, rng: np.random.Generator) -> None:
        self.subject, self.title = subject, f"the gradient of {subject.title}"
        ys = subject.examine()
        self.names, self.points = list(subject.names), list(subject.points)
        for i, y in enumerate(ys):
            many = f" {i}" if len(ys) > 1 else ""
            self.names.append(f"grad of output{many}")
            self.points.append(drawn(y, rng))

    def tensors(self, requires_grad: bool) -> list[Tensor]:
        """Return the points as leaves."""
        n = len(self.subject.points)
        more = [Tensor(g, requires_grad) for g in self.points[n:]]
        return self.subject.tensors(requires_grad) + more

    def __call__(self, *xs: Any) -> list[Any]:
        """Return ∂Σ g f(x) / ∂x for every x that f depends on."""
        n = len(self.subject.points)
        leaves = [x if x.requires_grad else x.requires_grad_() for x in xs[:n]]
        pairs = zip(self.subject(*leaves), xs[n:], strict=True)
        return pulled(list(pairs), leaves, create_graph=True)


def _check(subject: Subject, mode: Mode, t: Tolerance, rng: Seed) -> Report:
    """Return a finding for each input."""
    draw = generator(rng)
    loss = Loss(subject, draw, t)
    report = Report(subject.title)
    for i in range(len(subject.points)):
        if mode == "full":
            finding = _worst(loss.elements(i))
        else:
            finding = loss.direction(i, draw)
            if finding.verdict != OK:  # name the element, if a single one can be blamed
                found = loss.search(i, draw)
                finding = finding if found.verdict == OK else found
        report.findings.append(finding)
    return report


def _worst(findings: Sequence[Finding]) -> Finding:
    """Return a mistake rather than a kink, and the largest of its kind."""
    grave = {WRONG: 2, KINK: 1, OK: 0}
    return max(findings, key=lambda f: (grave[f.verdict], f.error))


def _delivered(report: Report, raise_exception: bool) -> Report:
    if raise_exception and not report:
        raise GradientError(str(report))
    return report


def _is_shape(x: TensorLike) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)
