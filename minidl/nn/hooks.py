"""Forward hooks: functions that are told what went into a module and what came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Hook = Callable[[Any, tuple[Any, ...], Any], Any]  # (module, inputs, output)


class Hooks:
    """The hooks of one module, in the order in which they were registered."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []

    def add(self, hook: Hook) -> Handle:
        """Register a hook; the handle removes it."""
        self.hooks = [*self.hooks, hook]  # a new list: a running loop keeps the old one
        return Handle(self, hook)

    def run(self, module: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Call every hook; what one returns, unless None, replaces the output."""
        for hook in self.hooks:
            new = hook(module, inputs, output)
            output = output if new is None else new
        return output


class Handle:
    """The way to remove a hook: `handle.remove()`, or the end of `with handle:`."""

    def __init__(self, hooks: Hooks, hook: Hook) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; a second time is no error."""
        kept = list(self.hooks.hooks)
        for i, hook in enumerate(kept):
            if hook is self.hook:
                del kept[i]
                break
        self.hooks.hooks = kept
        self.hook = _gone

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _gone(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Stand in the place of a hook that was removed."""
