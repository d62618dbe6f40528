"""Is this gradient right? `gradcheck` for the first order, `gradgradcheck` for two.

Both look at L = Σ u f(x), with a random cotangent u, and compare ∂L/∂x with differences
of L (slopes.py). The names are PyTorch's; the tolerances are tighter, for the
differences are good to about 1e-9. First the behavior of each operation is looked at
(behavior.py), last the gradient at other inputs, where a value that was kept from an
earlier call shows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minidl.backend import Array, Seed, generator
from minidl.check import behavior
from minidl.check.foreign import TorchSubject, is_torch
from minidl.check.pair import Pair, PairSubject
from minidl.check.report import EDGE, KINK, WRONG, Finding, GradientError, Report
from minidl.check.slopes import FULL, Loss, Tolerance, drawn, worst
from minidl.check.steps import inner_steps, moved
from minidl.check.subject import Function, Subject, is_layer, pulled
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import GraphError, RangeError

Mode = Literal["fast", "full"]
DRAW = 0xC0FFEE  # the default seed: not one that a student's x was drawn from as well
SUITE = ("in training", "in evaluation")


def gradcheck(
    f: Function | tuple[Function, Function | None],
    inputs: Sequence[Any],
    *,
    order: int = 1,
    mode: Mode = "fast",
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    rng: Seed = DRAW,
    raise_exception: bool = True,
) -> Report:
    """Compare the gradients of f with central differences; return a Report.

    f        a function of Tensors; or a layer: then its parameters are checked as well,
             on a float64 copy, its buffers and random state frozen; or a pair of NumPy
             functions `(forward, backward)`, with `forward(x, …) -> out, cache`
             and `backward(dout, cache) -> dx, …`; or a function or module of PyTorch
    inputs   a list of arrays; floats are checked, integers and None are passed on
    order    1; 2 checks the gradients of the gradients, and so on
    mode     "fast": two slopes along random directions for each input;
             "full": every element, up to 5,000 of an input (5 evaluations of f each)
    eps      the step; rtol, atol: |analytic − numeric| may be atol + rtol · size. What
             computes in float32 is checked in float32, with its own tolerance
    rng      draws the cotangent and the directions; always the same by default
    raise_exception   raise GradientError if something is wrong, in place of a Report
                      that is false

    >>> print(gradcheck(lambda x, w: (x @ w).tanh(), [np.ones((2, 3)), np.eye(3)]))
    <lambda>: the gradient of 2 inputs is right (largest relative error ...)
    """
    if mode not in ("fast", "full"):
        raise RangeError(f'gradcheck: mode is "fast" or "full", not {mode!r}')
    subject, t = subject_of(f, inputs), Tolerance(eps, rtol, atol)
    for k in range(order - 1):
        subject = Slope(subject, np.random.default_rng([DRAW, k]))
    report = Report(subject.title)
    if order > 1:
        named = {2: "second derivative"}
        report.order = named.get(order, f"derivative of order {order}")
    with np.errstate(all="ignore"):  # at an edge; what is not finite is a finding
        if order == 1:
            report.faults = _faults(subject)
        if not report.faults:
            _compare(report, subject, mode, t, rng)
        if order == 1 and report.ok:
            report.faults += _elsewhere(subject, t, generator(rng))
    return _delivered(report, raise_exception)


def gradgradcheck(f: Function, inputs: Sequence[Any], **options: Any) -> Report:
    """Check the gradients of the gradients of f, as `gradcheck` does those of f.

    The function looked at is (x, g) ↦ ∂Σ g f(x) / ∂x, made with `create_graph=True`; g,
    the gradient that comes from above, is an input too, called "grad of output".
    options   those of `gradcheck`
    """
    return gradcheck(f, inputs, order=2, **options)


def check_layer(
    layer: Any, *inputs: TensorLike, rng: Seed = DRAW, raise_exception: bool = True
) -> Report:
    """Check a layer by its inputs and parameters: in training and not, to second order.

    inputs   arrays, or shapes such as (2, 3), for which normal numbers are drawn

    Raises GradientError if something is wrong.
    """
    draw = generator(rng)
    arrays = [draw.standard_normal(x) if _is_shape(x) else x for x in inputs]
    whole = Report(
        f"{type(layer).__name__}, in training and in evaluation", order="gradient"
    )
    for training, part in ((True, SUITE[0]), (False, SUITE[1])):
        twin = copy.deepcopy(layer)
        if is_layer(twin):
            twin.train() if training else twin.eval()
        for order, more in ((1, ""), (2, ", second derivative")):
            report = gradcheck(
                twin, arrays, order=order, rng=rng, raise_exception=False
            )
            for finding in report.findings:
                finding.part = part + more
            whole.findings += report.findings
            whole.faults += [f"{part}{more}: {said}" for said in report.faults]
    return _delivered(whole, raise_exception)


def subject_of(f: Any, inputs: Sequence[Any]) -> Subject:
    """Return what is to be checked, by what f is."""
    if isinstance(f, Pair):
        return PairSubject(f, inputs)
    if isinstance(f, tuple):
        return PairSubject(Pair(*f), inputs)
    several = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    if is_torch(f) or any(is_torch(x) for x in several):
        return TorchSubject(f, inputs)
    return Subject(f, inputs)


class Slope(Subject):
    """The gradient of a subject as a function: of its points, and of g from above."""

    def __init__(self, subject: Subject, rng: np.random.Generator) -> None:
        if type(subject) not in (Subject, Slope):
            raise GraphError(
                f"{subject.title}: a second derivative needs a function of Tensors, "
                "made of minidl's operations; check its first order only"
            )
        self.subject, self.title = subject, f"the gradient of {subject.title}"
        self.width = subject.width
        ys = subject.examine()
        self.names, self.points = list(subject.names), list(subject.points)
        for i, y in enumerate(ys):
            many = f" {i}" if len(ys) > 1 else ""
            self.names.append(f"grad of output{many}")
            self.points.append(drawn(y, rng))

    def tensors(
        self, requires_grad: bool, points: Sequence[Array] | None = None
    ) -> list[Tensor]:
        """Return the points as leaves."""
        n, at = len(self.subject.points), self.points if points is None else points
        more = [Tensor(g, requires_grad) for g in at[n:]]
        return self.subject.tensors(requires_grad, at[:n]) + more

    def __call__(self, *xs: TensorLike) -> list[Any]:
        """Return ∂Σ g f(x) / ∂x for every x that f depends on."""
        n = len(self.subject.points)
        leaves = [x if x.requires_grad else x.requires_grad_() for x in xs[:n]]
        pairs = zip(self.subject(*leaves), xs[n:], strict=True)
        return pulled(list(pairs), leaves, create_graph=True)


def _faults(subject: Subject) -> list[str]:
    """Return what is wrong with the behavior of each operation inside."""
    found: list[str] = []
    for step in inner_steps(subject):
        said = [f"{step.name}: {sentence}" for sentence in behavior.faults(step)]
        found += [s for s in said if s not in found]
    return found


def _compare(
    report: Report, subject: Subject, mode: Mode, t: Tolerance, rng: Seed
) -> None:
    """Add a finding for each input to a report."""
    draw = generator(rng)
    loss = Loss(subject, draw, t)
    for i, x in enumerate(subject.points):
        got = loss.gradients[i]
        if np.shape(got) != np.shape(x):
            report.faults.append(_misshapen(subject.names[i], got, x))
        elif mode == "full" and np.size(x) <= FULL:
            report.findings.append(_every(loss, i))
        else:
            finding = loss.direction(i, draw)
            if (
                finding.verdict == WRONG and not finding.tie
            ):  # name an element, if one is to blame
                found = loss.search(i, draw)
                if found.verdict == WRONG:
                    found.kinks, found.compared = finding.kinks, finding.compared
                    found.bent, found.directions = finding.bent, finding.directions
                    finding = found
            report.findings.append(finding)


def _misshapen(name: str, got: Any, x: Array) -> str:
    if got is None:
        return f"∂L/∂{name} is None: the backward has no gradient for it"
    return (
        f"∂L/∂{name} has shape {np.shape(got)}, and {name} has {np.shape(x)}: a "
        "gradient has the shape of its input"
    )


def _every(loss: Loss, i: int) -> Finding:
    """Compare every element of an input; return the worst, and where they are wrong."""
    findings = loss.elements(i)
    shape = np.shape(loss.points[i])
    if not findings:
        return Finding(loss.subject.names[i], shape, 0.0, 0.0, 0.0)
    found = worst(findings)
    bent = [f for f in findings if f.verdict in (KINK, EDGE)]
    found.kinks, found.compared = len(bent), len(findings) - len(bent)
    found.bent = bent[0] if bent and found is not bent[0] else None
    found.wrong_at = np.array([f.verdict == WRONG for f in findings]).reshape(shape)
    return found


def _elsewhere(subject: Subject, t: Tolerance, rng: np.random.Generator) -> list[str]:
    """Look at other inputs, too: there a value kept from an earlier call shows."""
    try:
        points = moved(subject.points, rng, 1)
        with np.errstate(all="ignore"):
            loss = Loss(subject, rng, t, points)
            if not all(np.isfinite(float(abs(y).sum())) for y in loss.ys):
                return []
            findings = [loss.direction(i, rng) for i in range(len(points))]
    except Exception:  # somebody's f need not take other inputs
        return []
    return [
        f"the gradient is right at these inputs, and wrong at others of these shapes "
        f"({f}); does the backward use values of an earlier call?"
        for f in findings
        if f.verdict == WRONG and f.error > 1e-4
    ]


def _delivered(report: Report, raise_exception: bool) -> Report:
    if raise_exception and not report.ok:
        raise GradientError(str(report))
    return report


def _is_shape(x: object) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)
