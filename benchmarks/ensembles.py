"""Several nets or one: `python -m benchmarks.ensembles` writes docs/ensembles.md.

Accuracies are those on the test data, as mean ± standard error over the seeds. A gain
is taken seed by seed against the row that is named, and so is its standard error.
Nothing was tuned. It takes about 6 minutes on one core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minidl as md
from benchmarks.regularizers import Recipe, cnn
from minidl import data, lab, ops, optim, show
from minidl.data import TensorDataset
from minidl.models import MLP
from minidl.optim import schedules
from minidl.train import Callback, Trainer, accuracy

OUT = Path(__file__).parents[1] / "docs" / "ensembles.md"
PICTURES = OUT.parent / "pictures"
MEMBERS, CYCLES, WEAK = 5, 3, 10
BATCH, RATE, HIGH = 50, 0.05, 0.2
ONE, LATE, NOISY, FEEBLE = (
    "one net", "one net, cosine", f"one net, rate {HIGH}", "one net of width 5"
)  # fmt: skip
ENSEMBLE, SNAPSHOTS = f"{MEMBERS} nets, averaged", f"{CYCLES} snapshots, averaged"

# a row, what it is compared with, and its price in trainings
ROWS = [
    (ONE, "", "1"),
    (ENSEMBLE, ONE, f"{MEMBERS}"),
    (f"{MEMBERS} nets, bagged", ONE, f"{MEMBERS}"),
    (f"{MEMBERS} nets, their weights averaged", ONE, f"{MEMBERS}"),
    (LATE, ONE, "1"),
    (SNAPSHOTS, LATE, "1"),
    ("the last snapshot alone", LATE, "1"),
    ("EMA 0.99 of its weights, cosine", LATE, "1"),
    (NOISY, ONE, "1"),
    ("mean of its weights, second half", NOISY, "1"),
    ("EMA 0.99 of its weights", NOISY, "1"),
    ("SWA: mean of its weights, each epoch of the last third", NOISY, "1"),
    (FEEBLE, "", "0.2"),
    (f"{WEAK} of them, boosted", FEEBLE, f"{0.2 * WEAK:g}"),
]
MEAN, EMA, SWA = (ROWS[i][0] for i in (9, 10, 11))


@dataclass
class Task:
    """Data, widths of a net for them and of a weak one, epochs of a training."""

    name: str
    load: Callable[[], Any]
    sizes: list[int]
    weak: list[int]
    epochs: int


TASKS = [
    Task("MNIST-5k", data.load_mnist5k, [784, 100, 10], [784, 5, 10], 15),
    Task("digits", data.load_digits, [64, 32, 10], [64, 5, 10], 30),
]


class Averages(Callback):
    """Takes the weights into several averages, each from some step on."""

    def __init__(self, model: Any, epochs: int, each: int) -> None:
        steps, new = epochs * each, model.parameters
        swa = optim.SWA(new(), start=2 * steps // 3, every=each)
        self.kinds = {
            MEAN: (optim.PolyakAverage(new()), steps // 2),
            EMA: (optim.EMA(new(), 0.99), 0),
            SWA: (swa, 0),
        }

    def on_update(self, trainer: Trainer) -> None:
        """Take the new weights in."""
        for average, start in self.kinds.values():
            if trainer.t >= start:
                average.update()

    def scores(self, model: Any, test: TensorDataset) -> dict[str, float]:
        """Return the accuracy with each average in the model."""
        found = {}
        for name, (average, _) in self.kinds.items():
            with average.applied():
                found[name] = score([model], test)
        return found


def score(models: Sequence[Any], test: TensorDataset) -> float:
    """Return the accuracy of the ensemble of these models."""
    return accuracy(lab.Ensemble(models).probabilities(test), test.y)


def trainer_for(sizes: list[int], lr: Any = RATE) -> Trainer:
    """Return a new net in its Trainer."""
    net = MLP(sizes)
    optimizer = optim.Momentum(net.parameters(), lr=lr)
    return Trainer(net, optimizer, ops.cross_entropy, progress=False)


def loader(train: TensorDataset, seed: int) -> data.DataLoader:
    """Return the batches of a training."""
    return data.DataLoader(train, BATCH, shuffle=True, seed=seed)


def trained(task: Task, train: Any, seed: int, lr: Any = RATE) -> tuple[Any, Averages]:
    """Return a trained net, and the averages of its weights along the way."""
    md.seed(seed)
    run, batches = trainer_for(task.sizes, lr), loader(train, seed)
    averages = Averages(run.model, task.epochs, len(batches))
    if lr != RATE:
        run.callbacks.append(averages)
    run.fit(batches, epochs=task.epochs)
    return run.model, averages


def mixed(task: Task, nets: Sequence[Any]) -> Any:
    """Return a net whose weights are the means of those of the nets."""
    net, states = MLP(task.sizes), [net.state_dict() for net in nets]
    net.load_state_dict({k: np.mean([s[k] for s in states], axis=0) for k in states[0]})
    return net


def snapshots_of(task: Task, train: Any, seed: int) -> list[Any]:
    """Return the snapshots of one training."""
    md.seed(seed)
    run = trainer_for(task.sizes)
    epochs = task.epochs // CYCLES
    found = lab.snapshot_ensemble(
        run, loader(train, seed), cycles=CYCLES, epochs=epochs
    )
    return list(found.members)


def measured(task: Task, parts: Any, seed: int) -> dict[str, float]:
    """Return the rows of one seed, and facts beside them."""
    train, test = parts.train, parts.test
    nets = [trained(task, train, 100 * seed + i)[0] for i in range(MEMBERS)]
    bags = lab.bagging(
        lambda: trainer_for(task.sizes), train, n=MEMBERS, epochs=task.epochs, seed=seed
    )
    steps = task.epochs * len(loader(train, 0))
    late, averages = trained(task, train, 100 * seed, schedules.cosine(RATE, steps))
    noisy, wandering = trained(task, train, 100 * seed, HIGH)
    snapshots = snapshots_of(task, train, 100 * seed)
    boosted = lab.boosting(
        lambda: trainer_for(task.weak), train, WEAK, epochs=task.epochs // 5, seed=seed
    )
    staged = boosted.staged_accuracy(test.x, test.y)
    return {
        ONE: statistics.mean(score([net], test) for net in nets),
        ENSEMBLE: score(nets, test),
        f"{MEMBERS} nets, bagged": accuracy(bags.probabilities(test), test.y),
        f"{MEMBERS} nets, their weights averaged": score([mixed(task, nets)], test),
        LATE: score([late], test),
        SNAPSHOTS: score(snapshots, test),
        "the last snapshot alone": score(snapshots[-1:], test),
        "EMA 0.99 of its weights, cosine": averages.scores(late, test)[EMA],
        NOISY: score([noisy], test),
        **wandering.scores(noisy, test),
        FEEBLE: float(staged[0]),
        f"{WEAK} of them, boosted": float(staged[-1]),
        "out of bag": bags.oob_score,
        "nets differ": differing(nets, test),
        "snapshots differ": differing(snapshots, test),
        "factor": uncertain(lab.Ensemble(nets), test),
    }


def differing(models: Sequence[Any], test: TensorDataset) -> float:
    """Return how often two members give different labels."""
    said = [lab.Ensemble([model]).predict(test) for model in models]
    pairs = [(a, b) for i, a in enumerate(said) for b in said[i + 1 :]]
    return statistics.mean(float((a != b).mean()) for a, b in pairs)


def uncertain(ensemble: lab.Ensemble, test: TensorDataset) -> float:
    """Return the errors in the tenth with most disagreement, divided by the others'."""
    wrong = ensemble.predict(test) != test.y
    order = np.argsort(ensemble.disagreement(test))
    tenth = len(order) // 10
    rest = max(float(wrong[order[:-tenth]].mean()), 1 / len(order))
    return float(wrong[order[-tenth:]].mean()) / rest


# ----------------------------------------------------------------------------- writing


def table(task: Task, seeds: int) -> list[str]:
    """Run all seeds of a task; return its section."""
    parts, runs = task.load(), []
    start = time.perf_counter()
    for seed in range(seeds):
        runs.append(measured(task, parts, seed))
        print(
            f"{task.name}, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True
        )
    column = {name: [run[name] for run in runs] for name in runs[0]}
    width = "-".join(map(str, task.sizes))
    lines = [
        f"## {task.name}",
        "",
        f"{len(parts.train)} samples to train on, {len(parts.test)} for test; {width}, "
        f"momentum 0.9, rate {RATE}, batches of {BATCH}, {task.epochs} epochs, {seeds} "
        f"seeds. Snapshots: {CYCLES} cycles of {task.epochs // CYCLES} epochs.",
        "",
        "| | trainings | test accuracy, % | gain, points | over | share of errors, % |",
        "|---|---|---|---|---|---|",
    ]
    for name, base, price in ROWS:
        mine, over, share = column[name], "", ""
        if base:
            gains = np.subtract(mine, column[base])
            errors = 1 - statistics.mean(column[base])
            over, share = spread(gains, "+"), f"{100 * gains.mean() / errors:+.0f}"
        lines.append(
            f"| {name} | {price} | {spread(mine)} | {over} | {base} | {share} |"
        )
    lines += [
        "",
        f"Two nets differ on {spread(column['nets differ'])} % of the test samples, "
        f"two snapshots on {spread(column['snapshots differ'])} %. The bags' score out "
        f"of bag is {spread(column['out of bag'])} %. The tenth of the samples with "
        f"most disagreement has {number(column['factor'])} times the errors of the "
        "others.",
        "",
    ]
    return lines


def spread(values: Any, sign: str = "") -> str:
    """Return mean ± standard error, in percent."""
    return number(np.multiply(values, 100), sign)


def number(values: Any, sign: str = "") -> str:
    """Return mean ± standard error."""
    n = len(values)
    error = statistics.stdev(map(float, values)) / n**0.5 if n > 1 else 0.0
    return f"{statistics.mean(map(float, values)):{sign}.2f} ± {error:.2f}"


def stumps(seeds: int, n: int = 50) -> list[str]:
    """Boost stumps on the breast-cancer data, split anew for each seed."""
    parts = data.load_breast_cancer()
    x, y = (np.concatenate([getattr(p, a) for p in parts]) for a in "xy")
    staged = []
    for seed in range(seeds):
        train, test = data.train_test_split(x, y, rng=seed)
        staged.append(lab.boosting(lab.Stump, train, n).staged_accuracy(test.x, test.y))
    ends = np.array(staged)[:, [0, -1]]
    show.members({"boosted stumps": staged}, path=PICTURES / "boosting.png")
    return [
        "## Boosted stumps",
        "",
        f"Breast cancer, {len(train)} samples to train on and {len(test)} for test, "
        f"split anew for each of {seeds} seeds. One decision stump: "
        f"{spread(ends[:, 0])} % right on test data; {n} of AdaBoost: "
        f"{spread(ends[:, 1])} %, a gain of {spread(ends[:, 1] - ends[:, 0])} points.",
        "",
        "![accuracy against the number of stumps](pictures/boosting.png)",
        "",
    ]


def hard(seeds: int, epochs: int = 15) -> list[str]:
    """Average nets on data where one net is often wrong."""
    parts, plain = data.load_emoji(), Recipe("")
    train, test = parts.train, parts.test
    sizes, singles, factors = [], [], []
    for seed in range(seeds):
        nets = []
        for i in range(MEMBERS):
            md.seed(100 * seed + i)
            net = cnn(plain, train.classes)
            optimizer = optim.Momentum(net.parameters(), lr=0.02)
            run = Trainer(net, optimizer, ops.cross_entropy, progress=False)
            run.fit(loader(train, 100 * seed + i), epochs=epochs)
            nets.append(net)
        singles.append(statistics.mean(score([net], test) for net in nets))
        sizes.append([score(nets[: i + 1], test) for i in range(MEMBERS)])
        factors.append(uncertain(lab.Ensemble(nets), test))
        print(f"Emoji-32, seed {seed}", flush=True)
    ends = np.array(sizes)[:, -1]
    gains = ends - singles
    errors = 1 - statistics.mean(singles)
    show.members({f"Emoji-32, {MEMBERS} nets": sizes}, path=PICTURES / "members.png")
    return [
        "## Emoji-32",
        "",
        f"{len(train)} images to train on, {len(test)} for test; `cnn` of "
        f"benchmarks/regularizers.py, momentum 0.9, rate 0.02, batches of {BATCH}, "
        f"{epochs} epochs, {seeds} seeds. One net: {spread(singles)} %; {MEMBERS} "
        f"nets, averaged: {spread(ends)} %, a gain of {spread(gains, '+')} points, "
        f"{100 * gains.mean() / errors:.0f} % of the errors. The tenth with most "
        f"disagreement has {number(factors)} times the errors of the others.",
        "",
        "![accuracy against the number of members](pictures/members.png)",
        "",
    ]


def decomposition() -> list[str]:
    """Part the error of polynomials, and of bagged ones."""
    grid = np.linspace(-1, 1, 20)

    def fit(degree: int) -> Any:
        return lambda x, y: np.polynomial.Polynomial.fit(x, y, degree)

    def bagged(x: Any, y: Any) -> Any:
        rng = md.backend.generator()
        bags = [data.bootstrap(np.arange(len(x)), rng=rng)[0].x for _ in range(10)]
        fits = [fit(3)(x[bag], y[bag]) for bag in bags]
        return lambda at: np.mean([f(at) for f in fits], axis=0)

    def one(x: Any, y: Any) -> Any:
        bag = data.bootstrap(np.arange(len(x)))[0].x
        return fit(3)(x[bag], y[bag])

    def run(fitter: Any) -> Any:
        return lab.bias_variance(
            fitter,
            lambda x: np.sin(np.pi * x),
            lambda rng: grid,
            grid,
            noise=0.2,
            n=400,
        )

    plain = {degree: run(fit(degree)) for degree in range(10)}
    show.bias_variance(plain, name="degree", path=PICTURES / "bias_variance.png")
    named = {f"degree {d}": plain[d] for d in (1, 3, 9)}
    named |= {"degree 3, one bag": run(one), "degree 3, mean of 10 bags": run(bagged)}
    lines = [
        "## Bias and variance",
        "",
        "Polynomials, fitted to 400 sets of 20 points of sin πx with noise of "
        "deviation 0.2. The error is measured on new noisy points, apart from the "
        "three terms.",
        "",
        "| | bias² | variance | noise | their sum | error, measured |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {r.bias2:.4f} | {r.variance:.4f} | {r.noise:.4f} | "
        f"{r.total:.4f} | {r.error:.4f} |"
        for name, r in named.items()
    ]
    return [*lines, "", "![three terms against degree](pictures/bias_variance.png)", ""]


SECTIONS: dict[str, Callable[[int], list[str]]] = {
    "Bias and variance": lambda seeds: decomposition(),
    "Boosted stumps": stumps,
    **{task.name: partial(table, task) for task in TASKS},
    "Emoji-32": hard,
}


def write(path: Path, found: dict[str, list[str]], seeds: int) -> None:
    """Put sections into the page; the others stay, and so does what is above them."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    head, *rest = old.split("\n## ")
    sections = {part.split("\n")[0]: f"## {part}" for part in rest}
    sections |= {name: "\n".join(lines) for name, lines in found.items()}
    head = head or (
        "# Several nets or one\n\nThe tables and pictures are written by "
        f"`python -m benchmarks.ensembles --seeds {seeds}`. "
        + " ".join(__doc__.split("\n\n")[1].split())
    )
    known = [sections[name].rstrip() for name in SECTIONS if name in sections]
    path.write_text("\n\n".join([head.rstrip(), *known]) + "\n", encoding="utf-8")


def main() -> None:
    """Make the sections, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    for name in options.sections:
        write(options.out, {name: SECTIONS[name](options.seeds)}, options.seeds)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
