"""A run of the playground: made of settings, written as a program, trained in slices.

The program that is shown is the one that runs: everything above its last lines is
executed as it stands, and `Run` then takes the steps that its Trainer would take, and
looks with the same figures and words as its Monitor.

N points, K classes; x (N, 2) in the plane
"""

from __future__ import annotations

import json
import math
import time
from itertools import pairwise

import numpy as np

from minidl import lab, ops
from minidl.engine.modes import no_grad
from minidl.engine.tensor import Tensor
from minidl.lab import alarms, probes
from minidl.lab.monitor import LayerFigures
from minidl.nn.module import evaluating

EVERY = 10  # steps between two that are watched, as the program's Monitor has it
BINS = 24  # of a histogram
LEAST = 1.3  # of the plane, on each side of 0
JUDGED, GROWN = 200, 2  # curves are judged after so many steps, and when so much longer
GRAVE = {"nan", "diverging", "lr_too_high", "bad_init", "overfitting"}

DATA = {
    "spirals": "md.data.spirals({n}, 2, noise={noise:g}, rng={seed})",
    "circles": "md.data.circles({n}, noise={noise:g}, rng={seed})",
    "xor": "md.data.xor({n}, noise={noise:g}, rng={seed})",
    "moons": "md.data.moons({n}, noise={noise:g}, rng={seed})",
    "blobs": "md.data.blobs({n}, std={noise:g}, centers="
    "[[0.0, 0.8], [-0.7, -0.4], [0.7, -0.4]], rng={seed})",
}
FEATURES = {
    "x": "x[:, 0]",
    "y": "x[:, 1]",
    "x2": "x[:, 0] ** 2",
    "y2": "x[:, 1] ** 2",
    "xy": "x[:, 0] * x[:, 1]",
    "sinx": "np.sin(np.pi * x[:, 0])",
    "siny": "np.sin(np.pi * x[:, 1])",
}
SCHEDULES = {
    "constant": "{lr:g}",
    "cosine": "optim.schedules.cosine({lr:g}, {horizon})",
    "step": "optim.schedules.step({lr:g}, every={third})",
    "warmup": "optim.schedules.warmup({tenth}, optim.schedules.cosine({lr:g}, {rest}))",
}


# --- the program


def program(settings: dict, steps: int) -> tuple[str, str]:
    """Return (what makes the run, what trains it for about so many steps)."""
    s = settings
    head = ["import numpy as np", "", "import minidl as md"]
    head += [
        "from minidl import lab, nn, ops, optim, train",
        "",
        f"md.seed({s['seed']})",
    ]
    parts = [head, _points(s), _inputs(s), _model(s), _training(s)]
    made = "\n".join("\n".join(part) for part in parts)
    epochs = f"max(1, round({steps} / len(batches)))"
    end = [
        f"monitor = lab.Monitor(every={EVERY}, warn=False)",
        "trainer = train.Trainer(",
        "    model, optimizer, ops.cross_entropy, metrics=train.accuracy,",
        "    callbacks=[monitor],",
        ")",
        f"history = trainer.fit(batches, validation, epochs={epochs})",
        'print(*monitor.warnings, *lab.diagnose_curves(history), sep="\\n")',
    ]
    return made, "\n".join(end)


def _points(s: dict) -> list[str]:
    if s["data"] == "own":
        rows = [f"[{x:.3f}, {y:.3f}]" for x, y, _ in s["points"]]
        lines = ["x = np.array([", *_wrapped(rows), "], dtype=np.float32)"]
        labels = [str(label) for *_, label in s["points"]]
        lines += ["y = np.array([", *_wrapped(labels), "], dtype=np.int64)"]
        lines.append("points = md.data.TensorDataset(x, y)")
    else:
        lines = ["points = " + DATA[s["data"]].format(**s)]
    lines.append(
        "learned, held = md.data.train_test_split("
        f"points.x, points.y, test_size={s['held']:g}, rng={s['seed']})"
    )
    return ["", *lines, ""]


def _wrapped(words: list[str]) -> list[str]:
    step = max(1, 76 // (len(words[0]) + 2))
    return [
        "    " + ", ".join(words[k : k + step]) + ","
        for k in range(0, len(words), step)
    ]


def _inputs(s: dict) -> list[str]:
    name = "features" if s["center"] else "inputs"
    body = [f"def {name}(x):", '    """What the net sees of points (N, 2)."""']
    if s["shift"]:
        body.append(f"    x = x + np.float32({s['shift']:g})  # not centered")
    if s["features"] == ["x", "y"]:
        body.append("    return x")
    else:
        columns = ", ".join(FEATURES[f] for f in s["features"])
        body += ["    return np.stack([", f"        {columns},", "    ], axis=1)"]
    if s["center"]:
        body += ["", "standard = md.data.standardize(features(learned.x))", ""]
        body += ["def inputs(x):", '    """The same, centered, of deviation 1."""']
        body.append("    return standard(features(x))")
    return [*body, ""]


def _model(s: dict) -> list[str]:
    sizes, init = [len(s["features"]), *s["layers"]], s["init"]
    lines, hidden = [], []
    for n_in, n_out in pairwise(sizes):
        hidden.append(len(lines))
        lines.append(f'nn.Linear({n_in}, {n_out}, init="{init}"),')
        if s["norm"]:
            lines.append(f"nn.BatchNorm1d({n_out}),")
        lines.append(f"nn.{s['activation']}(),")
        if s["dropout"]:
            lines.append(f"nn.Dropout({s['dropout']:g}),")
    lines.append(f'nn.Linear({sizes[-1]}, points.classes, init="{init}"),')
    made = ["model = nn.Sequential(", *("    " + line for line in lines), ")"]
    if s["bias"] and hidden:
        made.append(f"for i in {hidden}:")
        made.append(f"    nn.init.constant(model[i].bias, {s['bias']:g})")
    return made


def _training(s: dict) -> list[str]:
    horizon = s["horizon"]
    tenth = max(1, horizon // 10)
    words = {"third": max(1, horizon // 3), "tenth": tenth, "rest": horizon - tenth}
    rate = SCHEDULES[s["schedule"]].format(**s, **words)
    decay = f", weight_decay={s['decay']:g}" if s["decay"] else ""
    return [
        f"optimizer = optim.{s['optimizer']}(model.parameters(), lr={rate}{decay})",
        "batches = md.data.DataLoader(",
        f"    (inputs(learned.x), learned.y), {s['batch']}, shuffle=True, "
        f"seed={s['seed']}",
        ")",
        "validation = (inputs(held.x), held.y)",
        "",
    ]


# --- the run


class Run:
    """What the program makes, and how far it has been trained."""

    def __init__(self, settings: dict) -> None:
        self.settings = settings
        made, _ = program(settings, 1)
        self.scope: dict = {}
        exec(compile(made, "program.py", "exec"), self.scope)
        self.model, self.optimizer = self.scope["model"], self.scope["optimizer"]
        self.loader = self.scope["batches"]
        x = self.scope["points"].x
        self.reach = max(LEAST, 1.05 * float(abs(x).max()))  # [−reach, reach]² is shown
        self.batches = iter(self.loader)
        self.steps, self.epoch, self.broken = 0, 0, False
        self.curves: dict[str, list[float]] = {"loss": [], "step": []}
        self.epochs: dict[str, list[float]] = {}
        self.words: list[str] = []
        self.findings: list[str] = []
        self.judged = 0  # the step of the newest findings
        self.alarms = alarms.Alarms()
        self.modules = probes.leaves(self.model)
        self.layers = {
            name: LayerFigures(type(m).__name__) for name, m in self.modules.items()
        }

    # Training

    def train(self, milliseconds: float, most: int, least: int = 1) -> None:
        """Take steps until the time or the number is over; but `least` of them.

        On a busy machine pictures would else take more time than training.
        """
        end = time.perf_counter() + milliseconds / 1000
        with np.errstate(all="ignore"):
            for taken in range(1, most + 1):
                self.step()
                late = time.perf_counter() > end and taken >= least
                if self.broken or late:
                    break

    def step(self) -> None:
        """Take one step, as Trainer does; watch every tenth, as Monitor does."""
        try:
            x, y = next(self.batches)
        except StopIteration:
            self._end_epoch()
            self.batches = iter(self.loader)
            x, y = next(self.batches)
        watched = self.steps % EVERY == 0
        self.optimizer.zero_grad()
        loss = self._watched_loss(x, y) if watched else self._loss(x, y)
        value = float(loss.data)
        self.curves["loss"].append(value)
        self.curves["step"].append(self.steps)
        if not math.isfinite(value):
            self.broken = True
            return
        loss.backward()
        if watched:
            self._watched_update()
        else:
            self.optimizer.step()
        self.steps += 1

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        return ops.cross_entropy(self.model(x), y)

    def _watched_loss(self, x: Tensor, y: Tensor) -> Tensor:
        def hook(name: str):
            def note(layer, _, output):
                for figure, value in probes.activations(layer, output).items():
                    self.layers[name].note(figure, self.steps, float(value))

            return note

        handles = [
            m.register_forward_hook(hook(name)) for name, m in self.modules.items()
        ]
        try:
            return self._loss(x, y)
        finally:
            for handle in handles:
                handle.remove()

    def _watched_update(self) -> None:
        before = {}
        for name, module in self.modules.items():
            if not list(module.parameters()):
                continue
            size = probes.gradient(module)
            if size is not None:
                self.layers[name].note("gradient", self.steps, float(size))
                before[name] = [w.copy() for w in probes.weights(module)]
            self.alarms.arrived(name, size is not None)
        rate = float(self.optimizer.lr)
        self.optimizer.step()
        for name, weights in before.items():
            if weights:
                after = probes.weights(self.modules[name])
                ratio = float(probes.update_ratio(weights, after))
                if math.isfinite(ratio):
                    self.layers[name].note("update_ratio", self.steps, ratio)
        self.words += self.alarms.look(self.layers, self.modules, rate)
        self.words += self.alarms.loss(self.curves["loss"][-20:])

    def _end_epoch(self) -> None:
        self.epoch += 1
        losses = self.curves["loss"][-len(self.loader) :]
        row = {"epoch": self.epoch, "train_loss": sum(losses) / len(losses)}
        row["val_loss"], row["val_accuracy"] = self.judge(*self.scope["validation"])
        for name, value in row.items():
            self.epochs.setdefault(name, []).append(value)

    # Looking

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return the scores of inputs, as in evaluation.    (N, D) -> (N, K)"""
        with evaluating(self.model), no_grad(), np.errstate(all="ignore"):
            return self.model(Tensor(np.asarray(x, np.float32))).data

    def judge(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Return mean loss and accuracy."""
        scores = self.scores(x)
        with no_grad(), np.errstate(all="ignore"):
            loss = float(ops.cross_entropy(Tensor(scores), y).data)
        return loss, float((scores.argmax(axis=1) == y).mean())

    def plane(self, size: int) -> np.ndarray:
        """Return the probabilities of the classes over the plane that is shown.

        -> (K, size, size) uint8, the top row first
        """
        u = np.linspace(-self.reach, self.reach, size, dtype=np.float32)
        grid = np.stack(np.meshgrid(u, u[::-1]), axis=-1).reshape(-1, 2)
        scores = self.scores(self.scope["inputs"](grid))
        with np.errstate(all="ignore"):
            e = np.exp(scores - scores.max(axis=1, keepdims=True))
            p = np.nan_to_num(e / e.sum(axis=1, keepdims=True))
        return (255 * p).T.reshape(-1, size, size).astype(np.uint8)

    def progress(self) -> dict:
        """Return how far the run is, which costs nothing."""
        return {
            "steps": self.steps, "epoch": self.epoch, "broken": self.broken,
            "rate": float(self.optimizer.lr),
        }  # fmt: skip

    def look(self, last: bool = False) -> dict:
        """Return what the page shows beside the plane.

        last   training ends here, so the curves are judged, which takes a while
        """
        x, y = self.scope["batches"].dataset.arrays
        outputs: dict[str, np.ndarray] = {}
        handles = [
            m.register_forward_hook(
                lambda _, __, out, name=name: outputs.__setitem__(name, out.data)
            )
            for name, m in self.modules.items()
            if type(m).__name__ == self.settings["activation"]
        ]
        try:
            loss, accuracy = self.judge(x, y)
        finally:
            for handle in handles:
                handle.remove()
        held_loss, held_accuracy = self.judge(*self.scope["validation"])
        self._count_dead(outputs, len(x))
        due = JUDGED if last else max(JUDGED, GROWN * self.judged)
        if self.broken or self.steps >= due:
            self.findings, self.judged = self._findings(), self.steps
        return self.progress() | {
            "loss": loss, "accuracy": accuracy,
            "heldLoss": held_loss, "heldAccuracy": held_accuracy,
            "layers": list(self._layers(outputs)),
            "words": [*self.words, *self.findings],
        }  # fmt: skip

    def _count_dead(self, outputs: dict[str, np.ndarray], seen: int) -> None:
        """Say it of ReLUs, as Monitor does at the end of an epoch."""
        for name, y in outputs.items():
            if self.layers[name].kind == "ReLU":
                alive = probes.active(y)
                self.layers[name].note("dead", self.steps, float(1 - alive.mean()))
                if self.steps:
                    figures = self.layers[name]
                    self.words += self.alarms.dead(name, figures, alive, seen)

    def _layers(self, outputs: dict[str, np.ndarray]):
        for name, layer in self.layers.items():
            row = {"name": name, "kind": layer.kind}
            for figure in (
                "mean",
                "deviation",
                "saturation",
                "gradient",
                "update_ratio",
            ):
                value = getattr(layer, figure)
                row[figure] = value if math.isfinite(value) else None
            if name in outputs:
                y = outputs[name][np.isfinite(outputs[name]).all(axis=1)]
                counts, edges = (
                    np.histogram(y, BINS) if y.size else ([0] * BINS, [0, 0])
                )
                row["counts"] = [int(c) for c in counts]
                row["low"], row["high"] = float(edges[0]), float(edges[-1])
                active = (outputs[name] > 0).mean(axis=0)
                row["active"] = [round(float(a), 3) for a in active]
                row["units"] = len(row["active"])
            yield row

    def _findings(self) -> list[str]:
        """Return what the curves say, of what is grave (lab.diagnose_curves)."""
        if len(self.curves["loss"]) < 50 and not self.broken:
            return []
        curves = {**self.curves, **self.epochs}
        found = lab.diagnose_curves(curves)
        return [f"{f.text} {f.advice}" for f in found if f.name in GRAVE]

    def points(self) -> list[tuple[float, float, int, int]]:
        """Return (x, y, class, 1 if held out) of all points, in the plane."""
        rows = []
        for held, part in enumerate((self.scope["learned"], self.scope["held"])):
            rows += [
                (float(x), float(y), int(c), held)
                for (x, y), c in zip(part.x, part.y, strict=True)
            ]
        return rows


# --- what the worker asks, in JSON


def made(settings: str) -> Run:
    """Return a run of these settings."""
    return Run(json.loads(settings))


def points(run: Run) -> str:
    """Return its points, and how far the plane reaches on each side of 0."""
    return json.dumps({"points": run.points(), "reach": run.reach})


def text(settings: str, steps: int) -> str:
    """Return the program."""
    return "\n".join(program(json.loads(settings), steps)) + "\n"


def frame(
    run: Run, size: int, figures: bool = True, last: bool = False
) -> tuple[str, bytes]:
    """Return what is shown now: all figures or the step alone, and the plane."""
    shown = run.look(last) if figures else run.progress()
    look = {name: _finite(value) for name, value in shown.items()}
    return json.dumps(look, allow_nan=False), run.plane(size).tobytes()


def _finite(value):
    """Return None for a number that JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
