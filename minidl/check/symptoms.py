"""What can be seen of a wrong gradient where no prediction reproduces it.

Shapes and places are facts, told as such. What may be behind them is said as "it looks
like"; where nothing is known, nothing is guessed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from minidl.backend import Array
from minidl.check.constants import fitted
from minidl.check.cotangents import of_another_g
from minidl.check.draws import Draw
from minidl.check.pools import of_the_jacobian, of_the_right_one
from minidl.check.products import products
from minidl.check.quantities import axis_sets, over
from minidl.check.regions import regions
from minidl.check.relations import Verdict, times, within

OPEN = "a gradient has the shape of its input"  # where nothing more is known
FILLED = 0.85  # of a part of x is wrong, where a gradient is said to be wrong there


def wrong_shape(d: Draw) -> str | None:
    """The right numbers in another shape, or numbers not yet summed."""
    got, want = np.asarray(d.got, np.float64), d.want
    if got.shape == want.shape:
        return None
    said = f"has shape {got.shape}, and {d.name} has {want.shape}"
    why = _not_summed(got, d) or _reordered(got, d) or _oversummed(got, d)
    return f"{said}: {why or OPEN}"


def _not_summed(got: Array, d: Draw) -> str | None:
    for axes in axis_sets(got.ndim):
        rest = got.sum(axis=axes)
        if not d.want.size == rest.size < got.size:
            continue
        total = rest.reshape(d.want.shape)
        c = fitted(total, d.want)
        if _close(total, c * d.want, d.tolerance):
            which = f"axis={axes[0]}" if len(axes) == 1 else f"axis={axes}"
            more = "" if abs(c - 1) < 1e-5 else f", then {times(c, d)}the right one"
            return (
                f"it is right once it is summed{more}. {d.name} serves all entries "
                f"along these axes, and gradients add up: .sum({which}) is missing"
            )
    return None


def _reordered(got: Array, d: Draw) -> str | None:
    want, near = d.want, d.tolerance
    if got.ndim > 1 and _close(got.T, want, near):
        return "it is the transpose of the right one; .T is missing"
    if got.size != want.size:
        return None
    for axes in itertools.permutations(range(got.ndim)) if got.ndim <= 4 else ():
        turned = got.transpose(axes)
        if turned.shape == want.shape and _close(turned, want, near):
            return f"it is right after .transpose{axes}"
    if _close(got.reshape(want.shape), want, near):
        return f"the numbers are right; .reshape({d.name}.shape) is missing"
    return None


def _oversummed(got: Array, d: Draw) -> str | None:
    want = d.want
    for axes in axis_sets(want.ndim):
        for word, less in (
            ("summed", want.sum(axis=axes)),
            ("averaged", want.mean(axis=axes)),
        ):
            small = less.size == got.size < want.size
            if small and _close(got.ravel(), less.ravel(), d.tolerance):
                return (
                    f"too much was summed. It is the right one, {word} over "
                    f"{over(axes)}; leave the sum out"
                )
    if got.ndim <= want.ndim and got.size < want.size:
        return "too much was summed, or the gradient was not stretched back"
    return None


def not_finite(d: Draw) -> str | None:
    """A NaN or an infinity."""
    bad = np.argwhere(~np.isfinite(d.got))
    if not len(bad):
        return None
    at = tuple(int(i) for i in bad[0])
    where = f"[{', '.join(map(str, at))}]" if at else ""
    at_x = f", where {d.name} = {d.x[at]:.4g}" if d.got.shape == d.x.shape else ""
    return (
        f"is {d.got[at]} at {d.name}{where}{at_x}. Look for 0 / 0, 0 · inf or a log "
        "of 0 in the backward; choose with where(), do not multiply by a mask"
    )


def whole_numbers(d: Draw) -> str | None:
    """An array of integers, where fractions belong."""
    kind = d.returned
    if kind is None or kind.kind not in "iub" or d.got.shape != d.want.shape:
        return None
    return (
        f"is an array of {kind}: what is written into one is cut to integers. Make it "
        "with zeros_like of a float array, or with dtype=float; onehot, labels and "
        "masks are no floats"
    )


def zero(d: Draw) -> str | None:
    """Nothing arrives, or something where nothing should."""
    if not d.got.any() and _size(d.want) > 1e-7:
        return (
            "is zero everywhere, but y depends on it. Was the value detached on the "
            "way (.data, .numpy(), detach, values, no_grad), or the gradient never "
            "filled in?"
        )
    if _size(d.want) <= 1e-7 * max(1.0, _size(d.got)) and _size(d.got) > 1e-5:
        return (
            "should be zero, for y does not change with it (the effects cancel out); a "
            "term that cancels the others is missing"
        )
    return None


def places(draws: Sequence[Draw]) -> list[Verdict]:
    """Return where a gradient is wrong, if that is a part of x with a name."""
    tables = [_covering(d) for d in draws]
    names = [n for n in tables[0] if all(n in t for t in tables)]
    names = [n for n in names if 0 < tables[0][n].mean() < 1]
    if not names:
        return []
    own = "a number in the forward"
    name = min(names, key=lambda n: (tables[0][n].sum(), own not in n, len(n)))
    there = _there(draws, [t[name] for t in tables])
    cost = 3.1 if there and name.startswith("where") else 5.0 if there else 6.0
    only = "" if name.startswith("everywhere") else "only "
    return [Verdict(f"is wrong {only}{name}, right elsewhere{there}", cost)]


def _covering(d: Draw) -> dict[str, Array]:
    """Return the parts of x that hold all that is wrong, and little else.

    A row, a border, or the entries that indices name may be wrong in part: that all the
    wrong ones lie there is no accident.
    """
    wrong, found = off(d), {}
    if not wrong.any() or wrong.all():
        return {}
    for said, part in regions(d):
        matters = part & ((d.want != 0) | (d.got != 0)) & d.smooth
        share = wrong.sum() / max(matters.sum(), 1)
        accident = part.mean() ** wrong.sum() > 1e-2 or said.startswith("where")
        if not (wrong & ~part).any() and share > (FILLED if accident else 0.4):
            found[said] = part
    return found


def _there(draws: Sequence[Draw], regions: list[Array]) -> str:
    """Say what a gradient is in the part where it is wrong."""
    parts = [region & d.smooth for d, region in zip(draws, regions, strict=True)]
    if all(not d.got[p].any() for d, p in zip(draws, parts, strict=True)):
        return ", and zero there"
    if all(not d.want[p].any() for d, p in zip(draws, parts, strict=True)):
        return ", where it should be zero"
    if min(p.sum() for p in parts) < 3:
        return ""
    said = within(
        draws, parts, (of_the_right_one, of_another_g, of_the_jacobian, products)
    )
    return f": there it is {said}" if said else ""


def masks(draws: Sequence[Draw]) -> list[Verdict]:
    """Zero where it should not be, and not where it should: a mask is another one."""
    if all(map(_passes_too_much, draws)):
        said = (
            "is right where it is not zero, and passes where it should be zero: a mask "
            "is missing, or lets too much through"
        )
        return [Verdict(said, 2.95)]
    inverted = other = True
    for d in draws:
        some = d.smooth & (d.g != 0 if d.g.shape == d.x.shape else True)
        want, got = (d.want != 0)[some], (d.got != 0)[some]
        if want.size < 4 or want.all() or not want.any() or got.all() or not got.any():
            return []
        inverted &= bool((want != got).all())
        other &= d.g.shape == d.x.shape and bool((want != got).any())
        for a in (d.got, d.want) if other else ():
            ratio = a[(a != 0) & some] / d.g[(a != 0) & some]
            other &= bool(np.ptp(ratio) < 1e-5 * abs(ratio).max())
    if inverted:
        said = (
            "is zero where it should not be, and not zero where it should: the mask is "
            "inverted"
        )
        return [Verdict(said, 2.9)]
    if other:
        said = (
            "is masked in other places than the output is: the mask is not that of the "
            "forward (drawn anew, or taken from another array)"
        )
        return [Verdict(said, 5.5)]
    return []


def _passes_too_much(d: Draw) -> bool:
    """Whether all is right but for zeros, all of which are something else."""
    want, got = d.want[d.smooth], d.got[d.smooth]
    kept, cut = want != 0, want == 0
    return bool(
        kept.sum() > 1
        and cut.any()
        and got[cut].all()
        and _close(got[kept], want[kept], d.tolerance)
    )


def slid(draws: Sequence[Draw]) -> list[Verdict]:
    """Shifted along the last axes, with other numbers entering at the edge."""
    n = draws[0].x.ndim
    if n < 1 or min(draws[0].x.shape[-2:]) < 3:
        return []
    for by in sorted(
        itertools.product(range(-2, 3), repeat=min(n, 2)),
        key=lambda b: sum(map(abs, b)),
    ):
        if any(by) and all(_overlaps(d, by) for d in draws):
            axes = tuple(range(n - len(by), n))
            moved = ", ".join(
                f"{b} along axis {a}" for a, b in zip(axes, by, strict=True) if b
            )
            said = (
                f"is shifted by {moved}, with other numbers at the edge: an index is "
                "off, or the padding was cut off at the wrong end"
            )
            return [Verdict(said, 3)]
    return []


def _overlaps(d: Draw, by: tuple[int, ...]) -> bool:
    to = tuple(
        slice(max(b, 0), m + min(b, 0))
        for b, m in zip(by, d.x.shape[-len(by) :], strict=True)
    )
    of = tuple(
        slice(max(-b, 0), m + min(-b, 0))
        for b, m in zip(by, d.x.shape[-len(by) :], strict=True)
    )
    return _close(d.got[(..., *to)], d.want[(..., *of)], d.tolerance)


def integers(draws: Sequence[Draw]) -> list[Verdict]:
    """Whole numbers alone, though g and the right gradient have fractions."""
    for d in draws:
        whole = d.got.any() and not (d.got % 1).any()
        if d.want.size < 3 or not whole or not (d.want % 1).any():
            return []
    said = (
        "has whole numbers alone: it looks like an array of integers on the way "
        "(dtype=int, astype(int), zeros_like(labels)), which cuts fractions off"
    )
    return [Verdict(said, 4.4, likely=True)]


def nearly(d: Draw) -> list[Verdict]:
    """A small error everywhere: what it looks like."""
    size = _size(d.want)
    gap = _size(d.got - d.want) / size if size else 0.0
    if not 0 < gap < 2e-3:
        return []
    said = (
        f"is nearly right (off by {gap:.1e} of its length): it looks like an eps left "
        "out of it, something computed in float32, or an approximation"
    )
    return [Verdict(said, 7, likely=True)]


def blind(d: Draw) -> str:
    """Say if a check with a g of ones, of the sum, would have seen nothing."""
    p = d.point
    if p.g.size < 2:
        return ""
    try:
        got = p.ask([g * 0 + 1 for g in p.gs])[p.step.slots.index(d.slot)]
    except Exception:  # it may fail for another g
        return ""
    want = (d.jac @ np.ones(p.g.size)).reshape(d.x.shape)
    if np.shape(got) != want.shape or not _close(
        np.where(d.smooth, got, 0), want, d.tolerance
    ):
        return ""
    return ". (It is right for a g of ones: a check of the outputs' sum sees nothing)"


def shuffled(draws: Sequence[Draw]) -> list[Verdict]:
    """The right numbers, but not where they belong."""
    for d in draws:
        if d.want.size < 3 or not _close(
            np.sort(d.got, None), np.sort(d.want, None), d.tolerance
        ):
            return []
    said = (
        "has the right numbers in the wrong places: look at reshape, transpose and the "
        "order of indices in the backward"
    )
    return [Verdict(said, 7)]


def unknown(d: Draw) -> str:
    """Say how it lies to the right one, and no more."""
    a, b = _size(d.got), _size(d.want)
    cosine = float((d.got * d.want).sum() / (a * b)) if a * b else 0.0
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    gaps = abs(d.got - d.want)
    at = tuple(int(i) for i in np.unravel_index(gaps.argmax(), d.want.shape))
    where = f"[{', '.join(map(str, at))}]" if at else ""
    about = ""
    if cosine > 0.9995 and _size(d.got - d.want) < 0.05 * b:
        about = "; it looks like an approximation of it, or an eps left out"
    return (
        f"is wrong in a way of its own: {100 * float(off(d).mean()):.0f} % of its "
        f"elements, at {angle:.0f}° to the right one and {a / b if b else np.inf:.3g} "
        f"times as long; worst at {d.name}{where}, {d.got[at]:.6g} for {d.want[at]:.6g}"
        + about
    )


def off(d: Draw) -> Array:
    """Which elements are wrong."""
    typical = float(np.sqrt((d.want**2).mean())) + 1e-12
    return abs(d.got - d.want) > d.tolerance * (abs(d.want) + typical)


def _close(a: Array, b: Array, near: float) -> bool:
    if np.shape(a) != np.shape(b):
        return False
    size = max(_size(a), _size(b))
    return bool(0 < size < np.inf and _size(a - b) <= near * size)


def _size(a: Array) -> float:
    return float(np.linalg.norm(a))
