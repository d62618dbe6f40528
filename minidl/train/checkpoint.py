"""A folder of checkpoints that loses nothing, and the callback that fills it.

checkpoint-00000012.safetensors is the twelfth; each is complete when it gets its name,
and an older one goes only after that. So whatever kills a program, and whenever, the
newest file is that of the last `save` that returned, or the one it was busy with. The
last ones stay, and the best.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from minidl import files
from minidl.errors import RangeError
from minidl.files import Path
from minidl.train.callback import Callback, Record, direction, judged
from minidl.train.checkpoint_file import (
    CheckpointError,
    Parts,
    Saved,
    load_checkpoint,
    metric_of,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from minidl.train.randomness import Randomness

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointWarning",
    "Checkpoints",
    "Randomness",
    "Saved",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]

NAME = re.compile(r"checkpoint-(\d{8,18})\.safetensors", re.ASCII)


class CheckpointWarning(UserWarning):
    """A newer checkpoint was damaged, and an older one was taken."""


class Checkpoints:
    """The checkpoints of one training run, in a folder of their own.

    keep    how many of the last are kept; the best is kept besides
    mode    "min" or "max": which metric is the best; NaN never is
    limit   refuse files of more bytes

    `parts` below is name → anything with state_dict() and load_state_dict(), or None;
    a Randomness among them brings the generators along.

    >>> import minidl as md, tempfile
    >>> net = md.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saves = Checkpoints(folder, mode="max")
    ...     for accuracy in (0.5, 0.9, 0.7, 0.8):
    ...         path = saves.save({"model": net}, accuracy)
    ...     sorted(saves.paths), saves.resume({"model": net}).metric
    ([2, 3, 4], 0.8)
    """

    def __init__(
        self,
        folder: Path,
        keep: int = 2,
        *,
        mode: str = "min",
        limit: int = files.SIZE_LIMIT,
    ) -> None:
        if mode not in ("min", "max"):
            raise RangeError(f'Checkpoints: mode is "min" or "max", not {mode!r}')
        if keep < 1:
            raise RangeError(f"Checkpoints: keep is {keep}; keep at least the last one")
        self.folder, self.keep, self.limit = os.fspath(folder), keep, limit
        self.better: Callable[[float, float], bool] = (
            float.__lt__ if mode == "min" else float.__gt__
        )
        self._metrics: dict[int, float | None] | None = None  # of the sound ones

    # What is there

    @property
    def paths(self) -> dict[int, str]:
        """The files by number, the oldest first: whatever bears such a name."""
        with suppress(FileNotFoundError):
            found = {}
            for name in os.listdir(self.folder):
                if match := NAME.fullmatch(name):
                    found[int(match[1])] = os.path.join(self.folder, name)
            return dict(sorted(found.items()))
        return {}

    @property
    def best(self) -> str | None:
        """The file with the best metric, the first of equals; None without a metric."""
        number = self._best()
        return None if number is None else self.paths.get(number)

    def _best(self) -> int | None:
        best: tuple[int, float] | None = None
        for number, metric in sorted(self._known().items()):
            if metric is None or math.isnan(metric):
                continue
            if best is None or self.better(metric, best[1]):
                best = number, metric
        return best and best[0]

    def _known(self) -> dict[int, float | None]:
        """Return number → metric of the sound files; the first time, look at each."""
        if self._metrics is None:
            known = {}
            for number, path in self.paths.items():
                with suppress(CheckpointError, FileNotFoundError):
                    known[number] = metric_of(path, limit=self.limit)
            self._metrics = known
        return self._metrics

    # Writing

    def save(
        self,
        parts: Parts,
        metric: float | None = None,
        *,
        notes: Mapping[str, Any] | None = None,
    ) -> str:
        """Write one more, forget those that are neither new nor best; return its path.

        Raises CheckpointError, and keeps what there was, if the disk fails or is full,
        or if another process writes into the folder.
        """
        try:
            self._make_folder()
            alone = files.hold(self.folder)
            files.sweep(self.folder)
        except OSError as error:
            why = f"{self.folder}: nothing was saved: {error.strerror or error}"
            raise CheckpointError(why) from error
        if not alone:
            raise CheckpointError(
                f"{self.folder}: nothing was saved: another process is writing its "
                "checkpoints there; give each run a folder of its own"
            )
        known, metric = self._known(), None if metric is None else float(metric)
        number = 1 + max([0, *self.paths, *known])
        path = os.path.join(self.folder, f"checkpoint-{number:08d}.safetensors")
        self._metrics = None  # a Ctrl-C right after the file has its name: look again
        save_checkpoint(path, parts, metric=metric, notes=notes)
        self._metrics = known | {number: metric}
        self._forget()
        return path

    def _make_folder(self) -> None:
        if not os.path.isdir(self.folder):
            os.makedirs(self.folder)
            files.sync_folder(os.path.dirname(os.path.abspath(self.folder)))

    def _forget(self) -> None:
        """Remove what is neither among the last nor the best; damaged files stay."""
        known, paths = self._known(), self.paths
        for number in [n for n in known if n not in paths]:  # removed by somebody
            del known[number]
        stay = {*sorted(known)[-self.keep :], self._best()}
        for number in sorted(known.keys() - stay):
            with suppress(OSError):  # it can wait until the next time
                os.remove(paths[number])
                del known[number]

    # Going on

    def resume(self, parts: Parts, *, strict: bool = True) -> Saved | None:
        """Load the newest sound checkpoint; None if there is none of any kind.

        A CheckpointWarning names the newer ones that are damaged. Raises
        CheckpointError, and changes nothing, if all are, or if the newest sound one is
        of another model: an older one would fit no better.
        """
        with suppress(OSError):
            files.sweep(self.folder)
        self._metrics = None
        faults: list[str] = []
        for path in reversed(self.paths.values()):
            try:
                saved = read_checkpoint(path, limit=self.limit)
            except (CheckpointError, FileNotFoundError) as error:
                faults.append(str(error))
                continue
            restore(saved, parts, strict=strict)
            if faults:
                message = "\n  ".join([f"resumed from {path}; passed over:", *faults])
                warnings.warn(message, CheckpointWarning, stacklevel=2)
            return saved
        if faults:
            message = f"{self.folder}: no checkpoint is sound, and nothing was changed"
            raise CheckpointError("\n  ".join([message, *faults]))
        return None

    def load_best(self, parts: Parts, *, strict: bool = True) -> Saved:
        """Load the checkpoint with the best metric."""
        self._metrics = None
        if (path := self.best) is None:
            raise CheckpointError(
                f"{self.folder}: no sound checkpoint with a metric; give one to save()"
            )
        return load_checkpoint(path, parts, strict=strict, limit=self.limit)


class Checkpoint(Callback):
    """Save everything that the run needs to go on, in a folder of its own.

    folder    where the files are; the last `keep` of them and the best one stay
    monitor   the metric that says which is the best; None keeps the last ones only
    every     save after so many epochs
    steps     save after so many steps, too, in the middle of an epoch
    resume    begin where the newest sound file stopped, if there is one: then the same
              script, started again, makes the same run as if it had never been stopped,
              and `epochs` counts from its very beginning
    random    generators of your own to save: {"noise": rng}

    Ctrl-C saves before `fit` returns. Model, optimizer, loader, history, callbacks and
    every generator are in the file; `train.load_checkpoint` reads it without a Trainer.

    >>> import tempfile
    >>> from minidl import nn, ops, optim
    >>> from minidl.data import DataLoader, moons
    >>> from minidl.train import Trainer
    >>> def run(folder, epochs):
    ...     net = nn.Linear(2, 2, rng=0)
    ...     opt = optim.Adam(net.parameters(), lr=0.1)
    ...     save = Checkpoint(folder, resume=True)
    ...     loader = DataLoader(moons(100, rng=0), shuffle=True, seed=0)
    ...     trainer = Trainer(net, opt, ops.cross_entropy, callbacks=[save])
    ...     trainer.fit(loader, epochs=epochs)
    ...     return net.weight.data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stopped = run(f"{folder}/a", epochs=1)
    ...     a, b = run(f"{folder}/a", epochs=3), run(f"{folder}/b", epochs=3)
    >>> bool((a == b).all())                                  # bit by bit
    True
    """

    turn: ClassVar[int] = 10  # all that others learned from the epoch is saved with it

    def __init__(
        self,
        folder: Path,
        monitor: str | None = None,
        *,
        mode: str = "auto",
        keep: int = 2,
        every: int = 1,
        steps: int | None = None,
        resume: bool = False,
        random: dict[str, Any] | None = None,
    ) -> None:
        if every < 1 or (steps is not None and steps < 1):
            raise RangeError(
                f"Checkpoint: every={every} epochs, steps={steps}; at least 1 each"
            )
        self.monitor, self.every, self.steps = monitor, every, steps
        mode = direction(monitor, mode) if monitor else "min"
        self.store = Checkpoints(folder, keep, mode=mode)
        self.resume, self.randomness = resume, Randomness(**(random or {}))
        self.resumed: Saved | None = None
        self.saved_at = -1  # the step of the newest file

    def parts(self, trainer: Trainer) -> dict[str, Any]:
        """Return all that is saved, by name."""
        own = {
            "model": trainer.model,
            "optimizer": trainer.optimizer,
            "loader": trainer.train_batches,
            "trainer": trainer,
        }
        kept = {name: part for name, part in own.items() if hasattr(part, "state_dict")}
        return kept | {"random": self.randomness}

    def on_begin(self, trainer: Trainer) -> None:
        """Resume, if this trainer has not made a step yet."""
        if self.resume and trainer.t == 0:
            self.resumed = self.store.resume(self.parts(trainer))
            self.saved_at = trainer.t if self.resumed else -1

    def on_step(self, trainer: Trainer) -> None:
        """Save in the middle of an epoch."""
        if self.steps and trainer.t % self.steps == 0:
            self._save(trainer)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        """Save with the metric, if it is time."""
        value = judged(self, self.monitor, record) if self.monitor else None
        if trainer.epoch % self.every == 0 or trainer.epoch == trainer.goal:
            self._save(trainer, value)

    def on_end(self, trainer: Trainer) -> None:
        """After Ctrl-C, save what was learned since."""
        if trainer.ending == "interrupted" and self.saved_at != trainer.t:
            self._save(trainer)

    def _save(self, trainer: Trainer, metric: float | None = None) -> None:
        if trainer.ranks is not None:
            trainer.ranks.level()
        if trainer.rank == 0:
            self.store.save(self.parts(trainer), metric)
        else:
            trainer.state_dict()  # in which rank 0 asks the others for their part
        self.saved_at = trainer.t
