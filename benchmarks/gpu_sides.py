"""One way to do a task of the GPU benchmark, and what captures it in a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import minidl as md
from minidl.backend import to_device
from minidl.nn.summary import summarize

Array = Any
STEPS = 5  # of the first results: a graph is replayed from the second on


class Side(NamedTuple):
    """One way to do a task.

    step   the work itself: what is timed
    first  does some steps and returns what came out, on the host: called before timing
    why    "", or why this is not what its name says: asked after `first`
    """

    step: Callable[[], Any]
    first: Callable[[], list[Array]]
    why: Callable[[], str] = lambda: ""


def moved(x: Array, device: str) -> md.Tensor:
    """Return a Tensor on the device."""
    return md.Tensor(to_device(x, device), copy=False)


def compiled(step: Callable[..., Any], graph: bool) -> tuple[Any, Callable[[], str]]:
    """Return step, captured if `graph`; and what says why it was not."""
    if not graph:
        return step, lambda: ""
    call = md.compile(step)
    captured: Any = call.captured  # type: ignore[attr-defined]

    def why() -> str:
        made = any(captured.graphs.values())
        return captured.reason or ("" if made else "nothing was captured")

    return call, why


def captured_by_torch(
    torch: Any, step: Callable[[], Any], restore: Callable[[], None]
) -> tuple[Any, Any]:
    """Return a CUDA graph of a step, and what the step returned; as PyTorch advises.

    restore   puts weights and slots back to where they were before the warm-up
    """
    side, current = torch.cuda.Stream(), torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = step()
    restore()
    return graph, y


def restorer(torch: Any, params: list[Any], opt: Any = None) -> Callable[[], None]:
    """Return what sets parameters to their values of now, and the slots to zero."""
    before = [p.detach().clone() for p in params]

    def restore() -> None:
        with torch.no_grad():
            for p, old in zip(params, before, strict=True):
                p.copy_(old)
            for slots in opt.state.values() if opt else ():
                for slot in slots.values():
                    slot.zero_()

    return restore


def products(model: Any, x: Array) -> int:
    """Return the multiply-adds of one pass forward over the batch x, about."""
    one = summarize(model, ((1, *x.shape[1:]),), x.dtype)
    return one.multiply_adds * len(x)


def after(step: Callable[[], Any], x: Any) -> Any:
    """Return x after some steps."""
    for _ in range(STEPS):
        step()
    return x


def descend(loss: Any, opt: Any, scaler: Any) -> None:
    """Go backward and step: in float16 through a scaler, the same in both libraries."""
    if scaler is None:
        loss.backward()
        opt.step()
    else:
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()


def in_half(
    torch: Any, device: str, call: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Return PyTorch's call, computed in float16 where its autocast thinks best."""

    def half(x: Any) -> Any:
        with torch.autocast(device, torch.float16):
            y = call(x)
        return y.float()

    return half
