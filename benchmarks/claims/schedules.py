"""Claims about schedules and stopping: area 1a of docs/topics.cfg."""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise

import numpy as np

from benchmarks.claims.claim import Figures, Says, claim
from benchmarks.claims.training import (
    Rule,
    error,
    flat,
    history,
    images,
    judge,
    put,
    sgd,
    small,
    steps,
)
from minidl import ops, optim
from minidl.data import DataLoader
from minidl.lab import diagnose_curves
from minidl.optim import schedules
from minidl.train import Checkpoint, Checkpoints, Trainer, accuracy

mean = np.mean


@claim(
    topic="Step decay",
    says="The loss falls in a staircase where the rate drops.",
    agrees={
        "after / before the drop": Says(high=0.85),
        "constant rate": Says(low=0.85),
    },
)
def step_decay(seed: int) -> Figures:
    """784-30-10, momentum, batches of 20, the rate 0.1 divided by 5.

    Mean of 100 losses.
    """
    found = {}
    for name, gamma in (("after / before the drop", 0.2), ("constant rate", 1.0)):
        net, parts = images(3500, seed=seed)
        rate = schedules.multistep(0.1, [800], gamma)
        losses = steps(net, sgd(net.parameters(), rate), parts.train, 900, batch=20)
        found[name] = mean(losses[800:]) / mean(losses[700:800])
    return found


@claim(
    topic="Cosine decay",
    says="It passes half of the rate at half time and ends at 0.",
    agrees={
        "largest difference": Says(high=1e-06),
    },
    seeds=1,
    note=(
        "Lecture notes say that it costs more to compute: a step costs some hundred "
        "times as much."
    ),
)
def cosine_by_hand(seed: int) -> Figures:
    """Cosine(1, 4) at 0 to 4."""
    known = [1, 0.8535534, 0.5, 0.1464466, 0]
    rate = schedules.cosine(1, 4)
    calls = 10_000
    start = time.perf_counter()
    for t in range(calls):
        rate(t % 4)
    seconds = (time.perf_counter() - start) / calls
    gap = max(abs(rate(t) - x) for t, x in enumerate(known))
    return {"largest difference": gap, "µs a call": 1e6 * seconds}


@claim(
    topic="Cosine decay",
    says="Training longer makes it better.",
    agrees={
        "test loss, 900 / 300": Says(high=1),
        "2700 / 900": Says(high=1),
        "test error, 900 / 300": Says(high=1),
        "error, 2700 / 900": Says(high=1),
    },
)
def cosine_longer(seed: int) -> Figures:
    """784-30-10 on 3500 images, momentum, cosine from 0.05, 300, 900 and 2700 steps."""
    ends = []
    for n in (300, 900, 2700):
        net, parts = images(3500, seed=seed)
        rule = sgd(net.parameters(), schedules.cosine(0.05, n))
        steps(net, rule, parts.train, n, seed=seed)
        ends.append((judge(net, parts.test)["loss"], error(net, parts.test)))
    (loss, wrong), (loss3, wrong3), (loss9, wrong9) = ends
    return {
        "test loss, 900 / 300": loss3 / loss, "2700 / 900": loss9 / loss3,
        "test error, 900 / 300": wrong3 / wrong, "error, 2700 / 900": wrong9 / wrong3,
    }  # fmt: skip


def best_error(rule: Rule, rates: tuple[float, ...], decays: bool, seed: int) -> float:
    """Return the test error at the rate with the best validation loss."""
    n, ends = 400, []
    for lr in rates:
        net, parts = images(seed=seed)
        rate = schedules.cosine(lr, n) if decays else schedules.constant(lr)
        steps(net, rule(net.parameters(), lr=rate), parts.train, n, seed=seed)
        ends.append((judge(net, parts.validation)["loss"], error(net, parts.test)))
    return min(ends)[1]


MOMENTUM, ADAM = (0.01, 0.03, 0.1, 0.3), (0.001, 0.003, 0.01, 0.03)


@claim(
    topic="Constant rate",
    says="Momentum needs a schedule, Adam does well without.",
    agrees={
        "gain of momentum, points": Says(low=0),
        "gain of Adam": Says(zero=True),
        "momentum − Adam": Says(low=0),
    },
)
def constant_rate(seed: int) -> Figures:
    """Test error of a constant rate less that of a cosine, 784-30-10, 400 steps.

    Each at its best of 4 rates.
    """
    gains = [
        best_error(rule, rates, False, seed) - best_error(rule, rates, True, seed)
        for rule, rates in ((sgd, MOMENTUM), (optim.Adam, ADAM))
    ]
    return {
        "gain of momentum, points": gains[0], "gain of Adam": gains[1],
        "momentum − Adam": gains[0] - gains[1],
    }  # fmt: skip


@claim(
    topic="Linear decay",
    says="It is not known which is better, linear or cosine.",
    agrees={
        "linear − cosine, points": Says(zero=True),
    },
)
def linear_or_cosine(seed: int) -> Figures:
    """784-30-10, momentum, 400 steps, each at its best of 4 rates."""
    n, ends = 400, dict[str, float]()
    for name, decay in (("linear", schedules.linear), ("cosine", schedules.cosine)):
        tried = []
        for lr in MOMENTUM:
            net, parts = images(seed=seed)
            steps(net, sgd(net.parameters(), decay(lr, n)), parts.train, n, seed=seed)
            tried.append((judge(net, parts.validation)["loss"], error(net, parts.test)))
        ends[name] = min(tried)[1]
    return {"linear − cosine, points": ends["linear"] - ends["cosine"]}


@claim(
    topic="Inverse square root decay",
    says="Little time is spent at the high rate.",
    agrees={
        "bare, %": Says(high=1),
        "after a warm-up of 100 steps, %": Says(high=1),
    },
    seeds=1,
    note=(
        "True of the bare function; with the warm-up with which it is used, the rate "
        "stays above half of the peak for four times the warm-up."
    ),
)
def inverse_sqrt_is_short(seed: int) -> Figures:
    """Share of 900 steps above half of the peak."""

    def share(rate: schedules.Schedule) -> float:
        rates = np.array([rate(t) for t in range(900)])
        return 100 * float((rates > rates.max() / 2).mean())

    return {
        "bare, %": share(schedules.inverse_sqrt(1.0)),
        "cosine, %": share(schedules.cosine(1.0, 900)),
        "after a warm-up of 100 steps, %": share(schedules.inverse_sqrt(1.0, 100)),
    }


@claim(
    topic="Cosine with restarts",
    says="A rate that rises again escapes from local minima.",
    agrees={
        "highest loss on the line / at its ends": Says(low=1.1),
    },
    note="There is no barrier on the line: its highest loss is at one of its ends.",
)
def restarts(seed: int) -> Figures:
    """64-50-10 on digits, 3 cycles of 150 steps against one of 450.

    Training loss on the line between the nets before and after a restart.
    """
    net, parts = small(seed)
    rule = sgd(net.parameters(), schedules.cosine_restarts(0.1, 150))
    ends = []
    for _ in range(3):
        steps(net, rule, parts.train, 150, seed=seed)
        ends.append(flat(net))
    cycles = error(net, parts.test)
    barriers = []
    for a, b in pairwise(ends):
        line = []
        for t in np.linspace(0, 1, 11):
            put(net, (1 - t) * a + t * b)
            line.append(judge(net, parts.train)["loss"])
        barriers.append(max(line) / max(line[0], line[-1]))
    net, parts = small(seed)
    steps(net, sgd(net.parameters(), schedules.cosine(0.1, 450)), parts.train, 450,
          seed=seed)  # fmt: skip
    return {
        "highest loss on the line / at its ends": mean(barriers),
        "error with restarts − one cosine, points": cycles - error(net, parts.test),
    }


@claim(
    topic="Reduce on plateau",
    says="A rate that is reduced when nothing improves ends lower.",
    agrees={
        "with / without": Says(high=1),
    },
)
def plateau(seed: int) -> Figures:
    """784-30-10, momentum at 0.2, 20 epochs, validation loss."""
    ends = []
    for waits in (True, False):
        net, parts = images(seed=seed)
        rule = sgd(net.parameters(), 0.2)
        reduce = optim.ReduceOnPlateau(rule, factor=0.2, patience=2)
        for epoch in range(20):
            steps(net, rule, parts.train, 20, seed=100 * seed + epoch)
            loss = judge(net, parts.validation)["loss"]
            if waits:
                reduce.step(loss)
        ends.append(loss)
    return {"with / without": ends[0] / ends[1]}


@claim(
    topic="Warm-up",
    says="A rate that rises at first keeps a large rate from exploding.",
    agrees={
        "loss without / with": Says(low=1.3),
    },
)
def warm_up(seed: int) -> Figures:
    """64-8×50-10 on digits, Adam at 0.03, 300 steps, 100 of them warm-up."""
    ends = []
    for n in (0, 100):
        net, parts = small(seed, *[50] * 8)
        rate = schedules.constant(0.03)
        rule = optim.Adam(net.parameters(), lr=schedules.warmup(n, rate) if n else rate)
        losses = steps(net, rule, parts.train, 300, seed=seed)
        ends.append(mean(losses[-50:]))
    return {"loss without / with": ends[0] / ends[1]}


FOUR = {
    "low": (0.0005, {"lr_too_low", "train_longer", "underfitting"}),
    "good": (0.05, {"healthy", "overfitting", "train_longer"}),
    "high": (0.5, {"lr_too_high"}),
    "very high": (5.0, {"diverging", "nan", "lr_too_high"}),
}


@claim(
    topic="Four readings of the learning rate",
    says=(
        "Very high: it explodes; low: it falls slowly; high: it stays too high; good: "
        "in between."
    ),
    agrees={
        "“low” is read so": Says(low=0.9),
        "“good” is read so": Says(low=0.9),
        "“high” is read so": Says(low=0.9),
        "“very high” is read so": Says(low=0.9),
        "loss at high / at good": Says(low=1.5),
    },
    note=(
        "At 0.5 the loss stays high; two of five such curves are read so, the others "
        "as under-fitting, over-fitting or healthy: a curve alone does not tell that "
        "another rate would do better."
    ),
)
def four_rates(seed: int) -> Figures:
    """784-100-10, momentum at 5, 0.0005, 0.5, 0.05, 10 epochs.

    Share of runs in which `lab.diagnose_curves` says so first.
    """
    found, ends = {}, {}
    for name, (lr, names) in FOUR.items():
        net, parts = images(hidden=100, seed=seed)
        curves = history(net, sgd(net.parameters(), lr), parts, 10, seed=seed)
        said = [one.name for one in diagnose_curves(curves)[:2]]
        found[f"“{name}” is read so"] = float(bool(names & {*said}))
        ends[name] = curves["train_loss"][-1]
    found["loss at high / at good"] = ends["high"] / ends["good"]
    return found


@claim(
    topic="A loss that rises, falls and rises",
    says="It happens by corrupt data or by the dynamics of the task.",
    agrees={
        "rise, wrong labels": Says(low=1.5),
        "rise, not cleared": Says(low=1.5),
        "rise, cyclic rate": Says(low=1.5),
        "rise, none of them": Says(high=1.5),
    },
    note=(
        "The curves look alike. What tells them apart is not in them: the labels of "
        "the batch, p.grad before backward, and the rate."
    ),
)
def up_and_down(seed: int) -> Figures:
    """Digits, SGD.

    100 steps with wrong labels, or without zero_grad, or a cyclic rate; highest running
    mean of 10 losses / lowest one before.
    """
    found = {}
    for name in ("wrong labels", "not cleared", "cyclic rate", "none of them"):
        net, parts = small(seed)
        lr = schedules.cyclic(0.01, 2.0, 75) if name == "cyclic rate" else 0.2
        rule = optim.SGD(net.parameters(), lr=lr)
        losses = steps(net, rule, parts.train, 200, seed=seed)
        if name == "not cleared":
            rule.zero_grad = lambda: None  # type: ignore[method-assign]
        y = parts.train.y
        wrong = type(parts.train)(parts.train.x, (y + 1) % 10)
        odd = wrong if name == "wrong labels" else parts.train
        losses += steps(net, rule, odd, 100, seed=seed)
        vars(rule).pop("zero_grad", None)
        losses += steps(net, rule, parts.train, 200, seed=seed)
        calm = np.convolve(losses, np.ones(10) / 10, mode="valid")
        low = calm[:200].min()
        found[f"rise, {name}"] = calm[calm[:200].argmin() :].max() / low
    return found


@claim(
    topic="A snapshot of every epoch",
    says="Keep the snapshot that did best on the validation set.",
    agrees={
        "restored − best of the history": Says(-1e-06, 1e-06),
    },
    note=(
        "Not at every iteration, as lecture notes have it: that costs more than "
        "training."
    ),
)
def best_snapshot(seed: int) -> Figures:
    """784-30-10, momentum at 0.3, 10 epochs."""
    net, parts = images(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        keep = Checkpoint(folder, monitor="val_accuracy", keep=1)
        run = Trainer(net, sgd(net.parameters(), 0.3), ops.cross_entropy, [accuracy],
                      [keep], progress=False)  # fmt: skip
        batches = DataLoader(parts.train, 50, shuffle=True, seed=seed)
        start = time.perf_counter()
        curves = run.fit(batches, parts.validation, 10)["val_accuracy"]
        step = (time.perf_counter() - start) / (10 * len(batches))
        start = time.perf_counter()
        Checkpoints(folder + "/one").save({"model": net, "optimizer": run.optimizer})
        snapshot = time.perf_counter() - start
        Checkpoints(folder, mode="max").load_best({"model": net}, strict=False)
    back = judge(net, parts.validation)["accuracy"]
    return {"restored − best of the history": back - max(curves),
            "a snapshot / a step, time": snapshot / step}  # fmt: skip
