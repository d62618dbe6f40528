"""Guard: when the loss is no longer a number, find out why, and undo it.

NaN spreads: by the time the loss shows it, every weight has it. So the guard keeps a
copy of the state, taken every k steps, and the batches since. When a loss is NaN or
infinite it goes back to the copy and makes the same steps again under `minidl.debug()`,
which stops at the first operation that makes a NaN or an infinity out of finite
numbers; and it leaves the model as it was before that step.

On a CPU a loss is read as soon as it is made. On a GPU that would make every step wait
for the device, so there the losses of k steps are read together.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minidl.backend import Array, namespace
from minidl.engine.debug import debug
from minidl.errors import NonFiniteError, RangeError
from minidl.train.batches import Batch
from minidl.train.evaluation import Recent

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

LARGE = 100.0  # a gradient that a step should not have met

ADVICE = {
    "data": "np.isfinite(x) finds the samples of that batch to drop or to mend",
    "steep": "the gradient exploded: try callbacks=[GradientClip(max_norm=1.0)], a "
    "learning rate of {lr:.1g}, or schedules.warmup",
    "update": "the step was too large: try a learning rate of {lr:.1g}",
    "log": "a log, a root or a division met the edge of its domain: add a small ε "
    "inside, or take a loss that works on scores, such as ops.cross_entropy",
    "exp": "an exponential overflowed: try a learning rate of {lr:.1g}, inputs of mean "
    "0 and variance 1, or a loss that works on scores, such as ops.cross_entropy",
    "other": "try a learning rate of {lr:.1g}, inputs of mean 0 and variance 1, or "
    "GradientClip(max_norm=1.0)",
}
EDGES = ("log", "sqrt", "rsqrt", "divide", "reciprocal", "power")


class Guard:
    """Looks at the losses of a Trainer; `every` = k steps, 0 to look at nothing."""

    def __init__(self, trainer: Trainer, every: int) -> None:
        if every < 0:
            raise RangeError(f"check_every is {every}, but it must be 0 or more")
        self.trainer, self.every = trainer, every
        self.copy: Snapshot | None = None
        self.since: list[Any] = []  # batches begun since the copy was taken
        self.sizes: list[tuple[str, Array]] = []  # of the newest gradients, not read
        self.earlier: list[tuple[str, Array]] = []  # of those just before the copy

    def before(self, batch: Batch) -> None:
        """A step begins: take a copy if it is time, and remember the batch."""
        if not self.every:
            return
        due = self.copy is None or len(self.since) >= self.every
        if due and not self._gradients_wait():
            if self.copy is not None:
                self.look()
            self.copy, self.since = Snapshot(self.trainer), []
            self.earlier = self.sizes
        if self.copy is not None:
            self.since.append(batch)

    def gradients(self) -> None:
        """A backward is done: before a copy, measure, for a report that may need it."""
        if self.every and len(self.since) >= self.every:
            self.sizes = sizes(parameters(self.trainer))

    def after(self, device: str) -> None:
        """A loss was made: on a CPU, look at it."""
        if self.every and device == "cpu" and self._bad(self.trainer.history.read()):
            self._stop()

    def look(self) -> None:
        """Read the losses that wait, and look at the parameters too."""
        if not self.every:
            return
        losses_bad = self._bad(self.trainer.history.read())
        if losses_bad or not_finite(self.trainer):
            self._stop()

    def forget(self) -> None:
        """The state was changed from outside: what was kept no longer belongs to it."""
        self.copy, self.since, self.sizes = None, [], []

    @staticmethod
    def _bad(losses: list[float]) -> bool:
        return not all(map(math.isfinite, losses))

    def _gradients_wait(self) -> bool:
        return any(p.grad is not None for _, p in parameters(self.trainer))

    def _stop(self) -> None:
        finding = self._replay()
        losses = self.trainer.history.steps["loss"]
        self.forget()
        self.trainer.recent = Recent()  # its newest scores may be NaN
        raise NonFiniteError(report(self.trainer, finding, losses))

    def _replay(self) -> Finding:
        """Make the steps again, slowly; leave the state as before the bad one."""
        trainer = self.trainer
        if self.copy is None:  # gradients have been waiting ever since fit began
            return Finding(step=trainer.t + 1)
        self.copy.restore()
        first = self.copy.t + 1
        finding = Finding(step=first, largest=largest(self.earlier))
        for step, (xs, y) in enumerate(self.since, first):
            before = None if self._gradients_wait() else Snapshot(trainer)
            finding.step = step
            finding.cause = self._again(xs, y, finding)
            if finding.cause:
                (before or self.copy).restore()
                return finding
        self.copy.restore()
        return finding

    def _again(self, xs: Any, y: Any, finding: Finding) -> str:
        """Make one step under debug; return what went wrong, or ""."""
        trainer = self.trainer
        for i, part in enumerate((*xs, y)):
            if not finite(getattr(part, "data", part)):
                which = "the labels" if i == len(xs) else f"input {i}"
                finding.kind = "data"
                return f"{which} of the batch hold NaN or infinity already"
        try:
            with debug():
                finding.kind = "forward"
                _, loss = trainer.forward(xs, y)
                if not finite(loss.data):
                    return f"the loss is {float(loss.data)}"
                finding.kind = "backward"
                trainer.truth = y
                trainer.backward(loss, y)
        except NonFiniteError as error:
            where = f", in {error.layer}" if error.layer else ""
            return f"{error.args[0]}{where}"
        finding.largest = largest(sizes(parameters(trainer)))
        finding.kind = "update"
        trainer.update()
        bad = not_finite(trainer)
        return f"the update made {bad} NaN or infinite" if bad else ""


class Snapshot:
    """Parameters, buffers, and what optimizer and callbacks remember, copied."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.t = trainer, trainer.t
        self.arrays = [(x, x.data.copy()) for x in tensors(trainer)]
        optimizer = trainer.optimizer
        self.members = [
            (m, m.t, {name: slot.copy() for name, slot in m.slots.items()})
            for m in getattr(optimizer, "members", ())
        ]
        self.steps = getattr(optimizer, "t", None)
        self.memories = [(c, copy.deepcopy(c.state_dict())) for c in acting(trainer)]

    def restore(self) -> None:
        """Bring everything back; the gradients are gone."""
        for x, old in self.arrays:
            x.data[...] = old
            x.touch()
        for member, t, slots in self.members:
            member.t = t
            member.slots = {name: slot.copy() for name, slot in slots.items()}
        if self.steps is not None:
            self.trainer.optimizer.t = self.steps
        for callback, memory in self.memories:
            callback.load_state_dict(memory)
        self.trainer.optimizer.zero_grad()


def acting(trainer: Trainer) -> Iterator[Any]:
    """Yield the callbacks that take part in the arithmetic of a step."""
    from minidl.train.callback import Callback

    for callback in trainer.callbacks:
        own = type(callback)
        if (
            own.on_backward is not Callback.on_backward
            or own.on_update is not Callback.on_update
        ):
            yield callback


def parameters(trainer: Trainer) -> list[tuple[str, Any]]:
    """Return the (name, parameter) pairs of the model, or else of the optimizer."""
    if hasattr(trainer.model, "named_parameters"):
        return list(trainer.model.named_parameters())
    return [(m.name, m.parameter) for m in getattr(trainer.optimizer, "members", ())]


def tensors(trainer: Trainer) -> list[Any]:
    """Return parameters and buffers, each once."""
    buffers = trainer.model.buffers() if hasattr(trainer.model, "buffers") else ()
    own = [p for _, p in parameters(trainer)]
    return list({id(x): x for x in (*own, *buffers)}.values())


def not_finite(trainer: Trainer) -> str:
    """Name the first parameter that holds a NaN or an infinity; "" if there is none.

    One number for all is read first, so that a GPU is asked once.
    """
    pairs = parameters(trainer)
    if not pairs:
        return ""
    fine = [namespace(p.data).isfinite(p.data).all() for _, p in pairs]
    if bool(namespace(fine[0]).stack(fine).all()):
        return ""
    return next(name for (name, _), ok in zip(pairs, fine, strict=True) if not bool(ok))


def finite(x: Array) -> bool:
    """Whether an array is without NaN and infinity; words and whole numbers are."""
    if getattr(getattr(x, "dtype", None), "kind", "") != "f":
        return True
    return bool(namespace(x).isfinite(x).all())


# The report: what happened, and what to try


@dataclass
class Finding:
    """What the replay found: the step, the cause, and in which part of the step."""

    step: int
    cause: str = ""
    kind: str = ""  # data, forward, backward or update
    largest: tuple[str, float] | None = None  # of the gradients: its place and size


def sizes(pairs: list[tuple[str, Any]]) -> list[tuple[str, Array]]:
    """Return max |gᵢ| of every parameter, () each, not read from the device."""
    return [(name, abs(p.grad).max()) for name, p in pairs if p.grad is not None]


def largest(found: list[tuple[str, Array]]) -> tuple[str, float] | None:
    """Return the name of the parameter with the largest gradient, and its size."""
    pairs = [(name, float(size)) for name, size in found]
    return max(pairs, key=lambda pair: pair[1], default=None)


def report(trainer: Trainer, finding: Finding, losses: list[float]) -> str:
    """Tell the whole story, a fact in a line."""
    bad = next((x for x in losses[::-1] if not math.isfinite(x)), None)
    what = "the parameters became infinite or NaN"
    if bad is not None:
        what = f"the loss became {bad}"
    lines = [
        f"training stopped at step {finding.step} (epoch {trainer.epoch + 1}): {what}",
        f"  last losses: {' '.join(f'{x:.4g}' for x in losses[-6:])}",
    ]
    if finding.largest is not None:
        name, size = finding.largest
        lines.append(f"  largest gradient: {size:.3g}, in {name}")
    cause = finding.cause or (
        "not found: made again under minidl.debug(), the steps went well. Does the "
        "model draw random numbers of its own, or the loss change from call to call?"
    )
    lines += [
        f"  first cause: {cause}",
        "  the model is as it was before that step: the last finite parameters",
        f"  advice: {advice(trainer, finding)}",
    ]
    return "\n".join(lines)


def advice(trainer: Trainer, finding: Finding) -> str:
    """Choose by what was seen."""
    op = finding.cause.removeprefix("the backward of ").split(" ")[0].rstrip(",")
    large = finding.largest is not None and finding.largest[1] > LARGE
    if finding.kind == "data":
        key = "data"
    elif large or (finding.largest and not math.isfinite(finding.largest[1])):
        key = "steep"
    elif finding.kind == "update":
        key = "update"
    elif op in EDGES:
        key = "log"
    else:
        key = "exp" if op in ("exp", "expm1") else "other"
    return ADVICE[key].format(lr=float(getattr(trainer.optimizer, "lr", 1e-3)) / 10)
