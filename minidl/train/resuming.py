"""What a Trainer remembers, for a checkpoint: plain arrays, numbers, dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from minidl.errors import RangeError

if TYPE_CHECKING:
    from minidl.train.callback import Callback
    from minidl.train.trainer import Trainer

PLACE = ("epoch", "position", "t")


def save(trainer: Trainer) -> dict[str, Any]:
    """Return the place in training, the history and what the callbacks remember."""
    memories = {name: c.state_dict() for name, c in named(trainer)}
    return {
        **{name: getattr(trainer, name) for name in PLACE},
        "stopped": trainer.stopping == "stopped",
        "history": trainer.history.state_dict(),
        "recent": trainer.recent.state_dict(),
        "callbacks": {name: memory for name, memory in memories.items() if memory},
    }


def load(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Go on where `state` was taken; raises RangeError if callbacks are missing."""
    known, memories = dict(named(trainer)), state["callbacks"]
    unknown = sorted(set(memories) - set(known))
    if unknown:
        raise RangeError(
            f"the state has something of the callbacks {unknown}, and this trainer has "
            f"only {sorted(known)}; make it as it was made then"
        )
    for name, memory in memories.items():
        known[name].load_state_dict(memory)
    trainer.history.load_state_dict(state["history"])
    trainer.recent.load_state_dict(state["recent"])
    for name in PLACE:
        setattr(trainer, name, int(state[name]))
    trainer.stopping = "stopped" if state["stopped"] else ""


def named(trainer: Trainer) -> Iterator[tuple[str, Callback]]:
    """Yield ("EarlyStopping", …), and ("EarlyStopping 2", …) for a second one."""
    seen: Counter[str] = Counter()
    for callback in trainer.callbacks:
        name = type(callback).__name__
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} {seen[name]}", callback
