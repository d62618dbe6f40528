"""What is wrong with a wrong gradient: which operation, which input, and how.

A function is made of operations, and where its gradient is wrong one of them is wrong,
or the graph between them is cut. So f is run once, every operation that it calls is
written down, and each is checked alone (calls.py); what is found is compared with the
mistakes that are typical (mistakes.py, places.py, patterns.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from minidl.backend import Seed, generator
from minidl.check.calls import Recorder, examine
from minidl.check.gradcheck import DRAW
from minidl.check.slopes import Loss, Tolerance
from minidl.check.subject import Function, Subject


@dataclass
class Diagnosis:
    """What `explain` found: true if the gradient is right.

    sentences   what is wrong, one sentence for each input of each wrong operation
    culprits    the names of the operations that are wrong
    right       the names of those that were checked and are right
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    culprits: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.sentences

    def __str__(self) -> str:
        if self:
            return f"{self.title}: the gradient is right"
        lines = [f"{self.title}: the gradient is wrong"]
        lines += [f"  {sentence}" for sentence in self.sentences]
        if self.culprits and self.right:
            lines.append(f"  right, each on its own: {', '.join(self.right)}")
        return "\n".join(lines)


def explain(f: Function, inputs: object, *, rng: Seed = DRAW) -> Diagnosis:
    """Say what is wrong with the gradient of f at these inputs, in words.

    f, inputs   as for `gradcheck`: a function or a layer, and its arrays (small ones:
                every element is compared)

    >>> import numpy as np
    >>> from minidl.engine.op import op
    >>> @op
    ... def total(x):
    ...     return (x * x).sum(), (lambda g: g * x,)
    >>> print(explain(total, [np.array([1.0, 2.0, -3.0, 0.5, 4.0])]))
    total: the gradient is wrong
      total: ∂L/∂x is 2 times too small, everywhere. 2 is a plain two: does a square or
      a symmetric term bring a 2?
    """
    draw, subject = generator(rng), Subject(f, inputs)
    found = Diagnosis(subject.title)
    subject.examine()
    with Recorder() as recorder:
        subject(*subject.tensors(requires_grad=True))
    for call in recorder.calls:
        sentences = call.sentences(draw)
        if sentences and call.name not in found.culprits:
            found.sentences += [f"{call.name}: {sentence}" for sentence in sentences]
            found.culprits.append(call.name)
        elif not sentences and call.name not in found.right:
            found.right.append(call.name)
    if not found.culprits:  # then it is something between them
        about = dict(zip(subject.names, subject.points, strict=True))
        found.sentences = examine(Loss(subject, draw, Tolerance()), draw, about)
    return found
