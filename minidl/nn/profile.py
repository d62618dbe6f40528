"""Where the time of a step goes: by operation, by layer, one after the other.

    with minidl.profile() as p:
        loss = ops.cross_entropy(model(x), labels)
        loss.backward()
    print(p)                    # a table       minidl.show.profile(p)    a picture
    p.save("trace.json")        # for chrome://tracing or ui.perfetto.dev

A watcher of the engine (engine/modes.py) takes the time of each operation and of its
way back; while it is on, modules say when they begin and end. When it is off nothing is
left behind. It costs a few microseconds for each operation. On a GPU operations are
only asked for and computed later, so that the times there are those of asking.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from minidl.engine.modes import Watcher
from minidl.files import replaced
from minidl.nn.module import Module

NOWHERE = "outside of layers"


class Event(NamedTuple):
    """What happened: "forward", "backward" or "layer", when, how long, in seconds."""

    kind: str
    name: str
    layer: str
    start: float
    seconds: float
    bytes: int  # of what it made: outputs, or gradients


@dataclass
class Row:
    """A line of a table: calls of the forward, seconds, and bytes that were made."""

    calls: int = 0
    forward: float = 0.0
    backward: float = 0.0
    bytes: int = 0

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward + self.backward

    def add(self, event: Event) -> None:
        """Count an event in."""
        if event.kind == "forward":
            self.calls += 1
            self.forward += event.seconds
        else:
            self.backward += event.seconds
        self.bytes += event.bytes


class profile(Watcher):
    """Measure every operation inside the `with`; afterwards it prints as a table.

    seconds  how long the `with` took           events  what happened, in order
    ops      name → Row(calls, forward, backward, bytes), the longest first
    layers   the same by layer: each operation counts in the innermost layer around it,
             which is named as in `model.named_modules()`, with its class

    >>> from minidl import Tensor
    >>> with profile() as p:
    ...     y = Tensor([1.0, 2.0], requires_grad=True).exp().sum().backward()
    >>> sorted(p.ops), p.ops["exp"].calls, p.ops["exp"].bytes
    (['exp', 'sum'], 1, 16)
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.events: list[Event] = []
        self._stack: list[str] = []  # the layers that are being called
        self._names: dict[int, str] = {}  # of modules, by their id

    # What happens meanwhile

    def __enter__(self) -> Self:
        super().__enter__()
        self.events.clear()
        self._call, watcher = Module.__call__, self
        self._start = self._begun = time.perf_counter()

        def call(module: Module, *args: Any, **settings: Any) -> Any:
            return watcher.layer(module, args, settings)

        setattr(Module, "__call__", call)  # noqa: B010
        return self

    def __exit__(self, *exc: object) -> None:
        self.seconds = time.perf_counter() - self._start
        setattr(Module, "__call__", self._call)  # noqa: B010
        super().__exit__(*exc)

    def layer(self, module: Module, args: Any, settings: Any) -> Any:
        """Run a module, and note how long it took."""
        if not self._stack:  # the outermost: names are as it knows them
            kind = type(module).__name__
            for path, part in module.named_modules():
                name = f"{path} ({type(part).__name__})" if path else kind
                self._names[id(part)] = name
        name = self._names.get(id(module), type(module).__name__)
        self._stack.append(name)
        start = time.perf_counter()
        try:
            return self._call(module, *args, **settings)
        finally:
            self._note("layer", name, start, ())
            self._stack.pop()

    def computing(self, op: Any) -> None:
        """Take the time."""
        self._begun = time.perf_counter()

    def computed(
        self, op: Any, arrays: Sequence[Any], made: tuple[Any, ...], settings: Any
    ) -> None:
        """Note an operation."""
        ys = made[0] if type(made[0]) is tuple else made[:1]
        self._note("forward", _name(op), self._begun, ys)

    def recorded(self, node: Any, arrays: Sequence[Any]) -> None:
        """Remember in which layer a node was made."""
        node.note = self._stack[-1] if self._stack else NOWHERE

    def before(self, node: Any) -> None:
        """Take the time."""
        self._begun = time.perf_counter()

    def after(self, node: Any, gs: Sequence[Any], gradients: Sequence[Any]) -> None:
        """Note the way back through a node."""
        layer = getattr(node, "note", NOWHERE)
        layer = layer if isinstance(layer, str) else NOWHERE  # of minidl.debug()
        self._note("backward", _name(node.op), self._begun, gradients, layer)

    def _note(
        self, kind: str, name: str, start: float, made: Any, layer: str = ""
    ) -> None:
        size = sum(getattr(y, "nbytes", 0) for y in made)
        layer = layer or (self._stack[-1] if self._stack else NOWHERE)
        took = time.perf_counter() - start
        self.events.append(Event(kind, name, layer, start - self._start, took, size))

    # What is told afterwards

    @property
    def ops(self) -> dict[str, Row]:
        """Time, calls and bytes of each operation."""
        return self._rows(lambda event: event.name)

    @property
    def layers(self) -> dict[str, Row]:
        """Time, calls and bytes of the operations of each layer."""
        return self._rows(lambda event: event.layer)

    def _rows(self, key: Callable[[Event], str]) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for event in self.events:
            if event.kind != "layer":
                rows.setdefault(key(event), Row()).add(event)
        return dict(sorted(rows.items(), key=lambda pair: -pair[1].seconds))

    def __repr__(self) -> str:
        total = max(self.seconds, 1e-9)
        lines = []
        for title, rows in (("operation", self.ops), ("layer", self.layers)):
            width = max([len(title), *map(len, rows)])
            lines += [
                f"{title:{width}}   calls  forward ms  backward ms   share      MB"
            ]
            for name, row in rows.items():
                lines.append(
                    f"{name:{width}}{row.calls:8}{1e3 * row.forward:12.3f}"
                    f"{1e3 * row.backward:13.3f}{row.seconds / total:8.1%}"
                    f"{row.bytes / 1e6:8.1f}"
                )
            lines.append("")
        inside = sum(row.seconds for row in self.ops.values())
        lines.append(
            f"{1e3 * self.seconds:.3f} ms in all, {1 - inside / total:.1%} of them "
            "outside of operations"
        )
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write a trace of all events, for chrome://tracing or ui.perfetto.dev."""
        events = [
            {
                "name": event.name, "cat": event.kind, "ph": "X",
                "ts": 1e6 * event.start, "dur": 1e6 * event.seconds,
                "pid": os.getpid(), "tid": 1,
                "args": {"layer": event.layer, "bytes": event.bytes},
            }
            for event in self.events
        ]  # fmt: skip
        with replaced(path) as file:
            file.write(json.dumps({"traceEvents": events}).encode())


def _name(op: Any) -> str:
    return str(op.__name__).lstrip("_")
