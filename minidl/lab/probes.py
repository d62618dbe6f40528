"""What one looks at in a layer: its activations, its gradients, its updates.

    y  output of the layer (N, D) or (N, C, H, W)    W  its weight    g = ∂L/∂W

All figures are arrays () of the device that the layer is on, and are not read here: a
GPU goes on while they wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidl import nn
from minidl.backend import Array, namespace
from minidl.engine.tensor import values

# where a slope is below a twentieth of the steepest one, a unit learns next to nothing
FLAT: dict[type, Callable[[Array], Array]] = {
    nn.ReLU: lambda y: y <= 0,
    nn.Tanh: lambda y: y * y > 0.95,  # 1 − y² < 0.05
    nn.Sigmoid: lambda y: 4 * y * (1 - y) < 0.05,
}


def leaves(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that have no layers in them, by name."""
    found = dict(model.named_modules())
    alone = {name: m for name, m in found.items() if not list(m.children())}
    return {name or type(m).__name__: m for name, m in alone.items()}


def activations(layer: nn.Module, output: Any) -> dict[str, Array]:
    """Return mean and deviation of y, and the share of it where f is flat."""
    y = values(output)
    if getattr(getattr(y, "dtype", None), "kind", "") != "f":
        return {}  # indices, or several outputs
    found = {"mean": y.mean(), "deviation": y.std()}
    if type(layer) in FLAT:
        found["saturation"] = FLAT[type(layer)](y).mean()
    return found


def active(output: Any) -> Array:
    """Return which units put out something above 0 for any sample.    -> (D,) or (C,)

    A unit is a feature, and in images (N, C, H, W) a channel.
    """
    y = values(output)
    axis = 1 if y.ndim == 4 else y.ndim - 1
    return (y > 0).any(axis=tuple(i for i in range(y.ndim) if i != axis))


def norm(arrays: list[Array]) -> Array:
    """√ Σ x² over all numbers of some arrays."""
    total = sum(namespace(x).vdot(x, x) for x in arrays)
    return namespace(arrays[0]).sqrt(total)


def gradient(layer: nn.Module) -> Array | None:
    """Return ‖g‖ over the layer's own parameters, or None where no gradient came."""
    own = [p.grad for p in layer.parameters() if p.grad is not None]
    return norm(own) if own else None


def weights(layer: nn.Module) -> list[Array]:
    """Return the layer's matrices and filters; biases begin at 0 and have no ratio."""
    return [p.data for p in layer.parameters() if p.data.ndim > 1 and p.requires_grad]


def update_ratio(before: list[Array], after: list[Array]) -> Array:
    """‖W' − W‖ / ‖W‖ of one step."""
    # region a6.8: the length of the step, in lengths of the weights
    steps = [b - a for a, b in zip(before, after, strict=True)]
    return norm(steps) / norm(before)
    # endregion
