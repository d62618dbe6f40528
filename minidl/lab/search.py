"""Search for hyper-parameters: grid, random, coarse to fine, with growing budgets.

    result = random_search(objective, {"lr": log_uniform(1e-4, 1e-1)}, n=20, seed=0)
    result.best.setting, result.best.value

The objective takes the setting (as keywords, or as one dictionary) and returns a
number, or makes a Trainer. Every search takes the same further arguments:

    mode      "min": the smallest value is the best; "max": the largest
    seed      the same seed, the same trials, in whatever processes
    store     a file: every finished trial is a JSON line there, and a search that was
              killed goes on when it is called again
    jobs      so many processes; backend "loky" (this machine) or "dask" (a cluster);
              both need the extra `search`
    progress  a live line in a terminal or a notebook
    data, epochs, monitor   for Trainers: (training, validation), how long, and which
              column of the history is the value (default: "val_loss")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from minidl.errors import RangeError
from minidl.lab.objective import seeds
from minidl.lab.running import Options, Planned, Runner, runner_for
from minidl.lab.space import (
    Domains,
    Setting,
    Space,
    as_domains,
    draw,
    grid,
    narrowed,
)
from minidl.lab.trials import Result, Trial

Function = Callable[..., Any]


def grid_search(
    objective: Function,
    space: Space,
    points: int | Mapping[str, int] = 3,
    *,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Try all combinations of a few values of each name.

    points   how many values a range gives, evenly spaced on its own axis (that of
             `log_uniform` is logarithmic); {"lr": 5} for one name. Lists and choices
             give all of theirs.

    >>> space = {"x": [0, 1, 2], "y": [3, 5]}
    >>> result = grid_search(lambda x, y: (x - 1) ** 2 + y, space)
    >>> len(result), result.best.setting
    (6, {'x': 1, 'y': 3})
    """
    domains = as_domains(space)
    settings = grid(domains, points)
    runner = runner_for(objective, domains, len(settings), **options)
    runner.run(_plan(settings, seeds(seed, range(len(settings)))))
    return Result(runner.trials, runner.mode, domains)


def random_search(
    objective: Function,
    space: Space,
    n: int,
    *,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Try n settings drawn at random (Bergstra & Bengio 2012).

    With the same budget as a grid, n different values of *every* name are seen, so that
    the one that matters is searched more closely. Trial i depends on (seed, i) alone: a
    larger n adds trials to those of a smaller one.

    >>> from minidl.lab import log_uniform
    >>> def objective(lr):
    ...     return abs(lr - 0.01)
    >>> result = random_search(objective, {"lr": log_uniform(1e-4, 1e-1)}, n=20, seed=0)
    >>> 0.005 < result.best.setting["lr"] < 0.02
    True
    """
    domains = as_domains(space)
    settings = [draw(domains, seed=seed, i=i) for i in range(at_least_one("n", n))]
    runner = runner_for(objective, domains, n, **options)
    runner.run(_plan(settings, seeds(seed, range(len(settings)))))
    return Result(runner.trials, runner.mode, domains)


def coarse_to_fine(
    objective: Function,
    space: Space,
    n: int,
    rounds: int = 2,
    *,
    budgets: Sequence[int] | None = None,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Search at random; then again where the best quarter was; `rounds` times n trials.

    budgets   one for each round, such as (1, 5) epochs: first short and wide, then long
              and narrow. The objective gets it as `budget`; a Trainer is trained so
              many epochs.

    A later round covers what the best quarter of the round before covered, and 1 / n of
    the range more on both sides. Options that the best quarter did not choose go.

    >>> from minidl.lab import log_uniform
    >>> space = {"lr": log_uniform(1e-6, 1e2)}
    >>> result = coarse_to_fine(lambda lr: abs(lr - 0.01), space, n=12, rounds=3)
    >>> len(result), 0.008 < result.best.setting["lr"] < 0.0125
    (36, True)
    """
    first = domains = as_domains(space)
    at_least_one("rounds", rounds)
    if budgets is not None and len(budgets) != rounds:
        raise RangeError(
            f"coarse_to_fine: {rounds} rounds and {len(budgets)} budgets; give one for "
            "each round, as in rounds=2, budgets=(1, 5)"
        )
    total = rounds * at_least_one("n", n)
    runner = runner_for(objective, domains, total, budgets is not None, **options)
    for r in range(rounds):
        numbers = range(r * n, r * n + n)
        settings = [draw(domains, seed=seed, i=i) for i in numbers]
        budget = None if budgets is None else budgets[r]
        trials = runner.run(_plan(settings, seeds(seed, numbers), r * n, budget))
        best = Result(trials, runner.mode).ranked[: max(2, -(-n // 4))]
        if best:
            domains = narrowed(domains, [t.setting for t in best], margin=1 / n)
    return Result(runner.trials, runner.mode, first)


def successive_halving(
    objective: Function,
    space: Space,
    n: int = 27,
    *,
    budget: tuple[int, int] = (1, 27),
    eta: int = 3,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Try n settings briefly, keep the best third, train those three times as long, ….

    budget   (first, last): how long the first round trains, and how long at most
    eta      keep one of `eta`, and train `eta` times as long    (Jamieson & Talwalkar
             2016)

    The objective takes `budget`; a Trainer is trained so many epochs. Each round trains
    from the beginning, from the same weights: that costs up to 1 / (eta − 1) more than
    going on would, and a search can be killed and resumed anywhere.

    >>> from minidl.lab import uniform
    >>> def objective(x, budget):
    ...     return (x - 0.3) ** 2 + 1 / budget
    >>> result = successive_halving(objective, {"x": uniform(0, 1)}, n=9, budget=(1, 9))
    >>> [t.budget for t in result.trials].count(3), result.best.budget
    (3, 9)
    """
    domains = as_domains(space)
    bracket = _rungs(n, budget, eta)
    total = sum(size for size, _ in bracket)
    runner = runner_for(objective, domains, total, True, **options)
    _halve(runner, domains, bracket, seed, first_setting=0)
    return Result(runner.trials, runner.mode, domains)


def hyperband(
    objective: Function,
    space: Space,
    budget: int = 27,
    *,
    eta: int = 3,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Halve several times, from many settings tried briefly to few tried long.

    What is good early is not always good late, and how early one can tell is not known:
    bracket s starts ⌈(S + 1) ηˢ / (s + 1)⌉ settings with a budget of R / ηˢ, for
    s = S, …, 0 with S = ⌊log_η R⌋, R = budget; each bracket costs about the same.
    Li et al. 2018, algorithm 1.

    >>> from minidl.lab import uniform
    >>> def objective(x, budget):
    ...     return (x - 0.3) ** 2 + 1 / budget
    >>> result = hyperband(objective, {"x": uniform(0, 1)}, budget=9)
    >>> [sum(t.budget == b for t in result.trials) for b in (1, 3, 9)]
    [9, 8, 5]
    """
    domains = as_domains(space)
    at_least_one("budget", budget)
    top = int(math.log(budget, _checked_eta(eta)) + 1e-9)
    brackets = []
    for s in range(top, -1, -1):
        size = -(-(top + 1) * eta**s // (s + 1))
        brackets.append(_rungs(size, (max(1, budget // eta**s), budget), eta))
    total = sum(size for bracket in brackets for size, _ in bracket)
    runner = runner_for(objective, domains, total, True, **options)
    started = 0
    for bracket in brackets:
        _halve(runner, domains, bracket, seed, first_setting=started)
        started += bracket[0][0]
    return Result(runner.trials, runner.mode, domains)


def _rungs(n: int, budget: tuple[int, int], eta: int) -> list[tuple[int, int]]:
    """Return (how many settings, which budget) for each round of halving.

    >>> _rungs(9, (1, 9), 3)
    [(9, 1), (3, 3), (1, 9)]
    """
    first, last = budget
    _checked_eta(eta)
    if not 1 <= first <= last:
        raise RangeError(f"budget = {budget}: it is (first, last), 1 ≤ first ≤ last")
    rungs = [(at_least_one("n", n), first)]
    while rungs[-1][0] >= eta and rungs[-1][1] * eta <= last:
        rungs.append((rungs[-1][0] // eta, rungs[-1][1] * eta))
    return rungs


def _halve(
    runner: Runner,
    domains: Domains,
    rungs: Sequence[tuple[int, int]],
    seed: int,
    first_setting: int,
) -> None:
    """Run one bracket: the trials of a round are the best of the round before."""
    numbers = list(range(first_setting, first_setting + rungs[0][0]))
    sign = 1 if runner.mode == "min" else -1
    for size, budget in rungs:
        numbers = numbers[:size]
        first = len(runner.trials)
        settings = [draw(domains, seed=seed, i=i) for i in numbers]
        plan = _plan(settings, seeds(seed, numbers), first, budget)
        trials = runner.run(plan)
        order = sorted(
            zip(numbers, trials, strict=True),
            key=lambda pair: (bool(pair[1].error), sign * pair[1].value, pair[0]),
        )
        numbers = [i for i, trial in order if not trial.error]


def _plan(
    settings: Sequence[Setting],
    starts: Sequence[int],
    first: int = 0,
    budget: int | None = None,
) -> list[Planned]:
    """Return the trials of these settings, numbered from `first`, with their seeds."""
    return [
        (Trial(first + i, setting, math.nan, budget=budget), start)
        for i, (setting, start) in enumerate(zip(settings, starts, strict=True))
    ]


def at_least_one(name: str, value: int) -> int:
    """Return a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RangeError(f"{name} = {value!r}; it is a whole number, 1 or more")
    return value


def _checked_eta(eta: int) -> int:
    if isinstance(eta, bool) or not isinstance(eta, int) or eta < 2:
        raise RangeError(
            f"eta = {eta!r}; keep one of 2, 3, …: a whole number from 2 on"
        )
    return eta
