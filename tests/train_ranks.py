"""A training run of one or several ranks: mpiexec -n 4 python -m tests.train_ranks MODE FOLDER.

Rank 0 writes all that came of it to FOLDER/result.npz. Modes: trainer, loop; resume
(stops half way, if nobody did yet); die, fail, hang: what ends badly, on rank 1.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import minidl as md
from minidl import nn, ops, optim, parallel
from minidl.data import DataLoader
from minidl.train import Callback, Checkpoint, CSVLog, GradientClip, Trainer

STEPS = 50


def points(n=82):
    """5 batches of 16 and one of 2: of 4 ranks, two have no row there."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, 2, 4, 4))
    y = (x.sum(axis=(1, 2, 3)) > 0).astype(np.int64)
    y[::11] = -100  # and some labels do not count
    return x, y


def net(drop=0.0):
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Dropout(drop, rng=1), nn.Linear(16, 2, rng=2),
    ).astype("float64")  # fmt: skip


def loader(data, shuffle=True):
    return DataLoader(data, 16, shuffle, seed=3, dtype=None)


def accuracy(scores, y):
    """Of all but the ignored; "train_accuracy" is of the newest of each rank."""
    return (scores.argmax(axis=1) == y)[y >= 0].mean()


class At(Callback):
    def __init__(self, step, do):
        self.step, self.do = step, do

    def on_step(self, trainer):
        if trainer.t == self.step:
            self.do()


def with_trainer(folder, world, callbacks=(), epochs=9, drop=0.0):
    """9 epochs of 6 batches; 50 steps are in the middle of the last."""
    model = net(drop)
    if world is not None:
        parallel.sync_batch_norm(model, world)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    trainer = Trainer(
        model, optimizer, ops.cross_entropy, [accuracy],
        [GradientClip(1.0), CSVLog(folder / "log.csv"), *callbacks],
        progress=False, parallel=world,
    )  # fmt: skip
    last = STEPS - (world is not None)  # ranks hear of it in the next step
    stop = At(last, lambda: trainer.stop("interrupted"))
    trainer.callbacks.append(stop)
    x, y = points(37)
    history = trainer.fit(loader(points()), loader((x, abs(y) % 2), False), epochs)
    result = {
        name: array for name, array in model.state_dict().items() if "key" not in name
    }
    result["losses"] = history.steps["loss"]
    result["labels"] = history.steps["labels"]
    for name in ("val_loss", "val_accuracy", "train_loss"):
        result[name] = history[name]
    return result


def by_hand(world):
    """The open loop, without batch norm."""
    rng = np.random.default_rng(0)
    w = nn.Parameter(rng.standard_normal((32, 2)))
    optimizer = optim.SGD([w], lr=0.1)
    batches = loader(points())
    for _ in range(3):
        for x, y in batches if world is None else world.share(batches):
            loss = ops.cross_entropy(x.flatten(1) @ w, abs(y.data) % 2)
            if world is None:
                loss.backward()
            else:
                (loss * len(y)).backward()
                world.average([w], len(y))
            optimizer.step()
            optimizer.zero_grad()
    return {"w": w.data}


def resumed(folder, world):
    """Ctrl-C on one rank alone, at step 20, the first time; a file every 7 steps."""
    save = Checkpoint(folder / "saved", resume=True, steps=7)
    calls = [save]
    last = 2 if world is None else world.size - 1
    if not (folder / "saved").exists() and os.environ.get("STOP"):
        press = lambda: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
        calls.append(At(19, press if world.rank == last else lambda: None))
    return with_trainer(folder, world, calls, drop=0.3)


def ending(mode):
    """What rank 1 does at step 5."""
    if mode == "die":
        return lambda: os.kill(os.getpid(), signal.SIGKILL)
    if mode == "hang":
        return lambda: time.sleep(100)

    def fail():
        raise ValueError("out of luck")

    return fail


def main(mode, folder):
    md.seed(0)
    folder = Path(folder)
    world = parallel.mpi()
    if mode == "trainer":
        result = with_trainer(folder, world)
    elif mode == "loop":
        result = by_hand(world)
    elif mode == "resume":
        result = resumed(folder, world)
    else:
        world.limit = float(os.environ["LIMIT"])
        # the launcher may drop what is said while it ends
        sys.stderr = open(folder / f"words{world.rank}", "w", buffering=1)  # noqa: SIM115
        calls = [At(5, ending(mode))] if world.rank == 1 else []
        result = with_trainer(folder, world, calls)
    if world.rank == 0:
        np.savez(folder / "result.npz", **result)


if __name__ == "__main__":
    main(*sys.argv[1:])
