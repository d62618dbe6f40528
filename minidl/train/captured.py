"""The step of `Trainer(compile=True)`: a captured one on a GPU (minidl/capture/).

Forward, backward and the optimizer's step are one graph. Callbacks that change what is
learned (clipping, accumulating, averaging) may branch and count, and a graph cannot;
where there is one, the graph ends with backward, and the update is written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl.backend import device_of
from minidl.capture.compile import Compiled
from minidl.engine.tensor import TensorLike, values
from minidl.train.guard import acting

if TYPE_CHECKING:
    from minidl.train.trainer import Trainer


class CapturedStep:
    """Learns from batches that lie on a GPU."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        models = [trainer.model] if hasattr(trainer.model, "modules") else []
        self.learn = Compiled(self._learn, models)

    def takes(self, xs: TensorLike) -> bool:
        """Whether a batch lies on a GPU; elsewhere there is nothing to capture."""
        return any(device_of(values(x)) == "cuda" for x in xs)

    def __call__(self, xs: TensorLike, y: TensorLike) -> Any:
        """Learn from a batch; return its scores."""
        trainer = self.trainer
        lr, whole = trainer.rate(), not any(acting(trainer))
        scores, loss = self.learn(xs, y, whole)
        trainer.note(loss, y, lr)
        if whole:
            trainer.guard.gradients()
            trainer.optimizer.zero_grad()
        else:
            trainer.update()
        return scores

    def _learn(self, xs: Any, y: Any, whole: bool) -> tuple[Any, Any]:
        scores, loss = self.trainer.forward(xs, y)
        self.trainer.backward(loss, y)
        if whole:
            self.trainer.optimizer.step()
        return scores, loss
