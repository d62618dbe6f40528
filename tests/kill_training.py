"""Train a small CNN with everything that is random, die at some step, go on the next time.

    python -m tests.kill_training FOLDER WORKERS DEATH

DEATH is the step before whose end the process kills itself with SIGKILL; 0: it trains to
the end and prints a hash of all that it has. A checkpoint is written every third step,
so that steps are lost and done again, and an epoch has seven: most of them in its middle.
"""

import hashlib
import os
import random
import signal
import sys

import numpy as np

import minidl as md
from minidl.train.checkpoint import Checkpoints, Randomness
from minidl.train.packing import pack

STEPS = 31


class History:
    """The losses so far."""

    def __init__(self):
        self.losses = []

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


def made(workers):
    """Everything that a training run keeps."""
    md.seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    rng = np.random.default_rng(5)
    x = rng.standard_normal((54, 1, 8, 8)).astype(np.float32)
    y = rng.integers(0, 3, 54)
    nn, optim, data = md.nn, md.optim, md.data
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 3),
    )  # fmt: skip
    rate = optim.schedules.warmup(5, optim.schedules.cosine(0.05, STEPS))
    opt = optim.AdamW(net.named_parameters(), lr=rate, weight_decay=0.01)
    augment = data.Compose(
        [data.RandomFlip(), data.RandomShift(1), data.GaussianNoise(0.1)]
    )
    return {
        "model": net,
        "optimizer": opt,
        "loader": data.DataLoader(
            (x, y), 8, shuffle=True, transform=augment, workers=workers
        ),
        "ema": optim.EMA(net.parameters(), decay=0.9),
        "plateau": optim.ReduceOnPlateau(opt, patience=1),
        "history": History(),
        "random": Randomness(noise=rng),
    }


def train(folder, workers, death):
    parts = made(workers)
    saves = Checkpoints(folder)
    saves.resume(parts)
    net, opt, loader, history = (
        parts[name] for name in ("model", "optimizer", "loader", "history")
    )
    noise = parts["random"].generators["noise"]
    while opt.t < STEPS:
        for x, y in loader:
            x = x + 0.01 * noise.standard_normal(x.shape, np.float32)
            loss = md.ops.cross_entropy(net(x), y)
            loss.backward()
            if opt.t + 1 == death:
                os.kill(os.getpid(), signal.SIGKILL)
            opt.step()
            opt.zero_grad()
            parts["ema"].update()
            history.losses.append(loss.item())
            if loader.position == len(loader):
                parts["plateau"].step(loss)
            if opt.t % 3 == 0:
                saves.save(parts, loss.item())
            if opt.t == STEPS:
                break
    loader.close()
    arrays, text = pack({name: part.state_dict() for name, part in parts.items()})
    sha256 = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        sha256.update(np.ascontiguousarray(arrays[name]).tobytes())
    print(len(history.losses), sha256.hexdigest())


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
