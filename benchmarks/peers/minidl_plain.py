"""minidl without its faster bodies, `kernels/`: the printed formulas alone."""

from __future__ import annotations

from benchmarks.peers.minidl import WORK
from minidl import ops
from minidl.optim.optimizer import FAST

__all__ = ["WORK"]

for _name in dir(ops):
    getattr(getattr(ops, _name), "fasts", {}).clear()
for _op in (ops.add, ops.subtract, ops.multiply, ops.negative):
    _op.rule(None)
FAST.clear()
