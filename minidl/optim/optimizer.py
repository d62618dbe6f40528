"""Optimizer: the loop that all rules share.

    θ, p   a parameter, and its array          g    ∂L/∂θ, plus λ θ with weight decay
    η, lr  the learning rate                   λ    the weight decay
    t      the steps of this parameter, from 1 in `update` (schedules count from 0)

A rule is a class that names its `slots`, the arrays kept for each parameter, and writes
`update`, the formula for one parameter. Everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from minidl.backend import Array, namespace
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.optim import state
from minidl.optim.groups import (
    Group,
    Member,
    Parameter,
    as_groups,
    check_names,
    check_options,
    checked_lr,
    count_steps,
    named,
    touch,
    unchanged,
)
from minidl.optim.settings import at_least
from minidl.replay import check, number, refuse, repeat, typed

# A faster way to move some members of a group; returns those it leaves to `update`.
# Looked up by the class itself, so that a subclass with its own rule never gets it.
Twin = Callable[["Optimizer", Group, list[Member], Any], list[Member]]
FAST: dict[type, Twin] = {}


class Optimizer:
    """Moves parameters against their gradients, in place.

    params        parameters, (name, parameter) pairs, or groups of them: dictionaries
                  such as {"params": […], "lr": 0.01, "weight_decay": 0.0}
    lr            a number, or a schedule: a function of the step, counted from 0
    weight_decay  λ: adds λ θ to the gradient, for a penalty of ½ λ ‖θ‖²
    maximize      climb instead
    check_finite  raise RangeError, and move nothing, if a gradient holds NaN or Inf
                  (it reads the gradients: on a GPU that waits for the device)

    Parameters whose gradient is None are skipped. Raises RangeError for an empty or a
    doubled parameter and for settings out of range, GraphError for a Tensor that is not
    a leaf, DTypeError for what is not a parameter.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Any,
        lr: Any,
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
        check_finite: bool = False,
    ) -> None:
        owner = type(self).__name__
        self.maximize, self.check_finite = maximize, check_finite
        self.defaults = {
            "lr": checked_lr(owner, lr),
            "weight_decay": at_least(owner, "weight_decay", weight_decay),
        }
        self.groups: list[Group] = []
        self.t = 0
        for group in as_groups(params, owner):
            self.add_group(group)
        if not self.members:
            raise RangeError(
                f"{owner} got no parameters; is the model empty, or was the iterator "
                "model.parameters() used up before?"
            )

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Optimize more parameters from now on, as when layers are unfrozen."""
        owner = type(self).__name__
        check_options(group, owner)
        options = {**self.defaults, **group}
        pairs = named(options["params"], owner, len(self.members))
        check_names([(m.name, m.parameter) for m in self.members] + pairs, owner)
        lr = checked_lr(owner, options["lr"])
        decay = at_least(owner, "weight_decay", options["weight_decay"])
        members = [Member(name, p) for name, p in pairs]
        self.groups.append(Group(members, lr, decay))

    # The rule, which a subclass writes

    def start(self, p: Array) -> dict[str, Array]:
        """Return p's slots at its first step: zeros, unless a rule says otherwise."""
        return {name: namespace(p).zeros_like(p) for name in self.slots}

    def update(self, p: Array, g: Array, lr: Any, t: Any, *slots: Array) -> None:
        """Change p and its slots in place; write neither into g nor into lr and t.

        lr and t are numbers, or 0-d arrays that nobody has read back from the device:
        compute with them, but do not ask `if lr > 0`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def decay(self, p: Array, g: Array, lr: Any, weight_decay: float) -> Array:
        """g + λ θ, the gradient of L + ½ λ ‖θ‖²."""
        # region a4.8: the gradient of the penalty, too
        return g + weight_decay * p
        # endregion

    # The loop

    def step(self) -> None:
        """Apply the rule once to every parameter that has a gradient."""
        if self.check_finite:
            self._check_finite()
        twin = FAST.get(type(self))
        for group in self.groups:
            lr = number(partial(self._rate, group))
            members = [m for m in group.members if m.parameter.grad is not None]
            for member in members:
                self.prepare(member)
            repeat(partial(count_steps, members), partial(count_steps, members, -1))
            check(unchanged(group, members))
            for member in twin(self, group, members, lr) if twin else members:
                self._move(member, lr, group.weight_decay)
            repeat(partial(touch, members))
        repeat(self._count, partial(self._count, -1))

    def _rate(self, group: Group) -> Any:
        return group.rate(self.t)

    def _count(self, by: int = 1) -> None:
        self.t += by

    def prepare(self, member: Member) -> None:
        """Start the slots; raise where p and g do not fit."""
        p, g = member.parameter.data, member.parameter.grad
        if g.shape != p.shape:
            raise ShapeError(
                f"the gradient of {member.name} has shape {g.shape}, the parameter "
                f"{p.shape}; was .grad set by hand, or .data replaced?"
            )
        if g.dtype != p.dtype:
            raise DTypeError(
                f"the gradient of {member.name} is {g.dtype}, the parameter {p.dtype}; "
                "try p.grad = p.grad.astype(p.dtype)"
            )
        if not member.slots and (slots := self.start(p)):
            refuse(f"the first step of {member.name} differs from those that follow")
            member.slots = slots

    def _move(self, member: Member, lr: Any, weight_decay: float) -> None:
        p, g = member.parameter.data, member.parameter.grad
        lr, t = typed(lr, p.dtype), typed(member.steps(), p.dtype)
        try:
            if self.maximize:
                g = -g
            if weight_decay:
                g = self.decay(p, g, lr, weight_decay)
            self.update(p, g, lr, t, **member.slots)
        except (TypeError, ValueError):
            state.diagnose(member)
            raise

    def zero_grad(self) -> None:
        """Forget the gradients, before the next backward adds to them."""
        for member in self.members:
            member.parameter.grad = None

    def _check_finite(self) -> None:
        for member in self.members:
            g = member.parameter.grad
            if g is None or (finite := namespace(g).isfinite(g)).all():
                continue
            raise RangeError(
                f"step {self.t}: the gradient of {member.name} holds "
                f"{g.size - int(finite.sum())} NaN or Inf among {g.size} numbers, and "
                "nothing was moved; try a smaller lr or optim.clip_grad_norm, and "
                "`with minidl.debug():` to find where it began"
            )

    # What one asks of it

    @property
    def members(self) -> list[Member]:
        """Every parameter with its name, steps and slots, group after group."""
        return [member for group in self.groups for member in group.members]

    @property
    def params(self) -> list[Parameter]:
        """Every parameter, in the order of the groups."""
        return [member.parameter for member in self.members]

    @property
    def lr(self) -> float:
        """The rate of the next step in the first group; setting it sets all groups."""
        return float(self.groups[0].rate(self.t))

    @lr.setter
    def lr(self, lr: Any) -> None:
        for group in self.groups:
            group.lr = checked_lr(type(self).__name__, lr)

    @property
    def lr_scale(self) -> float:
        """A factor on every learning rate, number or schedule; 1 at first."""
        return self.groups[0].lr_scale

    @lr_scale.setter
    def lr_scale(self, factor: float) -> None:
        for group in self.groups:
            group.lr_scale = at_least(type(self).__name__, "lr_scale", factor)

    def state_dict(self) -> dict[str, Any]:
        """Return what the steps have made: a flat dict of arrays, numbers and lists."""
        return state.save(self)

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `saved` stopped, bit by bit; raises where it does not fit.

        Numbers for lr and weight_decay come back too. Schedules and the settings of the
        constructor are code, not state: make the optimizer as it was made before.
        """
        state.load(self, saved)

    def __repr__(self) -> str:
        size = sum(m.parameter.data.size for m in self.members)
        return (
            f"{type(self).__name__}(lr={self.lr:g}, {len(self.members)} parameters "
            f"with {size:,} numbers, step {self.t})"
        )
