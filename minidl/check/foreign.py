"""Functions and modules of PyTorch: checked with PyTorch's own backward."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.check.subject import Pull, Subject, flat, names_of, title_of
from minidl.errors import DTypeError


def is_torch(x: object) -> bool:
    """Whether x is a tensor or a module of PyTorch."""
    kinds = [k.__module__.partition(".")[0] for k in type(x).__mro__]
    return "torch" in kinds


class TorchSubject(Subject):
    """A function of PyTorch's tensors, or a module, as a function of named arrays."""

    def __init__(self, f: Any, inputs: Sequence[Any]) -> None:
        several = isinstance(inputs, (list, tuple))
        self.given = list(inputs if several else [inputs])
        self.f, self.title, self.width = f, title_of(f), np.dtype("float64")
        self.module = copy.deepcopy(f).double() if is_torch(f) else None
        self.inputs = [
            x.detach().cpu().numpy() if is_torch(x) else x for x in self.given
        ]
        self.inputs = [
            x.astype("float64")
            if getattr(getattr(x, "dtype", 0), "kind", "") == "f"
            else x
            for x in self.inputs
        ]
        names = names_of(f.forward if self.module else f, len(self.inputs))
        floats = [
            i for i, x in enumerate(self.inputs)
            if getattr(getattr(x, "dtype", 0), "kind", "") == "f"
        ]  # fmt: skip
        self.slots, self.names = floats, [names[i] for i in floats]
        self.points = [self.inputs[i] for i in floats]
        self.parameters, self.layer = [], None
        if self.module is not None:
            for name, p in self.module.named_parameters():
                if p.requires_grad:
                    self.parameters.append(name)
                    self.names.append(name)
                    self.points.append(p.detach().cpu().numpy().copy())
        if not self.points:
            raise DTypeError(f"{self.title}: there is no float among the inputs")

    def _run(self, points: Sequence[Array], track: bool) -> tuple[list[Any], list[Any]]:
        import torch

        leaves = [torch.tensor(np.asarray(x), requires_grad=track) for x in points]
        inputs = [
            torch.tensor(x) if isinstance(x, np.ndarray) else x for x in self.inputs
        ]
        for i, x in zip(self.slots, leaves, strict=False):
            inputs[i] = x
        if self.module is None:
            y = self.f(*inputs)
        else:
            own = dict(zip(self.parameters, leaves[len(self.slots) :], strict=True))
            with torch.random.fork_rng():
                torch.manual_seed(0)  # dropout draws the same mask each time
                y = torch.func.functional_call(
                    copy.deepcopy(self.module), own, tuple(inputs)
                )
        return leaves, [a for a in flat(y) if is_torch(a) and a.is_floating_point()]

    def values(self, points: Sequence[Array]) -> list[Array]:
        """Return the outputs at other points."""
        return [y.detach().numpy() for y in self._run(points, track=False)[1]]

    def recorded(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        """Return the outputs, and PyTorch's way from their gradients to the points'."""
        import torch

        leaves, ys = self._run(points, track=True)

        def pull(gs: Sequence[Array]) -> list[Any]:
            kept = [
                (y, torch.tensor(np.asarray(g)))
                for y, g in zip(ys, gs, strict=True)
                if y.requires_grad
            ]
            if not kept:
                return [np.zeros_like(x) for x in points]
            found = torch.autograd.grad(
                [y for y, _ in kept],
                leaves,
                [g for _, g in kept],
                retain_graph=True,
                allow_unused=True,
            )
            return [
                np.zeros(x.shape) if g is None else g.numpy()
                for x, g in zip(points, found, strict=True)
            ]

        return [y.detach().numpy() for y in ys], pull

    def examine(self) -> list[Array]:
        """Return the outputs at the points, if they are finite and steady."""
        return self.steady(self.values(self.points))
