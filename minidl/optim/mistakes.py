"""What a step sees under `minidl.debug()`: gradients that are missing, or left over."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.engine.modes import mode
from minidl.errors import MistakeWarning


def look(owner: str, members: Sequence[Any]) -> None:
    """Warn of parameters that no gradient reached; note the gradients that are used.

    What a step has used is left over if a backward finds it still there and adds to it:
    then engine/backward.py says that zero_grad is missing.
    """
    wanted = [m for m in members if getattr(m.parameter, "requires_grad", True)]
    idle = [m.name for m in wanted if m.parameter.grad is None]
    if idle and len(idle) == len(wanted):
        _warn(
            f"{owner}.step: no parameter has a gradient; call loss.backward() before "
            "it, and zero_grad() not in between"
        )
    elif idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        _warn(
            f"{owner}.step: no gradient came to {', '.join(idle[:3])}{more}: not used "
            "for this loss, or cut off from it by .data, .numpy() or detach(); "
            "call requires_grad_(False) if that is meant"
        )
    gradients = [m.parameter.grad for m in members]
    mode.spent = {id(g): weakref.ref(g) for g in gradients if type(g) is np.ndarray}


def _warn(message: str) -> None:
    warnings.warn(message, MistakeWarning, stacklevel=4)
