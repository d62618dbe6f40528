# %% [markdown]
# # 22 · The same code on a GPU: what changes when one word changes?
#
# `md.use("cuda")`, and a network trains on a GPU: no other line changes. This story is
# about what that word changes, and what it does not: the numbers (nearly), the time at
# which they are computed (later than you think), and what may not be said in the middle
# of a step.
#
# It runs without a GPU; if there is one, two cells use it. **What is not measured
# here is time.** No figure below is a speed, and none was measured on a real GPU: this
# project has not had one yet. Counts come from a device of make-believe that we write
# in section 4, and from a mock of CUDA's driver, on which minidl is tested.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import backend, nn, optim, show

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. Which lines of a network name a device?
#
# A function that takes its library from its argument works on each device:
# `backend.namespace(x)` is `numpy` for an array of NumPy, `cupy` for one of CuPy, and
# `minidl.ops` for a Tensor.
#
# **Predict.** Three inputs, a function of one line. What are the types of the results?
# And what does `md.use("cuda")` say where there is no GPU?


# %%
def softplus(x):
    return backend.namespace(x).log(1 + backend.namespace(x).exp(x))


array = rng.normal(size=5).astype("float32")
home = "cuda" if "cuda" in backend.available() else "cpu"
kinds = [type(softplus(x)).__name__ for x in (array, md.Tensor(array))]
try:
    md.use("cuda")
    md.use("cpu")
except md.errors.DeviceError as error:
    print(str(error).partition(":")[0])
    assert home == "cpu" and "cuda" in str(error).lower()
assert kinds == ["ndarray", "Tensor"]

# %% [markdown]
# An array and a Tensor. No line of the function names a device, and so it is with all
# of `minidl/ops`: the array brings its library along. Where CuPy or a GPU is missing, a
# DeviceError says which, and what to install.
#
# ## 2. Are the numbers the same?
#
# 50 steps of Adam on a network 64-32-10, twice: on the CPU, and on the GPU if there is
# one. Else the second run is in float64, which rounds differently, too.
#
# **Predict.** How far apart are the losses at the first step, and at the last?

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images, labels = scale(digits.train.x.reshape(-1, 64)), digits.train.y


def network():
    start = np.random.default_rng(SEED)
    first, last = nn.Linear(64, 32, rng=start), nn.Linear(32, 10, rng=start)
    return nn.Sequential(first, nn.ReLU(), last)


# %%
def losses(device, dtype, steps=50):
    net, curve = network().astype(dtype).to(device), []
    x, y = (backend.to_device(part, device) for part in (images.astype(dtype), labels))
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    for t in range(steps):
        rows = slice(20 * t, 20 * t + 20)
        loss = F.cross_entropy(net(md.Tensor(x[rows])), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.detach())
    return np.array([float(loss) for loss in curve])


# %%
here = losses("cpu", "float32")
there = losses("cuda", "float32") if home == "cuda" else losses("cpu", "float64")
apart = abs(there / here - 1)
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.plot(here, label="CPU, float32")
ax.plot(there, ":", label="CUDA" if home == "cuda" else "CPU, float64", linewidth=4)
ax.legend()
ax.set(xlabel="step", ylabel="loss")
print(f"step 1: {apart[0]:.0e}; the largest of 50: {apart.max():.0e}")
assert apart[0] < 1e-5 and apart.max() < 1e-4

# %% [markdown]
# Less than a ten-thousandth over all 50 steps, and not zero. (Tests compare NumPy and
# the mock GPU in this way, to 1e-4.)
#
# ## 3. Why not to the last bit?
#
# A GPU adds up with thousands of threads, each some of the terms; a CPU adds up in
# another order.
#
# **Predict.** Up to a million numbers in float32, added up one after the other, in 100
# blocks, and in pairs of pairs: to how many digits do the three sums agree?

# %%
ways = {
    "in a row": lambda x: np.cumsum(x)[-1],
    "blocks": lambda x: np.cumsum(np.cumsum(x.reshape(100, -1), axis=1)[:, -1])[-1],
    "pairs": np.sum,  # NumPy adds in this way, nearly
}
counts, wrong = 10 ** np.arange(2, 7), {how: [] for how in ways}
for n in counts:
    draws = rng.uniform(size=(5, n)).astype("float32")
    exact = draws.astype("float64").sum(axis=1)
    for how, add in ways.items():
        sums = np.array([add(x) for x in draws], "float64")
        wrong[how].append(abs(sums / exact - 1).mean())
# %%
fig, ax = plt.subplots(figsize=(6, 2.6))
for (how, errors), mark in zip(wrong.items(), ("o-", "s--", "^:"), strict=True):
    ax.loglog(counts, errors, mark, label=how)
ax.set(xlabel="terms", ylabel="relative error")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
last = {how: errors[-1] for how, errors in wrong.items()}

assert last["in a row"] > 3 * last["blocks"] and last["in a row"] > 10 * last["pairs"]
assert 1e-6 < last["in a row"] < 1e-3 and last["pairs"] < 1e-6

# %% [markdown]
# For a million terms to five or six. Each addition rounds, so that in general
# $(a + b) + c \ne a + (b + c)$: the order is part of the result. Who adds in many
# threads is even *more* exact, for each adds fewer terms. "Equal" on two devices can
# only mean "nearly equal", and a test that asks for equal bits is a wrong test.
#
# ## 4. When is it computed?
#
# Python does not compute on a GPU. It puts *launches* into a queue (a *stream*) and
# goes on; the GPU works them off, some microseconds later. Here is a device that does
# so, in twelve lines. It computes only when somebody waits for a result.


# %%
class Stream:
    queue, launches, waits = [], 0, 0


class Far:
    """An array on the device of make-believe; `numbers` are None until it is run."""

    def __init__(self, numbers=None):
        self.numbers = numbers


def launch(f, *xs):
    y, Stream.launches = Far(), Stream.launches + 1
    Stream.queue.append((f, xs, y))
    return y


# %%
def run(queue):
    for f, xs, y in queue:
        y.numbers = f(*(x.numbers if isinstance(x, Far) else x for x in xs))


def wait(x):
    """Copy an array to the host, as `float(x)`, `x.get()`, `print(x)` and `if x` do."""
    Stream.waits += 1
    run(Stream.queue)
    Stream.queue.clear()
    return x.numbers


for f in (np.add, np.subtract, np.multiply, np.matmul):
    sign = {np.subtract: "sub", np.multiply: "mul"}.get(f, f.__name__)
    setattr(Far, f"__{sign}__", lambda a, b, f=f: launch(f, a, b))

# %% [markdown]
# **Predict.** 100 times `x = x * 2 - x`. How many launches, and how much has been
# computed by then?

# %%
x = Far(np.ones(3))
for _ in range(100):
    x = x * 2 - x
before = x.numbers
print(f"{Stream.launches} launches, computed: {before}; after wait: {wait(x)}")

assert Stream.launches == 200 and before is None and (x.numbers == 1).all()

# %% [markdown]
# 200 launches and not one number. Whoever takes the time here with a stopwatch takes
# the time of *launching*: on a GPU one has to wait (`cupy.cuda.Device().synchronize()`)
# before the clock is read.
#
# ## 5. Which word makes everybody wait?
#
# Least squares by gradient descent, 50 steps, on our device. One student writes
# `float(loss)` into every step, to keep a curve; another keeps the arrays, and asks at
# the end.
#
# **Predict.** How often does the processor wait for the device in each case?

# %%
a, b = rng.normal(size=(20, 3)), rng.normal(size=20)


def descend(ask, steps=50):
    Stream.waits, w, curve = 0, Far(np.zeros(3)), []
    for t in range(steps):
        r = launch(np.matmul, a, w) - b
        curve.append(launch(np.mean, r * r))
        if ask or t == steps - 1:
            wait(curve[-1])
        w = w - launch(np.matmul, a.T, r) * 0.02
    return Stream.waits, [float(loss.numbers) for loss in curve]


# %%
(each, curve), (once, later) = descend(True), descend(False)
print(f"asked in every step: {each} waits; asked at the end: {once}")

assert (each, once) == (50, 1) and curve == later

# %% [markdown]
# 50 and 1, for the same curve. A wait costs more than its copy of four bytes: the queue
# is empty afterwards, and the device idle until the next launch arrives. `float(loss)`,
# `loss.item()`, `print(loss)`, `if loss > 5`, and every NumPy function that is given an
# array of the device do it. minidl's own training step copies nothing and waits for
# nothing, beyond its batch: `tests/test_device_training.py` counts 0 copies and 0 waits
# on a mock of the driver, for a step of an MLP and for one of a CNN, with Adam.
#
# ## 6. Is a small layer bound by launches?
#
# A launch costs some microseconds of Python and driver, whatever it does. A step of an
# MLP of three layers with Adam makes 19 launches at most (counted on the mock). The
# products grow with the width squared.
#
# **Predict.** Suppose (these two are *assumptions*, not measurements) 5 µs a launch,
# and $10^{13}$ multiply-adds a second. From which width on do the products of a batch
# of 128 take longer than the launches?

# %%
LAUNCHES, EACH, RATE = 19, 5e-6, 1e13
widths, work = 2 ** np.arange(4, 14), []
for width in widths[:7]:
    net = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width),
                        nn.ReLU(), nn.Linear(width, 10))  # fmt: skip
    work.append(net.summary(np.zeros((128, 784), "float32")).multiply_adds)
counted = 128.0 * (784 * widths + widths**2 + 10 * widths)
assert (counted[:7] == work).all()
# %%
products = 3 * counted / RATE  # forward, and twice as much backward
fig, ax = plt.subplots(figsize=(6, 2.8))
ax.loglog(widths, 1e6 * products, "o-", label="products")
ax.loglog(widths, [1e6 * LAUNCHES * EACH] * 10, "s--", label="19 launches")
ax.loglog(widths, [1e6 * EACH] * 10, ":", label="one launch")
ax.set(xlabel="width", ylabel="µs a step (reckoned)")
ax.legend()
cross = widths[np.argmax(products > LAUNCHES * EACH)]
assert 512 < cross <= 2048 and widths[np.argmax(products > EACH)] <= 256

# %% [markdown]
# Under these assumptions between 1024 and 2048. Below it a GPU mostly waits for Python,
# and a network half as wide is no faster. Other devices have other numbers; that there
# *is* such a width follows from one line being level and the other not.
# (`python -m benchmarks.gpu` will measure it, and says beside each row what we have
# predicted.)
#
# ## 7. What does a captured graph do?
#
# The dotted line is what is left if all launches of a step are made once, kept as a
# *graph*, and then launched together. `@md.compile` does this on a GPU. On our device a
# graph is simply a queue that we do not throw away. Its inputs have a fixed place; for
# a new batch one writes into that place.
#
# **Predict.** The step is captured at rate 0.02, and replayed on a new batch when the
# schedule says 0.01. Which rate is used?


# %%
Stream.queue.clear()
place, w, rate = Far(b), Far(np.zeros(3)), 0.02
r = launch(np.matmul, a, w) - place
stepped = w - launch(np.matmul, a.T, r) * rate
graph = list(Stream.queue)
run(graph)
place.numbers, rate = rng.normal(size=20), 0.01  # a new batch, a new rate
run(graph)
g = a.T @ (0 - place.numbers)
print(f"{len(graph)} launches in the graph; with the new rate:", end=" ")
print(np.allclose(stepped.numbers, -0.01 * g))
assert len(graph) == 5 and np.allclose(stepped.numbers, -0.02 * g)

# %% [markdown]
# 0.02: the graph holds the number that stood there at the capture, and no Python runs
# in a replay. The new batch was seen, since it was written into the old place.
# `md.compile` therefore keeps learning rates, schedules and counts of steps on the
# device, and follows them. All else that is Python, a `print`, an `if`, a counter of
# one's own, is as it was at the capture. (`tests/test_device_compile.py` counts, on the
# mock driver, at most 3 launches for a step beside its graph: the batch and the rate.)
#
# **Predict.** And on a CPU: what does `md.compile` change?

# %%
calls = []


@md.compile
def step(x):
    calls.append(1)  # Python beside the arrays
    return (md.Tensor(x) * 2).sum()


doubled = [float(step(np.full(3, t, "float32"))) for t in range(5)]
assert doubled == [0, 6, 12, 18, 24] and len(calls) == 5

# %% [markdown]
# Nothing: it is the function itself, and Python runs at each call. (On a GPU `calls`
# would stay shorter: that is the first thing to look for when a captured step
# surprises.)
#
# ## 8. What do fewer bits cost?
#
# GPUs since 2020 multiply several times faster with fewer digits. *TF32* rounds the
# inputs of a product from 23 bits after the point to 10, and adds in float32. *float16*
# has 10 bits, too, and a small range.
#
# **Predict.** The error of a product of two matrices with 10 bits: per cent, per mille,
# or millionths? And what becomes of a gradient of $10^{-8}$ in float16?


# %%
def ten_bits(x):
    """Round float32 to 10 bits after the point."""
    bits = x.astype("float32").view("int32")
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view("float32")


# %%
p, q = rng.normal(size=(2, 256, 256)).astype("float32")
exact = p.astype("float64") @ q
error = {"float32": p @ q, "10 bits": ten_bits(p) @ ten_bits(q)}
error = {k: np.linalg.norm(y - exact) / np.linalg.norm(exact) for k, y in error.items()}
small = np.float32(1e-8)
scaled = np.float32(np.float16(small * 2**16)) / 2**16
print({k: f"{e:.0e}" for k, e in error.items()}, np.float16(small), f"{scaled:.2e}")
assert 1e-4 < error["10 bits"] < 1e-3 and error["float32"] < 1e-6
assert np.float16(small) == 0 and abs(scaled / small - 1) < 1e-3

# %% [markdown]
# Less than a thousandth: a batch of 50 images is noisier than that. But $10^{-8}$ is
# below the smallest number of float16, and becomes 0. So the loss is multiplied by a
# large factor, the gradients come out large, and are divided in float32 again:
# `optim.GradScaler`. `md.use("cuda", tf32=True)` and `nn.MixedPrecision` switch these
# ways on.
#
# ## Exercise: the hidden wait
#
# This step leaves weights as they are if a gradient is not finite, and waits for it:
#
# ```python
# def step(w, g, rate):
#     if np.isfinite(wait(g)).all():
#         return w - g * rate
#     return w
# ```
#
# Write `answer(w, g, rate)` that returns the same, without a wait. All three are `Far`
# or numbers; `launch(f, …)` launches any function of NumPy.

# %%
answer = None  # a function of w, g and the rate, in place of None


def check(answer):
    for g in ([1.0, -2.0], [np.nan, 1.0], [1.0, np.inf]):
        Stream.waits, w = 0, Far(np.array([5.0, 6.0]))
        new = answer(w, Far(np.array(g)) * 1.0, 0.5)
        assert Stream.waits == 0, "it waits"
        want = w.numbers - 0.5 * np.array(g) if np.isfinite(g).all() else w.numbers
        assert np.array_equal(wait(new), want), f"g = {g}"
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# `where` decides on the device; both answers are computed, and one is thrown away.
#
# ```python
# def answer(w, g, rate):
#     fine = launch(np.all, launch(np.isfinite, g))
#     return launch(np.where, fine, w - g * rate, w)
# ```
# </details>
#
# **And without a check:** where does your own training loop wait, and how often must
# it?
#
# ## References
#
# - R. Okuta et al., *CuPy: a NumPy-compatible library for NVIDIA GPU calculations*,
#   LearningSys at NIPS 2017.
# - N. Higham, *The accuracy of floating point summation*, SIAM Journal on Scientific
#   Computing 14 (1993): orders of adding up.
# - P. Micikevicius et al., *Mixed precision training*, ICLR 2018: float16, and why the
#   loss is scaled.
# - NVIDIA, *CUDA C++ programming guide*: streams, and graphs.
# - Lectures: EECS 498, *Hardware and software*; CS231n, *Hardware and software*.
# - In the source: `minidl/backend.py`, `minidl/capture/`, `minidl/kernels/cuda/`,
#   `tests/drycuda/` (the mock driver), `tests/test_device_training.py` (the counts).
