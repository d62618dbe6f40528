"""When a figure of the Monitor means something, in words, once for each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minidl.lab.monitor import LayerFigures

DEAD = 0.2  # share of a layer's units
SATURATED = 0.5  # share of the outputs of a sigmoid or a tanh
VANISHED, LARGE = 1e-4, 1e4  # deviation of activations
RATIO_HIGH, RATIO_LOW = 3e-2, 1e-5  # the lecture wants about 1e-3
LOOKS = 3  # at a figure before it is believed
GROWN = 2.0  # times the first loss

NO_GRADIENT = (
    "no gradient comes to {}: its parameters do not learn. Is its output used? Is "
    "there a .data, .numpy() or detach() between it and the loss, or only dead units? "
    "requires_grad_(False) freezes a layer that is not meant to learn"
)
FLAT_ENDS = (
    "{} of what {} puts out is at the ends of its range, where no gradient passes: "
    "take smaller initial weights (nn.init.xavier_normal), batch norm before it, or "
    "nn.ReLU"
)
NOTHING_PASSES = (
    "the activations of {} have a deviation of {:.1e}: what comes in makes no "
    "difference any more. Initialize with nn.init.kaiming_normal (xavier_normal for "
    "tanh), or add batch norm"
)
TOO_LARGE = (
    "the activations of {} have a deviation of {:.1e}: they explode. Take smaller "
    "initial weights, a smaller rate, or batch norm"
)
OFF_PACE = (
    "an update changes {} by {:.1e} of its weights, and about 1e-3 is well: {} the "
    "learning rate by {:g}"
)
SILENT = (
    "{} of the {} units of {} are dead: 0 for all of {} samples, so that no gradient "
    "reaches them. Take a smaller learning rate, center the inputs, or use nn.LeakyReLU"
)
GROWS = (
    "the loss grows: it was {:.3g} at first and is {:.3g} now, though it is not NaN. "
    "Divide the learning rate by 10"
)


class Alarms:
    """Remembers what was said, and what has to be seen more than once."""

    def __init__(self) -> None:
        self.said: set[tuple[str, str]] = set()
        self.missing: dict[str, int] = {}  # watched steps in a row without a gradient
        self.first_loss = math.nan
        self.highest_rate = 0.0

    def once(self, cause: str, where: str, message: str) -> list[str]:
        """Return the message if this was not said before."""
        if (cause, where) in self.said:
            return []
        self.said.add((cause, where))
        return [message]

    def arrived(self, name: str, came: bool) -> None:
        """Note whether a layer got its gradient."""
        self.missing[name] = 0 if came else self.missing.get(name, 0) + 1

    def look(
        self, layers: dict[str, LayerFigures], modules: dict[str, Any], rate: float
    ) -> list[str]:
        """Return what is wrong with the newest figures."""
        if rate == rate:
            self.highest_rate = max(self.highest_rate, rate)
        low = rate < 0.1 * self.highest_rate  # it decays: small updates are meant
        found: list[str] = []
        for name, layer in layers.items():
            title = f"layer {name} ({layer.kind})"
            found += self._gradient(name, title, layer)
            found += self._activations(name, title, layer)
            found += self._update(name, title, layer, low)
        return found

    def _gradient(self, name: str, title: str, layer: LayerFigures) -> list[str]:
        zeros = all(_newest(layer, "gradient", lambda g: g == 0.0))
        if self.missing.get(name, 0) < LOOKS and not zeros:
            return []
        return self.once("gradient", name, NO_GRADIENT.format(title))

    def _activations(self, name: str, title: str, layer: LayerFigures) -> list[str]:
        size, flat = layer.deviation, layer.saturation
        if layer.kind != "ReLU" and flat > SATURATED:
            says = FLAT_ENDS.format(f"{100 * flat:.0f} %", title)
            return self.once("saturation", name, says)
        if size < VANISHED:
            return self.once("vanished", name, NOTHING_PASSES.format(title, size))
        if size > LARGE:
            return self.once("large", name, TOO_LARGE.format(title, size))
        return []

    def _update(
        self, name: str, title: str, layer: LayerFigures, low: bool
    ) -> list[str]:
        ratio = layer.update_ratio
        high = all(_newest(layer, "update_ratio", lambda r: r > RATIO_HIGH))
        small = all(_newest(layer, "update_ratio", lambda r: 0 < r < RATIO_LOW))
        if not high and (not small or low):
            return []
        do, factor = ("divide", ratio / 1e-3) if high else ("multiply", 1e-3 / ratio)
        says = OFF_PACE.format(title, ratio, do, float(f"{factor:.0e}"))
        return self.once("ratio", name, says)

    def dead(
        self, name: str, layer: LayerFigures, alive: np.ndarray[Any, Any], seen: int
    ) -> list[str]:
        """Return a warning if too many units are dead."""
        silent, n = int((~alive).sum()), alive.size
        if silent < DEAD * n:
            return []
        says = SILENT.format(silent, n, f"layer {name} ({layer.kind})", seen)
        return self.once("dead", name, says)

    def loss(self, newest: list[float]) -> list[str]:
        """Return a warning if the loss grows, NaN or not."""
        if not newest:
            return []
        if self.first_loss != self.first_loss:
            self.first_loss = newest[0]
        now = float(np.median(newest[-20:]))
        if len(newest) < 5 or not now > GROWN * self.first_loss > 0:
            return []
        return self.once("loss", "", GROWS.format(self.first_loss, now))


def _newest(
    layer: LayerFigures, figure: str, wrong: Callable[[float], bool]
) -> Iterable[bool]:
    """Return what the last few looks at a figure say; [False] before there are any."""
    seen = layer.history.get(figure, [])[-LOOKS:]
    return [wrong(value) for _, value in seen] if len(seen) == LOOKS else [False]
