"""The operations that a function is made of, each looked at alone.

An operation's body is asked for y and for the way back directly, without the engine, so
that even a gradient of the wrong shape can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import Array, to_numpy
from minidl.check.mistakes import Case
from minidl.check.patterns import recognize
from minidl.check.report import KINK, OK
from minidl.check.slopes import Loss, Tolerance
from minidl.check.subject import Subject
from minidl.engine.messages import Signature
from minidl.engine.modes import watchers
from minidl.engine.op import Node, as_array
from minidl.engine.tensor import TensorLike
from minidl.ops import sum_to

LARGEST = 3000  # elements of an input that is compared one by one
OFTEN = 20  # calls of one operation that are looked at


class Recorder:
    """A watcher (modes.py) that writes down the operations inside its `with`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __enter__(self) -> Recorder:
        watchers.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        watchers.remove(self)

    def recorded(self, node: Node, arrays: list[Any]) -> None:
        """After a node: write down what was called, if it was not called too often."""
        if sum(call.op is node.op for call in self.calls) < OFTEN:
            wanted = [to is not None for to in node.edges]
            self.calls.append(Call(node.op, list(arrays), dict(node.settings), wanted))

    def computed(self, op: Any, arrays: Any, made: Any) -> None:
        """After an operation: nothing."""

    def before(self, node: Node) -> None:
        """Before a backward: nothing."""

    def after(self, node: Node, g: TensorLike, gradients: Any) -> None:
        """After a backward: nothing."""


@dataclass
class Call:
    """An operation that happened: its inputs, settings, and who wants a gradient."""

    op: Any
    arrays: list[Any]
    settings: dict[str, Any]
    wanted: list[bool]

    @property
    def name(self) -> str:
        """The name of the operation."""
        return str(self.op.__name__)

    @property
    def names(self) -> list[str]:
        """What the operation calls its inputs."""
        known = Signature(self.op.body).inputs
        known = known if len(known) == len(self.arrays) else ()
        return list(known) or [f"xs[{i}]" for i in range(len(self.arrays))]

    def sentences(self, draw: np.random.Generator) -> list[str]:
        """Return what is wrong with each gradient; nothing if all are right."""
        slots = [i for i, wanted in enumerate(self.wanted) if wanted]
        subject = Subject(self._at(slots), [self.arrays[i] for i in slots])
        subject.names = [self.names[i] for i in slots]
        loss = Loss(subject, draw, Tolerance())
        try:
            found = self._way_back(loss.us)
        except Exception as error:  # a way back may fail in any way; all are findings
            return [f"its way back fails: {type(error).__name__}: {error}"]
        loss.gradients = [found[i] for i in slots]
        about = {
            n: a for n, a in zip(self.names, self.arrays, strict=True) if is_array(a)
        }
        return examine(loss, draw, about)

    def _at(self, slots: list[int]) -> Any:
        """Return the operation as a function of the inputs in these slots."""

        def function(*xs: Any) -> Any:
            arrays = list(self.arrays)
            for i, x in zip(slots, xs, strict=True):
                arrays[i] = x
            return self.op(*arrays, **self.settings)

        return function

    def _way_back(self, us: list[Array]) -> list[Any]:
        """Ask the body for its gradients, for u from above."""
        y, back = self.op.body(*self.arrays, **self.settings)[:2]
        several = type(y) is tuple
        given = iter(us)
        gs = [
            next(given) if a.dtype.kind == "f" else a * 0
            for a in (y if several else (y,))
        ]
        if type(back) is tuple:
            maps = zip(back, self.wanted, strict=True)
            out = [way(*gs) if wanted and way else None for way, wanted in maps]
        else:
            choosy = back.__code__.co_argcount > len(gs)
            made = back(*gs, self.wanted) if choosy else back(*gs)
            out = list(made) if type(made) is tuple else [made]
        pairs = zip(out, self.arrays, strict=True)
        return [self._fitted(g, x) if g is not None else None for g, x in pairs]

    def _fitted(self, g: Array, x: TensorLike) -> Array:
        """Sum g down to the shape of x, where the engine would do so."""
        if self.op.broadcasts and np.shape(g) != np.shape(x):
            g = sum_to(g, shape=np.shape(x))
        return as_array(g)


def examine(
    loss: Loss, draw: np.random.Generator, about: dict[str, Array]
) -> list[str]:
    """Return a sentence for every wrong gradient of a loss.

    about   all the arrays that went in, by name: a wrong term is often made of them
    """
    names, points = loss.subject.names, loss.subject.points
    shaped = [
        np.shape(g) == x.shape for g, x in zip(loss.gradients, points, strict=True)
    ]
    suspected = [
        i
        for i, fits in enumerate(shaped)
        if not fits or loss.direction(i, draw).verdict != OK
    ]
    said = []
    wants = {
        i: loss.numeric(i) for i in range(len(points)) if points[i].size <= LARGEST
    }
    for i in suspected:
        if loss.gradients[i] is None:
            said.append(f"∂L/∂{names[i]} is None: the way back has no gradient for it")
        elif i not in wants:
            where = f"; {loss.search(i, draw)}" if shaped[i] else ""
            said.append(
                f"∂L/∂{names[i]} is wrong, and with {points[i].size} elements too "
                f"large to look at one by one{where}. Try again with smaller inputs"
            )
        else:
            said += _sentence(loss, i, wants, about)
    return said


def _sentence(
    loss: Loss, i: int, wants: dict[int, Array], about: dict[str, Array]
) -> list[str]:
    """Compare one gradient, element by element, and name the mistake."""
    names, x = loss.subject.names, loss.subject.points[i]
    got, want = to_numpy(loss.gradients[i]).copy(), to_numpy(wants[i]).copy()
    if got.shape == want.shape:
        findings = loss.elements(i)
        kinks = [f for f in findings if f.verdict == KINK]
        if all(f.verdict in (OK, KINK) for f in findings):
            more = f" (and {len(kinks) - 1} more)" if len(kinks) > 1 else ""
            return [f"{f}{more}" for f in kinks[:1]]
        for f in kinks:  # nothing can be said there, so nothing is held against it
            got[f.at] = want[f.at] = 0.0
    rest = {n: to_numpy(a) for n, a in about.items() if n != names[i]}
    floats = {n: a for n, a in rest.items() if a.dtype.kind == "f"}
    others = {names[k]: to_numpy(w) for k, w in wants.items() if k != i}
    whole = {n: a for n, a in rest.items() if a.dtype.kind in "iu"}
    y, g = to_numpy(loss.ys[0]), to_numpy(loss.us[0])
    return [
        recognize(Case(names[i], got, want, to_numpy(x), y, g, floats, others, whole))
    ]


def is_array(x: TensorLike) -> bool:
    """Whether x is an array of numbers, and no setting or None."""
    return hasattr(x, "dtype") and hasattr(x, "shape")
