"""What an optimizer remembers, as a flat dictionary that any store can keep.

    t               steps made                      steps    the same for each parameter
    lr              a number or "schedule"          names    of the parameters
    weight_decay, lr_scale                          one for each group
    slots.3.v       the slot v of parameter 3: a NumPy array, a copy

No pickle is needed: arrays, numbers, words and lists of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.backend import Array, device_of, to_device, to_numpy
from minidl.errors import DeviceError, DTypeError, RangeError, ShapeError
from minidl.optim.groups import Member

if TYPE_CHECKING:
    from minidl.optim.optimizer import Optimizer


def save(optimizer: Optimizer) -> dict[str, Any]:
    """Return the state; later steps do not change it."""
    groups, members = optimizer.groups, optimizer.members
    state: dict[str, Any] = {
        "optimizer": type(optimizer).__name__,
        "t": optimizer.t,
        "lr": ["schedule" if callable(g.lr) else float(g.lr) for g in groups],
        "weight_decay": [g.weight_decay for g in groups],
        "lr_scale": [float(g.lr_scale) for g in groups],
        "names": [m.name for m in members],
        "steps": [m.t for m in members],
    }
    for i, member in enumerate(members):
        for name, slot in member.slots.items():
            state[f"slots.{i}.{name}"] = np.array(to_numpy(slot))
    return state


def load(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Check everything first, so that a failed load changes nothing."""
    _check(optimizer, state)
    steps = [int(t) for t in state["steps"]]
    slots = [
        _slots(optimizer, state, i, member) if t else {}
        for i, (t, member) in enumerate(zip(steps, optimizer.members, strict=True))
    ]
    optimizer.t = int(state["t"])
    for member, t, kept in zip(optimizer.members, steps, slots, strict=True):
        member.t, member.slots = t, kept
    rows = zip(state["lr"], state["weight_decay"], state["lr_scale"], strict=True)
    for group, (lr, decay, factor) in zip(optimizer.groups, rows, strict=True):
        if lr != "schedule" and not callable(group.lr):
            group.lr = float(lr)
        group.weight_decay, group.lr_scale = float(decay), float(factor)


def _check(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    kind = type(optimizer).__name__
    if state.get("optimizer") != kind:
        raise RangeError(
            f"this state was saved by {state.get('optimizer', 'something else')}, and "
            f"{kind} keeps other slots; make the optimizer that was saved"
        )
    sizes = {"steps": len(optimizer.members), "lr": len(optimizer.groups)}
    for key, have in sizes.items():
        if len(state[key]) != have:
            what = "parameters" if key == "steps" else "groups"
            raise RangeError(
                f"the state has {len(state[key])} {what}, this {kind} has {have}; was "
                "the model or were the groups made in another way?"
            )
    for i, (was, member) in enumerate(
        zip(state["names"], optimizer.members, strict=True)
    ):
        unnamed = was.startswith("parameter ") or member.name.startswith("parameter ")
        if was != member.name and not unnamed:
            raise RangeError(
                f"parameter {i} is {member.name}, and the state has {was} there; "
                "give the parameters in the order in which they were saved"
            )


def _slots(
    optimizer: Optimizer, state: Mapping[str, Any], i: int, member: Member
) -> dict[str, Array]:
    p = member.parameter.data
    slots = {}
    for name, fresh in optimizer.start(p).items():
        key = f"slots.{i}.{name}"
        if key not in state:
            raise RangeError(
                f"the state has no {key}; was the optimizer saved with other settings "
                "(amsgrad, centered, momentum)?"
            )
        slot = state[key]
        if slot.shape != fresh.shape:
            raise ShapeError(
                f"{key} has shape {slot.shape}, but {member.name} needs {fresh.shape}"
            )
        if slot.dtype != fresh.dtype:
            raise DTypeError(
                f"{key} is {slot.dtype}, but {member.name} needs {fresh.dtype}; "
                "change the model's dtype after loading, or make a new optimizer"
            )
        fresh[...] = to_device(slot, device_of(p))
        slots[name] = fresh
    return slots


def diagnose(member: Member) -> None:
    """Say what kept a parameter from moving, if it is one of the usual things."""
    p, g = member.parameter.data, member.parameter.grad
    homes = {device_of(p), device_of(g), *map(device_of, member.slots.values())}
    if len(homes) > 1:
        raise DeviceError(
            f"{member.name} is on {device_of(p)}, its gradient on {device_of(g)} and "
            f"its optimizer's slots on {', '.join(sorted(homes))}; after model.to(…) "
            "call opt.zero_grad() and opt.load_state_dict(opt.state_dict())"
        )
    for name, slot in member.slots.items():
        if slot.shape not in (p.shape, ()) or slot.dtype != p.dtype:
            raise ShapeError(
                f"{member.name} is now {p.dtype} {p.shape}, but its slot {name} was "
                f"made as {slot.dtype} {slot.shape}; make a new optimizer"
            )
    if not getattr(getattr(p, "flags", None), "writeable", True):
        raise RangeError(
            f"the array of {member.name} is read-only; make the parameter of a copy"
        )
