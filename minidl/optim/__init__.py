"""Optimizers, schedules for their rates, tools for gradients, averages of weights."""

from typing import Any as _Any

from minidl.backend import optional as _optional
from minidl.foreign import missing as _missing
from minidl.optim import schedules
from minidl.optim.adam import Adam, Adamax, AdamW, NAdam
from minidl.optim.adamp import AdamP
from minidl.optim.adaptive import Adadelta, Adagrad, RMSProp
from minidl.optim.averaging import EMA, SWA, PolyakAverage
from minidl.optim.gradients import (
    Accumulation,
    add_grad_noise,
    clip_grad_norm,
    clip_grad_value,
)
from minidl.optim.groups import no_decay
from minidl.optim.optimizer import Optimizer
from minidl.optim.plateau import ReduceOnPlateau
from minidl.optim.scaler import GradScaler
from minidl.optim.sgd import SGD, Momentum, Nesterov

__all__ = [
    "EMA",
    "SGD",
    "SWA",
    "Accumulation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamP",
    "AdamW",
    "Adamax",
    "GradScaler",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "PolyakAverage",
    "RMSProp",
    "ReduceOnPlateau",
    "add_grad_noise",
    "clip_grad_norm",
    "clip_grad_value",
    "no_decay",
    "schedules",
]

_optional("minidl.kernels.optim")  # moves many parameters in few calls


def __getattr__(name: str) -> _Any:
    raise _missing("minidl.optim", name, __all__)
