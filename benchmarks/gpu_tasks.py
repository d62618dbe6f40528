"""What a row of the GPU benchmark does, by minidl and by PyTorch.

A task is one of three: `Training` (a whole step of Adam), `Update` (Adam alone), and
`Pass` (a layer, forward and backward: gpu_layers.py). Each makes Sides: the same work,
done in one way. All begin with the same weights on the same numbers, for PyTorch's twin
takes minidl's weights; so what comes out first must agree.

    ways of minidl     "eager", "graph" (minidl.compile)
    ways of PyTorch    "eager", "fused" (its fused Adam), "graph" (a CUDA graph),
                       "compiled" (torch.compile, and the fused Adam)

A way that a task does not have gives None.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.gpu_sides import (
    STEPS,
    Array,
    Side,
    after,
    captured_by_torch,
    compiled,
    descend,
    in_half,
    moved,
    products,
    restorer,
)
from minidl import nn, ops, optim
from minidl.backend import to_device, to_numpy

LR = 1e-3
SCALE = 1024.0  # of the loss in float16: too small to overflow
ADAM_BYTES = 28  # per float32 weight: p, m, v read and written, g read


class Training:
    """A step: scores, cross entropy, backward, Adam.

    ours    the model                      theirs  PyTorch's twin: torch -> Module
    x       the batch, scores (N, …, K)    labels  (N, …) integers
    first   multiply-adds of the first layer for one x: it sends no gradient to x
    half    compute in float16, with a scaled loss; PyTorch's is its autocast
    """

    def __init__(
        self,
        ours: Any,
        theirs: Callable[[Any], Any],
        x: Array,
        labels: Array,
        first: int = 0,
        half: bool = False,
    ) -> None:
        self.half = half
        self.ours, self.theirs, self.x, self.labels = ours, theirs, x, labels
        self.flops = 6 * products(ours, x) - 2 * first * len(x)
        self.bytes = ADAM_BYTES * sum(p.size for p in ours.parameters())

    def minidl(self, device: str, way: str) -> Side | None:
        """Return minidl's step."""
        net = copy.deepcopy(self.ours).to(device)
        model = nn.MixedPrecision(net) if self.half else net
        scaler = optim.GradScaler(SCALE) if self.half else None
        opt = optim.Adam(net.parameters(), lr=LR)
        x, labels = moved(self.x, device), moved(self.labels.reshape(-1), device)

        def learn(x: Any, labels: Any) -> Any:
            scores = model(x)
            scores = ops.reshape(scores, shape=(-1, scores.shape[-1]))
            loss = ops.cross_entropy(scores, labels)
            opt.zero_grad()
            descend(loss, opt, scaler)
            return loss

        call, why = compiled(learn, way == "graph")
        step = lambda: call(x, labels)  # noqa: E731
        return Side(step, lambda: [to_numpy(step()) for _ in range(STEPS)], why)

    def torch(self, torch: Any, device: str, way: str) -> Side | None:
        """Return PyTorch's step; a graph's copies the batch to its place, as ours.

        No graph in float16: PyTorch's scaler asks the host whether to take the step.
        """
        if self.half and way == "graph":
            return None
        net = self.theirs(torch)
        state = nn.to_torch_state_dict(self.ours)
        net.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
        net = net.to(device)
        quick = {} if way == "eager" else {"fused": True, "capturable": way == "graph"}
        opt = torch.optim.Adam(net.parameters(), lr=LR, **quick)
        call = torch.compile(net) if way == "compiled" else net
        call = in_half(torch, device, call) if self.half else call
        scaler = torch.amp.GradScaler(device, SCALE) if self.half else None
        batch = [torch.tensor(a, device=device) for a in (self.x, self.labels)]
        x, labels = (t.clone() for t in batch)

        def step() -> Any:
            opt.zero_grad(set_to_none=True)
            scores = call(x).flatten(0, -2)
            loss = torch.nn.functional.cross_entropy(scores, labels.flatten())
            descend(loss, opt, scaler)
            return loss

        if way == "graph":
            restore = restorer(torch, list(net.parameters()), opt)
            graph, loss = captured_by_torch(torch, step, restore)

            def step() -> Any:
                x.copy_(batch[0])
                labels.copy_(batch[1])
                graph.replay()
                return loss

        return Side(
            step, lambda: [step().detach().cpu().numpy().copy() for _ in range(STEPS)]
        )


class Update:
    """A step of Adam alone, over `count` matrices (n, n), with gradients that stay."""

    flops = 0

    def __init__(self, count: int, n: int) -> None:
        rng = np.random.default_rng(0)
        self.count, self.p, self.g = count, *rng.standard_normal((2, n, n), np.float32)
        self.bytes = ADAM_BYTES * count * n * n

    def minidl(self, device: str, way: str) -> Side | None:
        """Return minidl's Adam."""
        params = [
            nn.Parameter(to_device(self.p.copy(), device)) for _ in range(self.count)
        ]
        for p in params:
            p.grad = to_device(self.g.copy(), device)
        opt = optim.Adam(params, lr=LR)

        def update() -> None:
            opt.step()

        step, why = compiled(update, way == "graph")
        return Side(step, lambda: [to_numpy(after(step, params[-1]).data)], why)

    def torch(self, torch: Any, device: str, way: str) -> Side | None:
        """Return PyTorch's Adam; there is nothing to compile."""
        if way == "compiled":
            return None
        some = [torch.tensor(self.p, device=device) for _ in range(self.count)]
        params = [torch.nn.Parameter(p) for p in some]
        for p in params:
            p.grad = torch.tensor(self.g, device=device)
        quick = {} if way == "eager" else {"fused": True, "capturable": way == "graph"}
        opt = torch.optim.Adam(params, lr=LR, **quick)
        step = opt.step
        if way == "graph":
            restore = restorer(torch, params, opt)
            step = captured_by_torch(torch, opt.step, restore)[0].replay
        return Side(step, lambda: [after(step, params[-1]).detach().cpu().numpy()])
