"""A layer at work, forward and backward, by minidl and by PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu_sides import (
    Array,
    Side,
    captured_by_torch,
    compiled,
    moved,
    products,
)
from minidl import nn
from minidl.backend import to_device, to_numpy


class Pass:
    """A layer, forward and backward to its input and its weights.

    x the input, y its output, of the given shape; it begins backward with a fixed g
    call    (layer, x) -> y, for minidl      theirs  torch -> (layer, x -> y)
    """

    def __init__(
        self,
        ours: Any,
        theirs: Callable[[Any], tuple[Any, Callable[[Any], Any]]],
        x: Array,
        shape: tuple[int, ...],
        call: Callable[[Any, Any], Any] = lambda layer, x: layer(x),
    ) -> None:
        self.ours, self.theirs, self.x, self.call = ours, theirs, x, call
        self.g = np.random.default_rng(1).standard_normal(shape, np.float32)
        self.flops = 6 * products(ours, x)
        self.bytes = 4 * (3 * x.size + 2 * self.g.size)  # x twice, dx; y and g

    def minidl(self, device: str, way: str) -> Side | None:
        """Return minidl's layer at work."""
        layer, call = copy.deepcopy(self.ours).to(device), self.call
        x, g = moved(self.x, device), to_device(self.g, device)
        x.requires_grad = True
        leaves = [x, *layer.parameters()]

        def work() -> None:
            for leaf in leaves:
                leaf.grad = None
            call(layer, x).backward(g)

        step, why = compiled(work, way == "graph")

        def first() -> list[Array]:
            for _ in range(3):
                step()
            twin = copy.deepcopy(self.ours)
            for p, q in zip(twin.parameters(), layer.parameters(), strict=True):
                p.data = to_numpy(q.grad)
            grads = nn.to_torch_state_dict(twin)
            names = {name for name, _ in self.theirs_like(grads)}
            y = to_numpy(call(layer, x))
            return [y, to_numpy(x.grad), *(grads[name] for name in sorted(names))]

        return Side(step, first, why)

    @staticmethod
    def theirs_like(state: dict[str, Any]) -> list[tuple[str, Any]]:
        """Leave out statistics, and the second of PyTorch's two equal biases."""
        apart = ("bias_hh", "running_", "num_batches")
        return [(k, v) for k, v in state.items() if not any(a in k for a in apart)]

    def torch(self, torch: Any, device: str, way: str) -> Side | None:
        """Return PyTorch's layer at work; there is no optimizer to fuse."""
        if way == "fused":
            return None
        layer, call = self.theirs(torch)
        state = nn.to_torch_state_dict(self.ours)
        layer.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
        layer.to(device)
        forward = torch.compile(call) if way == "compiled" else call
        x = torch.tensor(self.x, device=device, requires_grad=True)
        g = torch.tensor(self.g, device=device)
        leaves = [x, *layer.parameters()]

        def step() -> None:
            for leaf in leaves:
                leaf.grad = None
            forward(x).backward(g)

        if way == "graph":
            step = captured_by_torch(torch, step, lambda: None)[0].replay

        def first() -> list[Array]:
            step()
            named = dict(self.theirs_like(dict(layer.named_parameters())))
            found = [call(x), x.grad, *(named[name].grad for name in sorted(named))]
            return [y.detach().cpu().numpy() for y in found]

        return Side(step, first)
