"""Monitor: what goes on inside a net while it trains, and words when it goes wrong.

Every so many steps one step is watched: the activations of every layer, the gradients
that arrive, and by how much the update changes the weights. The rest of the steps are
as they would be without it. Dead ReLUs are counted over a pass of data, for a unit that
is 0 for one batch may be active in the next.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minidl import nn
from minidl.backend import Array, namespace, to_numpy
from minidl.data import DataLoader
from minidl.engine.modes import no_grad
from minidl.errors import DTypeError, RangeError
from minidl.lab import alarms, probes
from minidl.nn.module import Module, evaluating
from minidl.train import Callback
from minidl.train.batches import Data, for_evaluation, inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minidl.train.callback import Record
    from minidl.train.trainer import Trainer

PASS_COST = 0.01  # of the work of training, for all passes but the last together
SAMPLES = 1000  # of a pass


class MonitorWarning(UserWarning):
    """Something inside the net goes wrong; said once."""


@dataclass
class LayerFigures:
    """The newest figures of a layer; NaN for what it does not have.

    mean, deviation   of its activations
    saturation        share of them where the function is flat: 0 for a ReLU, or at the
                      ends of a sigmoid or a tanh
    dead              share of the units of a ReLU that were 0 for all of a pass of data
    gradient          length of the gradient of its parameters
    update_ratio      length of an update over that of the weights; about 1e-3 is well
    history           {figure: [(step, value), …]} of all that was measured
    """

    kind: str
    mean: float = math.nan
    deviation: float = math.nan
    saturation: float = math.nan
    dead: float = math.nan
    gradient: float = math.nan
    update_ratio: float = math.nan
    history: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def note(self, name: str, step: int, value: float) -> None:
        """Take in a figure."""
        setattr(self, name, value)
        self.history.setdefault(name, []).append((step, value))


class Monitor(Callback):
    """Watches every `every`-th step, and warns in words, once for each layer and cause.

    every   steps between two that are watched; the first is
    data    what dead ReLUs are counted on, samples or batches; default: a thousand of
            the training samples
    passes  epochs between two passes over it; default: as many as cost 1 % of training.
            After the last epoch there is always one
    warn    say it with `warnings.warn` too; `warnings` lists it in any case

    `layers[name]` has the newest figures of a layer, and the History has a column for
    each, such as "update_ratio/0". Layers are the modules without modules in them; an
    `ops.relu` inside of a forward is not seen. On a GPU nothing is read between two
    watched steps. In a captured step (`compile=True`) only gradients and updates are
    watched.

    >>> from minidl import ops, optim
    >>> from minidl.data import moons
    >>> from minidl.train import Trainer
    >>> net = nn.Sequential(nn.Linear(2, 8, rng=0), nn.ReLU(), nn.Linear(8, 2, rng=1))
    >>> net[0].bias.data[:2] = -100  # two units that are 0 for every point
    >>> monitor = Monitor(every=10, warn=False)
    >>> opt = optim.Momentum(net.parameters(), lr=0.05)
    >>> trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[monitor])
    >>> history = trainer.fit(DataLoader(moons(200, rng=0), 20), epochs=5)
    >>> monitor.layers["1"].dead, 1e-4 < monitor.layers["0"].update_ratio < 1e-2
    (0.25, True)
    >>> monitor.warnings[0][:45]
    '2 of the 8 units of layer 1 (ReLU) are dead: '
    """

    turn: ClassVar[int] = -15  # gradients are complete, and not yet clipped

    def __init__(
        self,
        every: int = 100,
        data: Data | None = None,
        *,
        passes: int | None = None,
        warn: bool = True,
    ) -> None:
        if every < 1 or (passes is not None and passes < 1):
            raise RangeError(
                f"Monitor: every is {every} and passes is {passes}; steps and epochs "
                "are counted from 1"
            )
        self.every, self.data, self.passes, self.warn = every, data, passes, warn
        self.layers: dict[str, LayerFigures] = {}
        self.warnings: list[str] = []
        self._modules: dict[str, nn.Module] = {}
        self._figures: dict[tuple[str, str], Array] = {}  # of the step that is watched
        self._waiting: list[tuple[int, list[tuple[str, str]], Array]] = []
        self._before: dict[str, list[Array]] = {}
        self._hooks = ExitStack()
        self._owed = 0.0  # sample-steps that passes may cost
        self._alarms = alarms.Alarms()

    # The step that is watched

    def on_begin(self, trainer: Trainer) -> None:
        """Find the layers, and watch the first step."""
        if not isinstance(trainer.model, nn.Module):
            raise DTypeError(
                "Monitor looks into the layers of a Module, and the model is a "
                f"{type(trainer.model).__name__}"
            )
        self._modules = probes.leaves(trainer.model)
        for name, module in self._modules.items():
            self.layers.setdefault(name, LayerFigures(type(module).__name__))
        self._set_hooks(trainer)

    def on_backward(self, trainer: Trainer) -> None:
        """Take the lengths of the gradients, and the weights before the update."""
        if not self._due(trainer.t):
            return
        for name, module in self._modules.items():
            if not any(p.requires_grad for p in module.parameters()):
                continue
            size = probes.gradient(module)
            if size is not None:
                self._figures[name, "gradient"] = size
            self._alarms.arrived(name, size is not None)
            matrices = probes.weights(module)
            if matrices and size is not None:
                self._before[name] = [w.copy() for w in matrices]

    def on_update(self, trainer: Trainer) -> None:
        """Compare the weights with those before; keep all figures, unread."""
        if not self._figures:
            return
        for name, before in self._before.items():
            after = probes.weights(self._modules[name])
            self._figures[name, "update_ratio"] = probes.update_ratio(before, after)
        self._before = {}
        self._keep(trainer.t + 1)

    def on_step(self, trainer: Trainer) -> None:
        """Set the hooks if the next step is one to be watched."""
        self._hooks.close()
        if self._due(trainer.t):
            self._read(trainer)
            self._set_hooks(trainer)

    def _due(self, t: int) -> bool:
        return t % self.every == 0

    def _set_hooks(self, trainer: Trainer) -> None:
        """Set a hook on every layer for the next step, if that is watched."""
        self._hooks.close()
        if not self._due(trainer.t) or trainer.captured is not None:
            return
        for name, module in self._modules.items():
            self._hooks.enter_context(self._hooked(name, module))

    @contextmanager
    def _hooked(self, name: str, module: nn.Module) -> Iterator[None]:
        def hook(layer: Module, _: Any, output: Any) -> None:
            if layer.training:  # and not while it is judged
                for figure, value in probes.activations(layer, output).items():
                    self._figures[name, figure] = value

        with module.register_forward_hook(hook):
            yield

    def _keep(self, step: int) -> None:
        """Put the figures of a step side by side: one transfer will read them all."""
        found = list(self._figures.values())
        stacked = namespace(found[0]).stack(found)
        self._waiting.append((step, list(self._figures), stacked))
        self._figures = {}

    def _read(self, trainer: Trainer) -> None:
        """Read what waits, and look whether something is wrong."""
        for step, keys, stacked in self._waiting:
            numbers = to_numpy(stacked).astype(float).tolist()
            for (name, figure), value in zip(keys, numbers, strict=True):
                self.layers[name].note(figure, step, value)
        if self._waiting:
            self._waiting = []
            self._say(self._alarms.look(self.layers, self._modules, trainer.rate()))
        self._say(self._alarms.loss(trainer.history.newest(max(self.every, 20))))

    # The end of an epoch

    def on_train_end(self, trainer: Trainer) -> None:
        """Count dead ReLUs if it is time, with the weights that are trained."""
        self._read(trainer)
        if self._pass_due(trainer):
            self._hooks.close()
            self.count_dead(trainer)
            self._set_hooks(trainer)

    def on_validation(self, trainer: Trainer, record: Record) -> None:
        """Add the newest figures to the row of the epoch."""
        for name, layer in self.layers.items():
            for figure in layer.history:
                record[f"{figure}/{name}"] = getattr(layer, figure)

    def on_end(self, trainer: Trainer) -> None:
        """Take the hooks away; what was interrupted is read too."""
        self._hooks.close()
        self._read(trainer)

    def _pass_due(self, trainer: Trainer) -> bool:
        """Whether a pass can be paid for: a forward is a third of a step."""
        epoch = trainer.epoch + 1
        if self.passes is not None:
            return epoch % self.passes == 0 or epoch == trainer.goal
        seen = sum(trainer.history.steps["samples"][-trainer.position :])
        self._owed += 3 * PASS_COST * seen
        due = self._owed >= min(SAMPLES, seen)
        if due:
            self._owed = 0.0
        return due or epoch == trainer.goal

    def count_dead(self, trainer: Trainer) -> None:
        """Make a pass: a ReLU's unit is dead if no sample makes it put out something.

        It ends early when every unit of every layer was active once.
        """
        reached: dict[str, Array] = {}

        def remember(name: str) -> Any:
            def hook(layer: Module, _: Any, output: Any) -> None:
                now = probes.active(output)
                reached[name] = reached[name] | now if name in reached else now

            return hook

        seen = 0
        with ExitStack() as stack, evaluating(trainer.model), no_grad():
            for name, module in self._modules.items():
                if type(module) is nn.ReLU:
                    handle = module.register_forward_hook(remember(name))
                    stack.enter_context(handle)
            for batch in self._samples(trainer):
                xs = inputs(batch, trainer.device)
                trainer.model(*xs)
                seen += len(xs[0])
                complete = all(bool(units.all()) for units in reached.values())
                if complete or (self.data is None and seen >= SAMPLES):
                    break
        for name, units in reached.items():
            alive = to_numpy(units)
            self.layers[name].note("dead", trainer.t, float(1 - alive.mean()))
            self._say(self._alarms.dead(name, self.layers[name], alive, seen))

    def _samples(self, trainer: Trainer) -> Any:
        """Return batches to count on; the order and place of a loader remain."""
        if self.data is not None:
            return for_evaluation(self.data)
        source = trainer.train_batches
        if not isinstance(source, DataLoader):
            return source
        n = len(source.dataset)
        chosen = np.random.default_rng(0).permutation(n)[:SAMPLES]
        few = source.dataset.subset(chosen)
        size = max(source.batch_size, 250)
        return DataLoader(few, size, collate=source.collate, device=source.device)

    def _say(self, messages: list[str]) -> None:
        for message in messages:
            self.warnings.append(message)
            if self.warn:
                warnings.warn(message, MonitorWarning, stacklevel=4)

    # Looking

    def plot(self, *, path: Any = None) -> Figure:
        """Draw all figures against the step (`minidl.show.monitor`)."""
        from minidl.show import monitor

        return monitor(self.figures(), path=path)

    def figures(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        """Return {"0 (Linear)": {"update_ratio": [(step, value), …], …}, …}."""
        return {
            f"{name} ({layer.kind})": dict(layer.history)
            for name, layer in self.layers.items()
            if layer.history
        }
