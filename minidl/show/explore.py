"""A network layer by layer: what comes out, its weights, and the gradients of both.

The layers are called once, in a copy of the model, each with a hook that keeps what it
returned; then all gradients are asked for at once.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from minidl import ops
from minidl.engine.backward import grad
from minidl.engine.modes import enable_grad
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import GraphError
from minidl.nn.module import Module
from minidl.show import page
from minidl.show.graph import inputs_first
from minidl.show.markup import array, bars, gray, number
from minidl.show.style import numbers
from minidl.show.walk import values_of

MAPS = 12  # channels shown as images
LIMIT = 150  # operations
FEW = 24  # numbers: they are shown one by one
Loss = Callable[[Any, Any], Any]


@dataclass
class Stage:
    """One call of a layer, or one operation of a plain function."""

    name: str
    kind: str
    came: list[Tensor]
    out: list[Tensor]
    weights: Mapping[str, Tensor] = field(default_factory=dict)


def explore(
    model: Callable[..., Any],
    x: TensorLike | tuple[Any, ...],
    target: Any = None,
    loss: Loss = ops.cross_entropy,
    *,
    path: str | Path | None = None,
) -> page.Page:
    """Return a page that shows a model layer by layer, for one batch.

    model   any Module, yours included; or a function of Tensors, shown by operations
    x       a batch; a tuple of several inputs
    target  what loss(model(x), target) compares with; without it the gradients are
            those of ½ mean y², which is 0 where the output is 0
    loss    a function of output and target

    Every number is of a copy: the model, its buffers, its random state and its `.grad`
    stay as they are, and it runs in the mode it is in. Raises GraphError if the output
    depends on no parameter and no float input.
    """
    given = x if isinstance(x, tuple) else (x,)
    inputs = [_leaf(a) for a in given]
    twin = copy.deepcopy(model) if isinstance(model, Module) else model
    with enable_grad():
        stages, y = _called(twin, inputs)
        scalar = _objective(y, target, loss)
    if not isinstance(scalar, Tensor) or not scalar.requires_grad:
        raise GraphError(
            "explore: the output depends on no parameter and no float input, so there "
            "are no gradients; was .data, .numpy() or np.… used where minidl.ops has "
            "an operation, or the model frozen?"
        )
    calls = "calls of layers" if stages else "operations"
    stages = stages or _operations(scalar)
    gradients = _gradients(scalar, stages, inputs)
    items = [_input_step(inputs, gradients)]
    items += [_step(stage, gradients) for stage in stages]
    unused = _unused(twin, gradients)
    objective = (
        "the loss" if target is not None else "½ mean y², because no target was given"
    )
    parts = [
        f"<p>For one batch: {len(stages)} {calls} in their order. Gradients are those "
        f"of {objective}, {number(float(scalar.item()))}. Step with the slider, the "
        "buttons, or the keys ← → Home End.</p>",
        page.controls(),
        page.steps(items),
        _table(stages, gradients),
    ]
    if unused:
        said = [f"{name} is part of the model, but no gradient reaches it." for name in
                unused]  # fmt: skip
        parts.append(page.section("Never used", said, ok=False))
    name = type(model).__name__ if isinstance(model, Module) else _named(model)
    made = page.Page(f"Inside {name}", parts, "steps")
    if path is not None:
        made.save(path)
    return made


def _leaf(x: TensorLike) -> Tensor:
    """Return an input as a leaf; integers, such as tokens, get no gradient."""
    data = x.data if isinstance(x, Tensor) else x
    leaf = Tensor(data)
    leaf.requires_grad = leaf.dtype.kind == "f"
    return leaf


def _objective(y: Any, target: Any, loss: Loss) -> Any:
    if target is not None:
        return loss(y, target)
    found = _tensors(y)
    return ops.multiply(ops.mean(ops.square(found[0])), 0.5) if found else None


def _tensors(y: object) -> list[Tensor]:
    """Return the Tensors in an output: one, a nest of tuples, or a dictionary."""
    if isinstance(y, Tensor):
        return [y]
    if isinstance(y, Mapping):
        y = list(y.values())
    if isinstance(y, (tuple, list)):
        return [t for part in y for t in _tensors(part)]
    return []


# --- what is shown


def _called(model: Any, inputs: list[Tensor]) -> tuple[list[Stage], Any]:
    """Call the model; return a stage for each call of a layer, in order of the calls.

    A layer is a module that calls no module in it, or has parameters beside theirs.
    """
    if not isinstance(model, Module):
        return [], model(*inputs)
    stages: list[Stage] = []
    calls: list[Module] = []
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            note = _Note(name or type(module).__name__, module, stages, calls)
            hooks.enter_context(module.register_forward_hook(note))
        y = model(*inputs)
    return stages, y


@dataclass
class _Note:
    """The hook of one module, which adds a stage at the end of each call of a layer."""

    name: str
    module: Module
    stages: list[Stage]
    calls: list[Module]  # of all modules, in the order in which they ended
    before: int = 0  # how many there were when this one ended the last time
    times: int = 0

    def __call__(self, module: Module, came: tuple[object, ...], out: object) -> None:
        inside = {id(m) for m in self.module.modules()[1:]}
        below = [m for m in self.calls[self.before :] if id(m) in inside]
        theirs = {id(p) for m in below for p in m.parameters()}
        own = {k: p for k, p in module.named_parameters() if id(p) not in theirs}
        self.calls.append(module)
        self.before, self.times = len(self.calls), self.times + 1
        if own or not below:
            name = self.name + f" (call {self.times})" * (self.times > 1)
            kind = repr(module).split("\n")[0]
            stage = Stage(name, kind, _tensors(came), _tensors(out), own)
            self.stages.append(stage)


def _operations(y: Tensor) -> list[Stage]:
    """Return a stage for each operation that y was computed by, the oldest first."""
    assert y.node is not None
    nodes = [t for t in inputs_first(y.node, LIMIT) if not isinstance(t, Tensor)]
    known = values_of(y, nodes)
    stages = []
    for node in nodes:
        if (node, 0) in known:
            out = Tensor(known[node, 0], copy=False)
            out.node, out.requires_grad = node, True
            leaves = {
                f"leaf {i}": edge[0]
                for i, edge in enumerate(node.edges)
                if edge is not None and isinstance(edge[0], Tensor)
            }
            stages.append(Stage(node.name, "operation", [], [out], leaves))
    return stages


def _unused(model: Any, gradients: dict[int, Any]) -> list[str]:
    """Name the parameters of a model that no gradient reaches, but should."""
    if not isinstance(model, Module):
        return []
    return [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and gradients.get(id(p)) is None
    ]


def _gradients(y: Tensor, stages: list[Stage], inputs: list[Tensor]) -> dict[int, Any]:
    """Return id of Tensor → ∂y/∂Tensor for all that is shown, None if none reaches."""
    shown = [*inputs]
    for stage in stages:
        shown += [*stage.out, *stage.weights.values()]
    wanted = list({id(t): t for t in shown if t.requires_grad}.values())
    found = grad(y, wanted, allow_unused=True, retain_graph=True)
    return {id(t): g for t, g in zip(wanted, found, strict=True)}


# --- the steps


def _input_step(
    inputs: list[Tensor], gradients: dict[int, Any]
) -> tuple[str, str, str]:
    parts = "".join(
        _both(f"input {i}" if len(inputs) > 1 else "input", x, gradients)
        for i, x in enumerate(inputs)
    )
    return "The input", parts, ""


def _step(stage: Stage, gradients: dict[int, Any]) -> tuple[str, str, str]:
    came = ", ".join(str(t.shape) for t in stage.came)
    went = ", ".join(str(t.shape) for t in stage.out)
    count = sum(p.size for p in stage.weights.values())
    shapes = f"{came} → {went}" if came else went
    own = f"; {count:,} parameters" if count else "; no parameters"
    body = f"<p><code>{escape(stage.kind)}</code></p><p>{shapes}{own}</p>"
    for i, out in enumerate(stage.out):
        title = f"output {i}" if len(stage.out) > 1 else "output"
        body += _both(title, out, gradients)
    for name, p in stage.weights.items():
        body += _both(name, p, gradients)
    return _title(stage), body, ""


def _title(stage: Stage) -> str:
    """Return the name of a layer and its class, or of an operation."""
    kind = re.match(r"\w+", stage.kind)
    same = kind is None or kind[0] in (stage.name, "operation")
    return stage.name if kind is None or same else f"{stage.name}: {kind[0]}"


def _both(name: str, x: Tensor, gradients: dict[int, Any]) -> str:
    """The values of a Tensor and its gradient, side by side."""
    left = f"<div><h3>{escape(name)} {x.shape}</h3>{_shown(x.data, name)}</div>"
    if id(x) in gradients:
        g = gradients[id(x)]
        inner = (
            "<p>No gradient reaches it: the output does not depend on it.</p>"
            if g is None
            else _shown(g, f"gradient of {name}")
        )
    elif x.dtype.kind == "f":
        inner = (
            "<p>No gradient: it is frozen, or was not computed from what learns.</p>"
        )
    else:
        inner = "<p>No gradient: these are integers.</p>"
    right = f"<div><h3>∂L/∂{escape(name)}</h3>{inner}</div>"
    return f'<div class="columns">{left}{right}</div>'


def _shown(x: TensorLike, what: str) -> str:
    """A histogram, and images where there are some: maps, filters, a matrix."""
    x = numbers(x)
    if x.size <= FEW and x.ndim < 3:
        return array(x)
    images = _images(x)
    shown = "".join(gray(m, f"{what}, image {i}") for i, m in enumerate(images))
    maps = f'<div class="maps">{shown}</div>' if shown else ""
    return bars(x, what) + maps


def _images(x: Any) -> list[Any]:
    """Return matrices to draw: a few channels of the first sample, or the matrix."""
    if x.ndim == 4 and min(x.shape[2:]) > 1:
        maps = x[0] if x.shape[1] > 1 else x[:, 0]
        return list(maps[:MAPS])
    if x.ndim == 2 and min(x.shape) > 1 and x.size <= 256 * 256:
        return [x]
    return []


def _table(stages: list[Stage], gradients: dict[int, Any]) -> str:
    """All layers in one table: spread of outputs and gradients, where one vanishes."""
    rows = []
    for stage in stages:
        out = numbers(stage.out[0].data) if stage.out else np.zeros(0)
        g = gradients.get(id(stage.out[0])) if stage.out else None
        sizes = [_size(out), "–" if g is None else _size(numbers(g))]
        weights = [gradients.get(id(p)) for p in stage.weights.values()]
        sizes.append(", ".join(_size(numbers(w)) for w in weights if w is not None))
        cells = "".join(f"<td>{escape(cell or '–')}</td>" for cell in sizes)
        rows.append(f"<tr><th>{escape(_title(stage))}</th>{cells}</tr>")
    head = (
        "<tr><th>layer</th><th>output</th><th>∂L/∂output</th><th>∂L/∂weights</th></tr>"
    )
    return (
        "<section><h2>Size of numbers, as the root of the mean square</h2>"
        f"<table>{head}{''.join(rows)}</table></section>"
    )


def _size(x: Any) -> str:
    return number(float(np.sqrt(np.mean(x * x)))) if x.size else "–"


def _named(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)
