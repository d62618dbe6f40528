"""The checks of the eight stages: a student's module beside minidl, on drawn numbers.

Each function gets the module and raises Wrong at the first thing that does not fit. No
two dimensions of an input are equal, so that a transposed or a missing axis is seen.
`minidl course path` calls `ask` in a process of its own (course/path.py).
"""

from __future__ import annotations

import tempfile
import traceback
import types
from pathlib import Path

import numpy as np

import minidl as md
from minidl import ops

CHAIN = 20_000  # additions in stage 2; Python itself stops at about 1000 nested calls
ACCURACY = 0.92  # of 300 validation digits, after 10 epochs of stage 7
FILE = "__file__"


class Wrong(Exception):
    """What came, what would fit, and what to try, in one sentence."""


# Comparing


def same(what, came, fits, hint):
    """Raise Wrong unless an array has the shape and the numbers that fit."""
    try:
        numbers = np.asarray(came)
        came = numbers.astype(np.float64, casting="same_kind")  # None is no number
    except (TypeError, ValueError):
        raise Wrong(f"{what} is {came!r}, not an array of numbers; {hint}") from None
    fits = np.asarray(fits)
    if came.shape != fits.shape:
        raise Wrong(f"{what} has shape {came.shape}, not {fits.shape}; {hint}")
    off = ~np.isclose(came, fits, rtol=1e-4, atol=1e-6)
    if off.any():
        at = tuple(int(i) for i in np.argwhere(off)[0])
        place = f" at {list(at)}" if at else ""
        raise Wrong(f"{what} is {came[at]:.6g}, not {fits[at]:.6g}{place}; {hint}")


def compare(engine, what, f, shapes, hint, positive=False):
    """Compare f(engine, x, y, …) with f(ops, x, y, …): values, then all gradients."""
    rng = np.random.default_rng(sum(map(ord, what)))
    arrays = [rng.normal(size=shape) for shape in shapes]
    arrays = [abs(a) + 0.5 if positive else a for a in arrays]
    ours = [md.Tensor(a, requires_grad=True) for a in arrays]
    mine = [engine.Tensor(a.copy()) for a in arrays]
    y, z = f(ops, *ours), f(engine, *mine)
    if not isinstance(z, engine.Tensor):
        raise Wrong(f"{what} returns {type(z).__name__}, not a Tensor; {hint}")
    same(f"{what}: .data", z.data, y.data, hint)
    weights = rng.normal(size=y.shape)  # a gradient g that is not all ones
    (z * engine.Tensor(weights)).backward()
    expected = md.grad((y * md.Tensor(weights)).sum(), ours)
    for name, x, fits in zip("xyz", mine, expected, strict=False):
        same(f"{what}: .grad of {name}", x.grad, fits, hint)


# The stages


def stage_1(engine):
    """Values: Tensor, its data and grad, + and *."""
    hint = "keep a float64 array in .data, and zeros of its shape in .grad"
    numbers = np.random.default_rng(1).normal(size=(2, 3))
    a, b = engine.Tensor(numbers.copy()), engine.Tensor(numbers[::-1].copy())
    same("Tensor(x).data", a.data, numbers, hint)
    same("Tensor(x).grad", a.grad, np.zeros((2, 3)), hint)
    same("Tensor(2).data", engine.Tensor(2).data, 2.0, hint)
    for what, came, fits in [
        ("(a + b)", lambda: a + b, numbers + numbers[::-1]),
        ("(a * b)", lambda: a * b, numbers * numbers[::-1]),
        ("(a + 2)", lambda: a + 2, numbers + 2),
        ("(3 * a)", lambda: 3 * a, numbers * 3),
        ("(a * b + a)", lambda: a * b + a, numbers * numbers[::-1] + numbers),
    ]:
        hint = "make a new Tensor of both .data, and accept a number on either side"
        made = came()
        if not isinstance(made, engine.Tensor):
            raise Wrong(f"{what} is a {type(made).__name__}, not a Tensor; {hint}")
        same(f"{what}.data", made.data, fits, hint)
    same("a.data after all this", a.data, numbers, "never write into an input")


def diamond(e, x):
    """a = 2 x, b = a + a, c = b + b; then c c + a."""
    a = x * 2
    b = a + a
    c = b + b
    return c * c + a


def stage_2(engine):
    """Graph order: backward, every node once and after all that use it."""
    hint = "multiply ∂L/∂y by the other factor"
    compare(engine, "x * y", lambda e, x, y: x * y, [(2, 3), (2, 3)], hint)
    hint = "add up over all uses of x, and visit x after all of them"
    compare(engine, "x * y + x", lambda e, x, y: x * y + x, [(2, 3), (2, 3)], hint)
    hint = "send a node's gradient on only when all that use the node have added to it"
    compare(engine, "a diamond", diamond, [()], hint)
    x = engine.Tensor(3.0)
    y = x * x
    for _ in range(2):
        y.backward()
    hint = "add to .grad what is new, and nothing twice: not the .grad of a node itself"
    same("x.grad of x * x at 3 after two backward()", x.grad, 12.0, hint)
    x, hint = engine.Tensor(1.0), "order the graph with a loop and a list of your own"
    y = x
    try:
        for _ in range(CHAIN):
            y = y + x
        y.backward()
    except RecursionError:
        what = (
            f"a chain of {CHAIN} additions ends in a RecursionError, not in a gradient"
        )
        raise Wrong(f"{what}; {hint}") from None
    same("x.grad of a chain of additions", x.grad, CHAIN + 1.0, hint)


def stage_3(engine):
    """Broadcasting: sums over the axes that were stretched."""
    hint = "sum the gradient over each axis that was stretched or put in front"
    for left, right in [((4, 3), (3,)), ((4, 1), (4, 3)), ((2, 1, 5), (3, 1))]:
        what = f"x {left} * y {right}"
        compare(engine, what, lambda e, x, y: x * y + y, [left, right], hint)
    compare(engine, "x (2, 3) + y ()", lambda e, x, y: x + y, [(2, 3), ()], hint)


LABELS = np.array([2, 0, 3, 2, 1])
OPERATIONS = [
    ("-x", lambda e, x: -x, [(2, 3)], "multiply by −1"),
    ("x - y", lambda e, x, y: x - y, [(2, 3), (3,)], "∂L/∂y is −g"),
    ("1 - x", lambda e, x: 1 - x, [(2, 3)], "write __rsub__: the number is in front"),
    ("x / y", lambda e, x, y: x / y, [(2, 3), (3,)], "∂L/∂y is −g x / y²"),
    ("x @ y", lambda e, x, y: x @ y, [(2, 3), (3, 4)], "∂L/∂x = g yᵀ, ∂L/∂y = xᵀ g"),
    ("x.sum()", lambda e, x: x.sum(), [(2, 3)], "g goes to every element"),
    ("x.sum(0)", lambda e, x: x.sum(0), [(2, 3)], "give g its lost axis back"),
    ("x.sum(1)", lambda e, x: x.sum(1), [(2, 3)], "give g its lost axis back"),
    ("relu(x)", lambda e, x: e.relu(x), [(3, 4)], "g where x > 0, else 0"),
    ("exp(x)", lambda e, x: e.exp(x), [(2, 3)], "∂L/∂x is g times the output"),
    ("log(x)", lambda e, x: e.log(x), [(2, 3)], "∂L/∂x is g / x"),
    (
        "cross_entropy(x, labels)", lambda e, x: e.cross_entropy(x, LABELS), [(5, 4)],
        "∂L/∂x is g (softmax(x) − one-hot) / N, a mean over the rows",
    ),
]  # fmt: skip


def stage_4(engine):
    """Operations: arithmetic, products of matrices, sums, functions, a loss."""
    for what, f, shapes, hint in OPERATIONS:
        compare(engine, what, f, shapes, hint, positive="/" in what or "log" in what)
    large = engine.Tensor(np.array([[1000.0, 0.0]]))
    with np.errstate(all="ignore"):
        loss = engine.cross_entropy(large, np.array([1])).data
    hint = "subtract the largest score of each row before exp"
    same("cross_entropy of scores [1000, 0] and label 1", loss, 1000.0, hint)


def net(engine, *sizes):
    """Return a network of two Linear layers, made of the student's parts."""

    class Net(engine.Module):
        def __init__(self):
            super().__init__()
            self.first = engine.Linear(sizes[0], sizes[1], seed=1)
            self.second = engine.Linear(sizes[1], sizes[2], seed=2)

        def forward(self, x):
            return self.second(engine.relu(self.first(x)))

    return Net()


def stage_5(engine):
    """Modules: parameters by their names, Linear."""
    layer = engine.Linear(300, 200)
    hint = "draw w (n_in, n_out) with deviation √(2 / n_in), and set b (n_out,) to zero"
    same("Linear(300, 200).b", layer.b.data, np.zeros(200), hint)
    same("the shape of Linear(300, 200).w", np.shape(layer.w.data), (300, 200), hint)
    came, fits = float(np.std(layer.w.data)), np.sqrt(2 / 300)
    if not 0.95 < came / fits < 1.05:
        raise Wrong(f"w deviates by {came:.4f}, not {fits:.4f}; {hint}")
    again = [engine.Linear(3, 2, seed=seed).w.data for seed in (5, 5, 6)]
    hint = "draw from np.random.default_rng(seed)"
    same("w of Linear(3, 2, seed=5), made again,", again[1], again[0], hint)
    if np.array_equal(again[1], again[2]):
        raise Wrong(f"w is equal for seeds 5 and 6, not drawn from the seed; {hint}")
    model, hint = net(engine, 4, 3, 2), "go through vars(self): Tensors, then Modules"
    came, fits = model.parameters(), ["first.b", "first.w", "second.b", "second.w"]
    if not isinstance(came, dict) or sorted(came) != fits:
        what = sorted(came) if isinstance(came, dict) else type(came).__name__
        raise Wrong(f"parameters() is {what}, not a dict of {fits}; {hint}")
    if came["first.w"] is not model.first.w:
        raise Wrong(f'parameters()["first.w"] is a copy, not the Tensor itself; {hint}')
    x = np.random.default_rng(5).normal(size=(5, 4))
    model.first.b.data = np.array([0.1, -0.2, 0.3])
    y = model(engine.Tensor(x.copy()))
    y.backward()
    ours = {k: md.Tensor(np.array(p.data), requires_grad=True) for k, p in came.items()}
    hidden = ops.relu(md.Tensor(x) @ ours["first.w"] + ours["first.b"])
    z = hidden @ ours["second.w"] + ours["second.b"]
    hint = "Linear is x @ w + b, and model(x) calls model.forward(x)"
    same("the output of two layers", y.data, z.data, hint)
    for name, fits in zip(ours, md.grad(z.sum(), list(ours.values())), strict=True):
        same(f"the gradient of {name}", came[name].grad, fits, hint)


def stage_6(engine):
    """The optimizer: fifty steps with and without momentum."""
    rng = np.random.default_rng(6)
    curvature, start = rng.uniform(0.5, 3, size=(2, 3)), rng.normal(size=(2, 3))
    zeros = np.zeros((2, 3))
    for momentum in (0.0, 0.9):
        w, p = engine.Tensor(start.copy()), md.Tensor(start.copy(), requires_grad=True)
        mine = engine.SGD({"w": w}, lr=0.05, momentum=momentum)
        ours = md.optim.Momentum([p], lr=0.05, momentum=momentum)
        for i in range(50):
            mine.zero_grad()
            same("w.grad after zero_grad()", w.grad, zeros, "set it to zeros")
            (w * w * engine.Tensor(curvature)).backward()
            mine.step()
            ours.zero_grad()
            (p * p * md.Tensor(curvature)).sum().backward()
            ours.step()
            what = f"w after step {i + 1} (momentum {momentum})"
            same(what, w.data, p.data, "v <- μ v + g, then w <- w − lr v")


def stage_7(engine):
    """The training loop: what one epoch does, then digits."""
    _epochs(engine)
    train, validation, _ = md.data.load_digits()
    x, model = train.x.reshape(len(train.x), -1), net(engine, 64, 32, 10)
    optimizer = engine.SGD(model.parameters(), lr=0.1, momentum=0.9)
    engine.fit(model, x, train.y, optimizer, epochs=10, batch=50, seed=0)
    scores = model(engine.Tensor(validation.x.reshape(len(validation.x), -1)))
    came = float(np.mean(np.argmax(scores.data, axis=1) == validation.y))
    if came < ACCURACY:
        hint = "in each batch: zero_grad, loss, backward, step"
        what = f"accuracy on the digits is {came:.3f}, not {ACCURACY} or more"
        raise Wrong(f"{what}; {hint}")


class Watch:
    """Takes an optimizer's place: keeps every gradient, moves nothing."""

    def __init__(self, w):
        self.w, self.grads = w, []

    def zero_grad(self):
        """Clear it."""
        self.w.grad = np.zeros_like(self.w.data)

    def step(self):
        """Keep it."""
        self.grads.append(np.array(self.w.grad))


def _epochs(engine):
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(23, 4)), rng.integers(3, size=23)
    batches = []

    class Seen(engine.Linear):
        def forward(self, batch):
            batches.append(np.array(batch.data))
            return super().forward(batch)

    model = Seen(4, 3)
    watch = Watch(model.w)
    losses = engine.fit(model, x, y, watch, epochs=2, batch=5, seed=0)
    hint = "cut a permutation of all rows into batches, the last one may be smaller"
    sizes = [len(batch) for batch in batches]
    if sizes != [5, 5, 5, 5, 3] * 2:
        raise Wrong(f"the batches have {sizes} rows, not {[5, 5, 5, 5, 3] * 2}; {hint}")
    rows = [[np.abs(x - row).sum(1).argmin() for row in b] for b in batches]
    first, second = np.concatenate(rows[:5]).tolist(), np.concatenate(rows[5:]).tolist()
    if sorted(first) != list(range(23)):
        raise Wrong(f"{len(set(first))} of 23 rows are in an epoch, not all; {hint}")
    if first == second or first == list(range(23)):
        raise Wrong(f"an epoch has the order {first[:4]} …, not a new one; {hint}")
    if len(watch.grads) != len(batches):
        hint = "call step() once for every batch"
        came, fits = len(watch.grads), len(batches)
        raise Wrong(f"there were {came} steps, not {fits}; {hint}")
    b = md.Tensor(np.array(model.b.data))
    for chosen, came in zip(rows, watch.grads, strict=True):
        w = md.Tensor(np.array(model.w.data), requires_grad=True)
        loss = ops.cross_entropy(md.Tensor(x[chosen]) @ w + b, y[chosen])
        (fits,) = md.grad(loss, [w])
        hint = "zero_grad before backward, and labels of the same rows"
        same("the gradient at a step", came, fits, hint)
    whole = ops.cross_entropy(md.Tensor(x) @ w + b, y)
    hint = "weigh the loss of a batch by its rows, and divide by all rows"
    same("fit(…), with weights that stay,", losses, [float(whole.data)] * 2, hint)


def stage_8(engine):
    """The checkpoint: bit for bit, or refused."""
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder, "w.bin"), net(engine, 5, 4, 3)
        rng = np.random.default_rng(8)
        for p in model.parameters().values():
            p.data = rng.normal(size=p.data.shape) / 3
        engine.save(path, model)
        if not path.is_file():
            hint = "np.savez adds .npz to a name: give it an open file, or io.BytesIO"
            raise Wrong(f"save(path, model) wrote no file {path.name}; {hint}")
        other = net(engine, 5, 4, 3)
        engine.load(path, other)
        saved = _bits(model)
        if (different := _differs(_bits(other), saved)) is not None:
            hint = "write all digits, in binary, and fill every parameter"
            raise Wrong(f"{different} is not what was saved, to the bit; {hint}")
        content = path.read_bytes()
        damaged = [
            ("was cut", content[:-40]),
            ("has 100 more bytes", content + b"?" * 100),
        ]
        for at in range(0, len(content), max(1, len(content) // 60)):
            wrong = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            damaged.append((f"has another byte {at}", wrong))
        for what, wrong in damaged:
            path.write_bytes(wrong)
            hint = (
                "store a checksum of all bytes and compare it before anything is filled"
            )
            _refused(engine, path, other, saved, f"a file that {what}", hint)
        path.write_bytes(content)
        fewer = net(engine, 5, 4, 2)
        hint = "compare all names and shapes before anything is filled"
        what = "a file of another model"
        _refused(engine, path, fewer, _bits(fewer), what, hint)


def _bits(model):
    return {k: np.array(p.data).tobytes() for k, p in model.parameters().items()}


def _differs(came, fits):
    return next((name for name in fits if came.get(name) != fits[name]), None)


def _refused(engine, path, model, before, what, hint):
    try:
        engine.load(path, model)
    except Exception:
        if (name := _differs(_bits(model), before)) is not None:
            say = f"{what} is refused, but {name} was filled, not left as it was"
            raise Wrong(f"{say}; {hint}") from None
        return
    raise Wrong(f"{what} is loaded, not refused with a ValueError; {hint}")


STAGES = [stage_1, stage_2, stage_3, stage_4, stage_5, stage_6, stage_7, stage_8]


# Asked from another process


def ask(file, stage):
    """Return {"wrong": what is wrong with a stage of a file, "" if nothing is}."""
    return {"wrong": np.array(wrong(Path(str(file)), int(stage)))}


def wrong(path, stage):
    """Run a file and check a stage of it; return a sentence, "" if all is well."""
    try:
        STAGES[stage - 1](module(path))
    except Wrong as error:
        return str(error)
    except SyntaxError as error:
        return f"{path.name}, line {error.lineno}, is not Python yet: {error.msg}"
    except SystemExit:
        return f"{path.name} ends the program; remove exit() or sys.exit() from it"
    except BaseException as error:
        return _raised(path, stage, error)
    return ""


def module(path):
    """Run a student's file and return it as a module."""
    found = types.ModuleType(path.stem)
    found.__dict__[FILE] = str(path)
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    exec(code, found.__dict__)
    return found


def _raised(path, stage, error):
    engine = getattr(error, "obj", None)  # of an AttributeError: what has no such name
    if isinstance(engine, types.ModuleType) and engine.__dict__.get(FILE) == str(path):
        return f"{path.name} has no {error.name} yet; write it as stage {stage} says"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f" in line {lines[-1]}" if lines else ""
    what = f"{type(error).__name__}: {error}"
    return f"{path.name} raised {what}{where}; read stage {stage} of the handout again"
