"""Trainer: the loop that every network is trained in, written once.

A model, a loss, an optimizer and batches are there; this file puts them together.

    for each epoch:
        for each batch:      scores = model(x);  L = loss(scores, y)
                             L.backward();  optimizer.step();  optimizer.zero_grad()
        validate, look at the curves, decide whether to go on

That is `step` and `update` below, and a notebook can write it by hand with the same
parts; minidl/demo.py does, to be read. The rest is what a training run needs besides: a
History, a Guard against NaN, callbacks (callback.py), and a stop that Ctrl-C cannot
tear in two.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from minidl.backend import device_of
from minidl.engine.modes import careful
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError
from minidl.files import Path
from minidl.nn.module import Module
from minidl.train import batches, evaluation
from minidl.train.batches import Batch, Data
from minidl.train.callback import Callback, Record
from minidl.train.captured import CapturedStep
from minidl.train.evaluation import Recent
from minidl.train.guard import Guard
from minidl.train.history import History
from minidl.train.interrupt import between_steps
from minidl.train.progress import progress_for
from minidl.train.ranks import Ranks, of_rank

PLACE = ("epoch", "position", "t")  # where training stands


class Trainer:
    """Trains a model, watches it, and keeps the history.

    model      any callable. A Module is put into training mode, but for what is frozen
               (`Module.freeze`) and for layers in eval mode within a model that is
               not: somebody put them there on purpose
    optimizer  anything with step() and zero_grad()
    loss       (scores, y) -> scalar Tensor, a mean over the labels of the batch; what
               it ignores (ignore_index) does not count, see `batches.Counted`
    metrics    functions (scores, y) -> number, in a list or as {name: function}
    callbacks  see callback.py
    device     move the model there now, and every batch when it comes
    progress   True: a live line in a terminal, a figure in a notebook, elsewhere a line
               an epoch on standard error; unless a callback for that was given
    check_every  every so many steps the losses are read (on a CPU: always) and a copy
               of the state is taken, from which a NaN can be traced; 0: never look
    compile    on a GPU, replay the step as one captured graph: see minidl.compile
    report     write an HTML page there when `fit` ends: see minidl.lab.RunReport
    parallel   "mpi": this is one of several processes, each of which learns from its
               rows of a batch: see minidl.parallel

    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import accuracy
    >>> net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 2, rng=1))
    >>> trainer = Trainer(
    ...     net, optim.Adam(net.parameters(), lr=0.05), ops.cross_entropy, [accuracy]
    ... )
    >>> batches = DataLoader(moons(200, rng=0), 20, shuffle=True, seed=0)
    >>> history = trainer.fit(batches, moons(100, rng=1), epochs=20)
    >>> history["val_accuracy"][-1] > 0.95
    True
    >>> trainer
    Trainer(Sequential of 82 parameters, Adam(lr=0.05, ...), cross_entropy, accuracy...)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        loss: Callable[..., Any],
        metrics: Any = (),
        callbacks: Any = (),
        device: str | None = None,
        *,
        progress: bool = True,
        check_every: int = 20,
        compile: bool = False,
        report: Path | None = None,
        parallel: Any = None,
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.metrics = batches.named_metrics(metrics)
        shown = progress_for(callbacks) if progress else []
        if report is not None:  # the laboratory stands above this level: only named
            shown.append(import_module("minidl.lab.report").RunReport(report))
        self.callbacks: list[Callback] = sorted(
            [*callbacks, *shown], key=lambda callback: callback.turn
        )
        self.device = device
        if device is not None:
            model.to(device)
        self.history = History()
        self.recent = Recent()
        self.counted = batches.Counted(loss)
        self.truth: Any = None  # y of the newest batch
        self.guard = Guard(self, check_every)
        self.captured = CapturedStep(self) if compile else None
        if compile and parallel is not None:
            raise RangeError("compile=True is for one process; leave one of both out")
        self.ranks = None if parallel is None else Ranks(self, parallel)
        self.rank = 0 if self.ranks is None else self.ranks.rank
        self.epoch = 0  # epochs that are over
        self.position = 0  # batches of the epoch now that are done
        self.t = 0  # batches done in all
        self.goal = 0  # epochs after which this fit is over
        self.train_batches: Any = None
        self.validation: Any = None  # of the newest fit
        self.kept: list[Any] = []  # layers that are in eval mode on purpose
        self.ending = "done"
        self.stopping = ""
        self.cut_short = False  # the epoch now ends with this step

    # The loop

    def fit(
        self, train: Data, validation: Data | None = None, epochs: int = 1
    ) -> History:
        """Train for `epochs` more epochs, and return the history of all so far.

        train       batches (x, y): a DataLoader, a list, anything that begins anew with
                    every `for`
        validation  batches, or a dataset, or a tuple of arrays

        Ctrl-C ends it after the step, with all that was learned; the next fit goes on
        from there (a second Ctrl-C does not wait). Raises NonFiniteError, with a report
        and the last finite parameters in the model, when the loss is NaN or infinite.
        """
        if epochs < 0:
            raise RangeError(f"epochs is {epochs}, but it must be 0 or more")
        self.train_batches = batches.for_training(train)
        self.validation = validation
        self.goal, self.stopping = self.epoch + epochs, ""
        self.cut_short = False
        self.ending = "failed"
        self.guard.forget()
        with between_steps(self.stop), np.errstate(all="ignore"):  # the guard looks
            if self.position == 0:
                self.optimizer.zero_grad()
            self._tell("on_begin")
            if self.ranks is not None:
                self.ranks.begin()
            try:
                while self.epoch < self.goal and not self.stopping:
                    self._epoch(validation)
                self.ending = self.stopping or "done"
            finally:
                self._tell("on_end")
        return self.history

    def _epoch(self, validation: Data) -> None:
        """Train on the batches that are left of this epoch; validate; record."""
        start = time.perf_counter()
        self._walk()
        if self.stopping == "interrupted":
            return
        self._tell("on_train_end")
        if self.ranks is not None:
            self.ranks.end_of_training()
        self.guard.look()
        number = self.epoch + 1
        record: Record = {"epoch": number, "step": self.t}
        record["train_loss"] = self.history.mean_loss(number)
        record |= evaluation.measure(self, self._recent(), "train_")
        with self.as_judged():
            if validation is not None:
                record |= self.evaluate(validation, prefix="val_")
            self._tell("on_validation", record)
        record["lr"] = self.rate()
        record["seconds"] = time.perf_counter() - start
        self.history.add_epoch(record)
        self.epoch, self.position, self.recent = number, 0, Recent()
        self._tell("on_epoch", record)
        if self.ranks is not None:
            self.ranks.agree()

    def _recent(self) -> Collection[Any]:
        """Return the newest scores and labels, of all ranks."""
        if self.ranks is None:
            return self.recent.kept
        return self.ranks.recent(self.recent.kept)

    def shared(self, data: Data) -> Data:
        """Return batches with the rows of this rank alone, if there are several."""
        return data if self.ranks is None else self.ranks.world.share(data)

    def _walk(self) -> None:
        """Make a step with every batch that is left, until Ctrl-C."""
        self._train_mode()
        mixed = getattr(self.train_batches, "mix", None) is not None
        for batch in batches.going_on(self.shared(self.train_batches), self.position):
            scores, y = self.step(batch)
            lent = self.ranks is not None and self.ranks.world.lent
            if self.metrics and not mixed and not lent:
                self.recent.add(scores, y)
            self._tell("on_step")
            if self.stopping == "interrupted" or self.cut_short:
                return
        if self.position == 0:
            raise RangeError(
                f"epoch {self.epoch + 1} had no batch: an iterator can be walked only "
                "once, and drop_last may leave nothing; give a DataLoader or a list"
            )

    def _train_mode(self) -> None:
        """Put the model into training mode; what was in eval mode on purpose stays."""
        if getattr(self.model, "training", False) and hasattr(self.model, "modules"):
            self.kept = [m for m in self.model.modules() if not m.training]
        elif hasattr(self.model, "train"):  # all of it was judged, or is frozen
            self.model.train()
            for module in self.kept:
                module.training = False

    def step(self, batch: Batch) -> tuple[Any, Any]:
        """Learn from one batch; return its scores and the truth."""
        xs, y = batches.pair(batch, self.device)
        self.guard.before((xs, y))
        if self.captured is not None and self.captured.takes(xs):
            scores = self.captured(xs, y)
        else:
            scores, loss = self.forward(xs, y)
            if self.ranks is None:
                self.note(loss, y, self.rate())
            else:
                self.ranks.note(loss, y)
            self.backward(loss, y)
            self.update()
        self.t, self.position = self.t + 1, self.position + 1
        return scores, y

    def note(self, loss: Tensor, y: TensorLike, lr: float) -> None:
        """Put the loss of a batch into the history, and look at it."""
        self.truth = y
        self.history.add_step(
            loss.data,
            self.counted(y, quick=True),
            step=self.t + 1,
            epoch=self.epoch + 1,
            samples=batches.samples(y),
            lr=lr,
        )
        self.guard.after(device_of(loss.data))

    def rate(self) -> float:
        """Return the learning rate of the next step, NaN where there is none."""
        return float(getattr(self.optimizer, "lr", float("nan")))

    def forward(self, xs: batches.Batch, y: TensorLike) -> tuple[Any, Any]:
        """Return the scores and their loss."""
        scores = self.model(*xs)
        if self.ranks is not None and not self.ranks.counts(y):
            return scores, self.ranks.nothing(scores)
        if self.t:
            loss = self.loss(scores, y)
        else:  # the first step of all: is this what was meant?
            with careful():
                loss = self.loss(scores, y)
        batches.check_scalar(loss)
        return scores, loss

    def backward(self, loss: Tensor, y: TensorLike) -> None:
        """Add ∂L/∂θ to the gradients; a callback may make another loss of L first."""
        for callback in self.callbacks:
            loss = callback.on_loss(self, loss, y)
        if self.ranks is None:
            loss.backward()
        else:
            self.ranks.backward(loss, y)

    def update(self) -> None:
        """Descend, unless a callback wants more gradients first."""
        self.guard.gradients()
        for callback in self.callbacks:
            if callback.on_backward(self) is False:
                return
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._tell("on_update")

    def stop(self, reason: str = "stopped", *, now: bool = False) -> None:
        """End `fit`: after this epoch or, for the reason "interrupted", this step.

        now: the epoch ends with this step; it is validated, and counts as a whole one
        """
        if self.ranks is not None:  # the next message asks whether anybody wants to
            self.ranks.wishes |= {reason, "now"} if now else {reason}
            return
        self.cut_short = self.cut_short or now
        self.stopping = self.stopping if self.stopping == "interrupted" else reason

    # Judging

    def evaluate(self, data: Data, *, prefix: str = "") -> dict[str, float]:
        """Return {"loss": …, metric: …} over all samples, with the model in eval mode.

        Metrics see all scores at once, so that an F1 is that of the whole and not a
        mean of parts. data: batches, a dataset, or a tuple of arrays.
        """
        return evaluation.evaluate(self, data, prefix)

    def predict(self, data: Data) -> np.ndarray[Any, Any]:
        """Return the scores of all samples.    data of N samples -> (N, …), on the host

        data: inputs (N, …), a dataset, or batches; of a tuple, the last is the truth.
        """
        return evaluation.predict(self.model, data, self.device)

    @contextmanager
    def as_judged(self) -> Iterator[None]:
        """Put the weights in the model that validation judges: averaged ones, say."""
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.enter_context(callback.evaluation())
            yield

    # What a checkpoint keeps

    def state_dict(self) -> dict[str, Any]:
        """Return the place in training, the history and what the callbacks remember."""
        memories = {name: c.state_dict() for name, c in self._named_callbacks()}
        return {
            **{name: getattr(self, name) for name in PLACE},
            "stopped": self.stopping == "stopped",
            "history": self.history.state_dict(),
            "recent": self._recent_state(),
            "callbacks": {name: memory for name, memory in memories.items() if memory},
        }

    def _recent_state(self) -> dict[str, Any]:
        state = self.recent.state_dict()
        return state if self.ranks is None else {"ranks": self.ranks.gather(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; model, optimizer and loader have their own.

        Raises RangeError if a callback is missing that remembers something.
        """
        known, memories = dict(self._named_callbacks()), state["callbacks"]
        unknown = sorted(set(memories) - set(known))
        if unknown:
            raise RangeError(
                f"the state has something of the callbacks {unknown}, and this trainer "
                f"has only {sorted(known)}; make it as it was made then"
            )
        for name, memory in memories.items():
            known[name].load_state_dict(memory)
        self.history.load_state_dict(state["history"])
        self.recent.load_state_dict(of_rank(state["recent"], self.rank))
        for name in PLACE:
            setattr(self, name, int(state[name]))
        self.stopping = "stopped" if state["stopped"] else ""

    def _named_callbacks(self) -> Iterator[tuple[str, Callback]]:
        """Yield ("EarlyStopping", …), and ("EarlyStopping 2", …) for a second one."""
        seen: Counter[str] = Counter()
        for callback in self.callbacks:
            name = type(callback).__name__
            seen[name] += 1
            yield name if seen[name] == 1 else f"{name} {seen[name]}", callback

    def __repr__(self) -> str:
        """What it trains, how, and how far it is; without the losses not read yet."""
        model = _called(self.model)
        if hasattr(self.model, "num_parameters"):
            model += f" of {self.model.num_parameters():,} parameters"
        names = [model, repr(self.optimizer), _called(self.loss), *self.metrics]
        names += [_called(callback) for callback in self.callbacks]
        return f"Trainer({', '.join(names)}; {self.history!r})"

    def _tell(self, hook: str, *facts: Any) -> None:
        for callback in self.callbacks:
            if not (self.rank and callback.writes):
                getattr(callback, hook)(self, *facts)


def _called(thing: object) -> str:
    """Return the name of a function, of a partial's function, or of a class."""
    thing = getattr(thing, "func", thing)
    return str(getattr(thing, "__name__", type(thing).__name__))
