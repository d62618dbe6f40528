"""What is wrong with a wrong gradient: which operation, which input, and how.

A function is made of operations, and where its gradient is wrong one of them is wrong,
or the graph between them is cut. So f is run once, every operation that it calls is
written down (steps.py), and each is checked alone, in this order:

    1  behavior     does it fail, write into g, grow from call to call?
    2  shape        are the numbers right, in another shape?
    3  predictions  a known mistake is a prediction of the student's array. It is said
                    if it reproduces the array in two draws (another x, another g); the
                    most special one first, and several if they are alike.
    4  places       is it wrong only in some part of x?
    5  the rest     "it looks like …", or how far it is from the right one

Where no cheap prediction holds, repairs.py looks for the one change of the student's
own backward that makes it right in all draws.

The predictions: pools.py (of the whole gradient), relations.py (how the student's may
lie to one), paths.py (one step of the forward pass), behavior.py (not linear in g).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.backend import Array, Seed, generator
from minidl.check import behavior, symptoms
from minidl.check.cotangents import of_another_g
from minidl.check.draws import Draw, Point, other_point
from minidl.check.gradcheck import DRAW, subject_of
from minidl.check.pair import PairSubject
from minidl.check.paths import wrong_steps
from minidl.check.points import wrong_points
from minidl.check.pools import of_the_jacobian, of_the_right_one
from minidl.check.products import contractions, products
from minidl.check.relations import (
    TIE,
    Verdict,
    described,
    equal,
    exchanged_terms,
    missing_factors,
    missing_terms,
)
from minidl.check.repairs import repairs
from minidl.check.steps import Step, inner_steps, step_of_subject
from minidl.check.subject import Function, Subject

LARGEST = 1000  # elements of an input that are looked at one by one
MOST = 1_000_000  # numbers in a Jacobian
MANY = 3  # verdicts that are told side by side
DEAR = 4.2  # what costs more may be said better as a change of the backward
CHEAP = 3.05  # what is as special as this need not be compared with the rest


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


def explain(f: Function, inputs: Sequence[Any], *, rng: Seed = DRAW) -> Diagnosis:
    """Say what is wrong with the gradient of f at these inputs, in words.

    f, inputs   as for `gradcheck`: a function, a layer, a pair of NumPy functions,
                and its arrays (small ones: every element is compared)

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
    with np.errstate(all="ignore"):  # what is not finite is a finding
        return _explained(subject_of(f, inputs), generator(rng))


def _explained(subject: Subject, rng: np.random.Generator) -> Diagnosis:
    found = Diagnosis(subject.title)
    for step in inner_steps(subject):
        sentences = sentences_of(step, rng)
        if sentences and step.name not in found.culprits:
            found.sentences += [f"{step.name}: {sentence}" for sentence in sentences]
            found.culprits.append(step.name)
        elif not sentences and step.name not in found.right:
            found.right.append(step.name)
    if not found.culprits and not isinstance(subject, PairSubject):
        found.sentences = sentences_of(step_of_subject(subject), rng)
        if found.sentences and found.right:
            found.sentences.append(
                "each operation inside is right on its own, so the graph is cut "
                "between them: look for .data, .numpy(), detach, values and no_grad"
            )
    return found


def sentences_of(step: Step, rng: np.random.Generator) -> list[str]:
    """Return what is wrong with a step; nothing if all its gradients are right."""
    if said := behavior.faults(step):
        return said
    point = Point(step, step.arrays, rng)
    others: list[Point] = []
    said = []
    for place, slot in enumerate(step.slots):
        name = step.names[slot]
        if place >= len(point.gots) or point.gots[place] is None:
            said.append(f"∂L/∂{name} is None: the backward has no gradient for it")
            continue
        if right_along(point, place, rng):
            continue
        if not others:
            small = np.size(point.arrays[slot]) < 8
            found = (other_point(step, rng) for _ in range(3 if small else 1))
            others = [p for p in found if p is not None]
        if sentence := _sentence(point, place, others):
            said.append(f"∂L/∂{name} {sentence}")
    if not said and (later := later_fault(step, point, rng)):
        said.append(later)
    return said


def later_fault(step: Step, point: Point, rng: np.random.Generator) -> str | None:
    """Look at other inputs as well: a backward may keep what came first, or last."""
    other = other_point(step, rng)
    if other is None:
        return None
    try:
        if said := behavior.stale(step, point, other):
            return said
        wrong = [k for k in range(len(step.slots)) if not right_along(other, k, rng)]
    except Exception:  # at other inputs somebody's code may fail; it did not at these
        return None
    found = (_at_others(point, other, place) for place in wrong)
    return next((s for s in found if s), None)


def _at_others(point: Point, other: Point, place: int) -> str | None:
    """Say what is wrong with a gradient at other inputs only."""
    slot = point.step.slots[place]
    name = point.step.names[slot]
    if too_large(point, slot) or np.shape(other.gots[place]) != np.shape(
        other.arrays[slot]
    ):
        return None
    draws = [Draw.of(p, place) for p in (point, other)]
    if verdicts := behavior.from_before(draws):
        return f"∂L/∂{name} {verdicts[0].said}"
    if not draws[1].smooth.all() or not symptoms.off(draws[1]).any():
        return None
    said = _sentence(other, place, [])
    kept = ""
    if said and "in a way of its own" in said:
        kept = " (it looks like something that is kept from an earlier call)"
    return (
        f"∂L/∂{name} is right at these inputs and wrong at others like them{kept}: "
        f"{said}"
    )


def too_large(point: Point, slot: int) -> bool:
    """Whether an input has too many elements to look at one by one."""
    n = np.size(point.arrays[slot])
    return n > LARGEST or n * point.g.size > MOST


def right_along(point: Point, place: int, rng: np.random.Generator) -> bool:
    """Whether a gradient is right along random directions: all elements at once."""
    slot, got = point.step.slots[place], point.gots[place]
    x = point.arrays[slot]
    if np.shape(got) != np.shape(x) or not np.isfinite(got).all():
        return False
    size = float(np.linalg.norm(got)) + 1e-8
    for _ in range(2):
        v = rng.standard_normal(np.shape(x))
        with np.errstate(all="ignore"):
            slope = float(point.slope(point.arrays, slot, v) @ point.g)
        noise = 1e-9 if x.dtype == np.float64 else 3e-4
        allowed = (0.1 * _exact(x)) * size + noise * float(abs(point.g).sum())
        if not abs(slope - float((got * v).sum())) <= allowed:
            return False
    return True


def _exact(x: Array) -> float:
    """How exact a slope along a direction is."""
    return 1e-5 if x.dtype == np.float64 else 3e-2


def _sentence(point: Point, place: int, others: Sequence[Point]) -> str | None:
    """Compare one gradient, element by element, and name the mistake."""
    slot = point.step.slots[place]
    n = np.size(point.arrays[slot])
    if too_large(point, slot):
        if np.shape(point.gots[place]) != np.shape(point.arrays[slot]):
            shapes = np.shape(point.gots[place]), np.shape(point.arrays[slot])
            return (
                f"has shape {shapes[0]}, and {point.step.names[slot]} has {shapes[1]}"
            )
        return (
            f"is wrong, and with {n} elements too large to look at one by one"
            f"{_worst(point, place)}. Try again with smaller inputs"
        )
    draws = [Draw.of(p, place) for p in (point, *others)]
    first = draws[0]
    for symptom in SYMPTOMS:
        if (said := symptom(first)) and (len(draws) < 2 or symptom(draws[1])):
            mended = repairs(draws) if said.endswith(symptoms.OPEN) else []
            return f"{said}. It {told(mended, len(draws) > 1)}" if mended else said
    if not symptoms.off(first).any():
        return None
    draws = [
        d for d in draws if d.got.shape == d.want.shape and np.isfinite(d.got).all()
    ]
    draws = [d for i, d in enumerate(draws) if i == 0 or symptoms.off(d).any()]
    return described_by(draws) + symptoms.blind(first)


def described_by(draws: Sequence[Draw], linear: bool = False) -> str:
    """Say what is wrong; what does not depend on g is taken off first."""
    verdicts = verdicts_of(draws, linear)
    if not verdicts:
        return symptoms.unknown(draws[0])
    if (rest := verdicts[0].rest) is not None:
        return f"{verdicts[0].said}; and without it, it {described_by(rest, True)}"
    return told(verdicts, certain=len(draws) > 1)


SYMPTOMS = (
    symptoms.wrong_shape, symptoms.not_finite, symptoms.zero, symptoms.whole_numbers,
)  # fmt: skip
LOOKS: tuple[Callable[[Any], list[Verdict]], ...] = (
    lambda ds: equal(ds, of_the_right_one),
    lambda ds: equal(ds, of_the_jacobian),
    lambda ds: equal(ds, of_another_g),
    wrong_steps,
    symptoms.masks,
    wrong_points,
    missing_factors,
    lambda ds: described(ds, contractions),
    lambda ds: described(ds, products),
    lambda ds: missing_terms(ds, products),
    lambda ds: missing_terms(ds, contractions),
    symptoms.slid,
    symptoms.integers,
)


def verdicts_of(draws: Sequence[Draw], linear: bool = False) -> list[Verdict]:
    """Return the verdicts that hold in all draws, the most special ones first."""
    if not linear and (found := behavior.not_linear(draws)):
        return found
    if nearly := symptoms.nearly(draws[0]):
        return nearly
    found = []
    for look in LOOKS:
        found += look(draws)
        if found and min(v.cost for v in found) < CHEAP:
            break
    if min((v.cost for v in found), default=9.0) > 5:
        found += exchanged_terms(draws, products)
    if min((v.cost for v in found), default=9.0) > DEAR:
        found += repairs(draws)
    if min((v.cost for v in found), default=9.0) > CHEAP:
        found += symptoms.places(draws)
    return sorted(found, key=lambda v: v.cost) or symptoms.shuffled(draws)


def told(verdicts: Sequence[Verdict], certain: bool) -> str:
    """Say the first verdict, and those that are as special as it is."""
    best = verdicts[0].cost
    alike = [v for v in verdicts if v.cost <= best + TIE][:MANY]
    said = "; or, which is the same here: ".join(dict.fromkeys(v.said for v in alike))
    if not certain and not verdicts[0].likely:
        return f"looks like this (there is one draw only): it {said}"
    return said


def _worst(point: Point, place: int) -> str:
    """Name the worst element of a large input, by halving it again and again."""
    slot, got = point.step.slots[place], point.gots[place].ravel()
    x = point.arrays[slot]
    low, high = 0, got.size
    v = np.random.default_rng(3).standard_normal(got.size)

    def gap(a: int, b: int) -> float:
        part = np.zeros(got.size)
        part[a:b] = v[a:b]
        slope = float(point.slope(point.arrays, slot, part.reshape(x.shape)) @ point.g)
        return abs(slope - float(got @ part))

    while high - low > 1:
        middle = (low + high) // 2
        low, high = max(((low, middle), (middle, high)), key=lambda ab: gap(*ab))
    at = ", ".join(str(int(i)) for i in np.unravel_index(low, x.shape))
    return f"; worst at {point.step.names[slot]}[{at}]"
