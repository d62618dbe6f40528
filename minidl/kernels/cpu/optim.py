"""Adam and AdamW on a CPU with fewer trips to memory: deletable, equal to rounding.

Three ideas. A large array goes through the rule in chunks that stay in the cache, with
`out=` in place of temporaries. Small arrays are gathered into one, so that the rule's
dozen calls of NumPy are made once and not once for each bias. And the hats, which are
numbers, go into η and ε and not over the arrays (Kingma & Ba 2015, end of section 2).

    η m̂ / (√v̂ + ε) = η' m / (√v + ε')
    ε' = ε √(1 − β₂ᵗ) ;  η' = η √(1 − β₂ᵗ) / (1 − β₁ᵗ)

It takes float32 that is contiguous; everything else is left to the printed lines, which
are the specification (tests/test_optim_fast.py compares).

Without it the whole step of an MLP takes 1.6 times as long (`python -m benchmarks
--only a --peers plain`). Two sums of vectors by BLAS (axpby), which NumPy
does not offer but its library holds, gained 2 % more and were left out.

The other rules treat each number on its own, too: a large array goes through the lines
of optim_rules.py in chunks, or through the printed ones where optim_rules.py has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu.optim_rules import RULES
from minidl.kernels.optim import fits
from minidl.optim.adam import Adam, Adamax, AdamW
from minidl.optim.adaptive import RMSProp
from minidl.optim.groups import Group, Member
from minidl.optim.optimizer import FAST, Optimizer

CHUNK = 1 << 16  # numbers: 256 KB of each array, so that four and two scratch fit in L2
SMALL = 1 << 13  # below this size, calls cost more than numbers


def adam(
    opt: Optimizer, group: Group, members: list[Member], lr: Array
) -> list[Member]:
    """Move what can be moved faster, and return the members that are left."""
    assert isinstance(opt, Adam)
    if opt.maximize or opt.amsgrad or not isinstance(lr, (int, float)):
        return members
    fit = [member for member in members if fits(member)]
    small = [m for m in fit if m.parameter.data.size < SMALL]
    if len(small) == 1 or len({m.t for m in small}) > 1:  # some sat out: their t differ
        small = []
    decay, scratch = group.weight_decay, np.empty((2, CHUNK), np.float32)
    if small:
        pack = _pack(group, small)
        _rule(opt, *pack.gather(), lr, small[0].t, decay, scratch)
        pack.scatter()
    gathered = set(map(id, small))
    for m in fit:
        if id(m) not in gathered:
            arrays = (m.parameter.data, m.parameter.grad, m.slots["m"], m.slots["v"])
            p, g, one, two = (x.reshape(-1) for x in arrays)
            _rule(opt, p, g, one, two, lr, m.t, decay, scratch)
    if len(fit) == len(members):
        return []
    moved = set(map(id, fit))
    return [m for m in members if id(m) not in moved]


def _rule(
    opt: Adam,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    lr: float,
    t: int,
    weight_decay: float,
    scratch: Array,
) -> None:
    """Adam.update after decay, on flat arrays in chunks, with the hats in η and ε."""
    hat1, hat2 = 1 - opt.beta1**t, 1 - opt.beta2**t
    rate, eps = lr * hat2**0.5 / hat1, opt.eps * hat2**0.5
    for chunk in _chunks(p.size):
        pc, gc, mc, vc = p[chunk], g[chunk], m[chunk], v[chunk]
        a, b = scratch[:, : pc.size]
        if weight_decay and isinstance(opt, AdamW):
            pc *= 1 - lr * weight_decay
        elif weight_decay:
            np.multiply(pc, weight_decay, out=b)
            gc = np.add(gc, b, out=b)
        mc *= opt.beta1
        mc += np.multiply(gc, 1 - opt.beta1, out=a)
        np.multiply(gc, gc, out=a)
        a *= 1 - opt.beta2
        vc *= opt.beta2
        vc += a
        np.sqrt(vc, out=b)  # g, which may be b, is not needed any more
        b += eps
        np.divide(mc, b, out=a)
        a *= rate
        pc -= a


def _chunks(size: int) -> Iterator[slice]:
    return (slice(i, i + CHUNK) for i in range(0, size, CHUNK))


class Pack:
    """Small members of a group whose slots lie side by side, as views of one array.

    Parameters and gradients keep their own arrays; they are gathered at every step.
    """

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        shapes = [m.parameter.data.shape for m in members]
        ends = np.cumsum([m.parameter.data.size for m in members]).tolist()
        cuts = list(zip([0, *ends[:-1]], ends, shapes, strict=True))
        self.p, self.m, self.v = (np.empty(ends[-1], np.float32) for _ in range(3))
        self.views = [
            tuple(x[i:j].reshape(shape) for x in (self.p, self.m, self.v))
            for i, j, shape in cuts
        ]
        for member, (_, m, v) in zip(members, self.views, strict=True):
            m[...], v[...] = member.slots["m"], member.slots["v"]
            member.slots.update(m=m, v=v)

    def holds(self, members: list[Member]) -> bool:
        """Whether these are the members, and none has got other slots since."""
        return members == self.members and all(
            x.slots["m"] is m and x.slots["v"] is v
            for x, (_, m, v) in zip(members, self.views, strict=True)
        )

    def gather(self) -> tuple[Array, Array, Array, Array]:
        """Return all p, g, m, v in four flat arrays."""
        parameters = [member.parameter for member in self.members]
        np.concatenate([p.data.reshape(-1) for p in parameters], out=self.p)
        g = np.concatenate([p.grad.reshape(-1) for p in parameters])
        return self.p, g, self.m, self.v

    def scatter(self) -> None:
        """Write the new p into the parameters' own arrays."""
        for member, (p, _, _) in zip(self.members, self.views, strict=True):
            member.parameter.data[...] = p


packs: WeakKeyDictionary[Group, Pack] = WeakKeyDictionary()


def _pack(group: Group, members: list[Member]) -> Pack:
    pack = packs.get(group)
    if pack is None or not pack.holds(members):
        pack = packs[group] = Pack(members)
    return pack


def in_chunks(
    opt: Optimizer, group: Group, members: list[Member], lr: Array
) -> list[Member]:
    """Move large arrays chunk by chunk, and return the members that are left."""
    if opt.maximize or not isinstance(lr, (int, float)):
        return members
    left, scratch = [], None
    for member in members:
        p, g = member.parameter.data, member.parameter.grad
        if p.size <= CHUNK or not fits(member):
            left.append(member)
            continue
        scratch = np.empty((2, CHUNK), np.float32) if scratch is None else scratch
        update = _update(opt, scratch)
        p, g = p.reshape(-1), g.reshape(-1)
        slots = {name: slot.reshape(-1) for name, slot in member.slots.items()}
        for chunk in _chunks(p.size):
            pc, gc = p[chunk], g[chunk]
            if group.weight_decay:
                gc = opt.decay(pc, gc, lr, group.weight_decay)
            some = {name: slot[chunk] for name, slot in slots.items()}
            update(pc, gc, lr, member.t, **some)
    return left


def _update(opt: Optimizer, scratch: Array) -> Callable[..., None]:
    """Return the rule of an optimizer, with memory; or its printed lines."""
    rule = RULES.get(type(opt))
    if rule is None or (isinstance(opt, RMSProp) and (opt.centered or opt.momentum)):
        return opt.update

    def update(p: Array, g: Array, lr: float, t: int, **slots: Array) -> None:
        rule(opt, p, g, lr, t, *scratch[:, : p.size], **slots)

    return update


FAST[Adam, "cpu"] = FAST[AdamW, "cpu"] = adam
for simple in (*RULES, Adamax):
    FAST[simple, "cpu"] = in_chunks
