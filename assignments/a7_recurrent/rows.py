"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N sequences, T times, D features,
H units, V words, and u = ∂L/∂y. A row that looks easy may hold a corner.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


def tokens(draw):
    """Tokens (N, T), some of which occur twice and three times; a table (V, D)."""
    n, t, v, d = draw.sizes(4, low=3, high=9)
    i = draw.integers(0, v, n, t)
    first, second = draw.permutation(v)[:2]
    i[0, 0] = i[0, 1] = i[-1, -1] = first
    i[1, 0] = i[1, 1] = second
    return {"i": i, "weight": draw.normal(v, d), "u": draw.away(n, t, d)}


def step(draw):
    """What x and h say, h itself, and the gradient of the new state."""
    n, h = draw.sizes(2, low=3)
    return {
        "z": 0.7 * draw.away(n, h), "u": 0.7 * draw.away(n, h),
        "h": draw.away(n, h), "g": draw.away(n, h),
    }  # fmt: skip


def weights(draw, d, h, gates):
    return {
        "wx": 0.5 * draw.away(d, gates * h), "wh": 0.5 * draw.away(h, gates * h),
        "b": draw.away(gates * h),
    }  # fmt: skip


def gru_step(draw):
    """One step of a GRU: z, u and h all have a part in the new state."""
    n, d, h = draw.sizes(3, low=2, high=6)
    return {
        "x": draw.away(n, d), "h": draw.away(n, h), **weights(draw, d, h, 3),
        "bh": draw.away(3 * h), "u": draw.away(n, h),
    }  # fmt: skip


def sequence(draw):
    """Sequences for a GRU, and a first state; gradients of all y and of the last."""
    n, t, d, h = draw.sizes(4, low=2, high=7)
    t = max(t, 3)
    return {
        "x": draw.away(n, t, d), "h": draw.away(n, h), **weights(draw, d, h, 3),
        "bh": draw.away(3 * h), "u": draw.away(n, t, h), "v": draw.away(n, h),
    }  # fmt: skip


def one_time(draw):
    inputs = sequence(draw)
    return {**inputs, "x": inputs["x"][:, :1], "u": inputs["u"][:, :1]}


def with_mask(inputs):
    """The same with a mask: padding at the end, at the beginning and in between."""

    def drawn(draw):
        found = inputs(draw)
        n, t = found["x"].shape[:2]
        mask = draw.uniform(n, t, low=0) < 0.7
        mask[0, 0], mask[0, 1], mask[0, -1] = True, False, True
        mask[1, 0], mask[1, -2], mask[1, -1] = False, True, False
        return {**found, "mask": mask}

    return drawn


def no_last(draw):
    """L does not look at the last state, but at y alone."""
    inputs = sequence(draw)
    return {**inputs, "v": 0 * inputs["v"]}


def only_last(draw):
    """L looks at the last state alone."""
    inputs = sequence(draw)
    return {**inputs, "u": 0 * inputs["u"]}


def lstm(draw):
    """z, u (N, 4H) and the states, with the gradients of the new ones."""
    n, h = draw.sizes(2, low=3)
    return {
        "z": draw.away(n, 4 * h), "u": draw.away(n, 4 * h), "h": draw.away(n, h),
        "c": 1.5 * draw.away(n, h), "dh": draw.away(n, h), "dc": draw.away(n, h),
    }  # fmt: skip


def straight(draw):
    """Nothing arrives at h: what is left is the straight path of c."""
    inputs = lstm(draw)
    return {**inputs, "dh": 0 * inputs["dh"]}


def saturated(draw):
    """Gates that are wide open or shut, where exp would overflow.

    The first unit keeps its cell, the second takes a new one.
    """
    inputs = lstm(draw)
    n = inputs["h"].shape[1]
    z = 1000 * inputs["z"]
    for unit, keeps in ((0, True), (1, False)):
        z[:, unit] = -1000 if keeps else 1000  # i
        z[:, n + unit] = 1000 if keeps else -1000  # f
    return {**inputs, "z": z, "u": 0 * inputs["u"]}


def long(draw):
    """Two gradients, each of which alone is shorter than both together."""
    n, d, h = draw.sizes(3)
    g, k = 3 * draw.away(n, d), 2 * draw.away(h)
    longer = np.sqrt((g**2).sum())
    return {"g": g, "k": k, "max_norm": number(draw, 1.0, 1.3) * longer / 2}


def short(draw):
    """Both together are shorter than allowed, though some numbers are above it."""
    inputs = long(draw)
    norm = np.sqrt((inputs["g"] ** 2).sum() + (inputs["k"] ** 2).sum())
    return {**inputs, "max_norm": number(draw, 1.1, 2.0) * norm}


def text(draw):
    """A text, all of whose tokens differ; the last chunk is shorter."""
    rows, length = draw.integer(2, 6), draw.integer(3, 6)
    times = length * draw.integer(2, 4) + draw.integer(1, length)
    return {
        "tokens": draw.permutation(rows * times + 1), "rows": rows, "length": length,
    }  # fmt: skip


def batches(draw):
    """Three batches in a row (B, N, D), and a weight."""
    n, d = draw.sizes(2, low=3)
    return {"xs": draw.away(3, n, d), "w": draw.away(d), "u": draw.away(n, d)}


def scores(draw):
    """Scores (N, T, V) and words (N, T), padded to lengths that differ."""
    n, t, v = draw.sizes(3, low=3, high=9)
    y = draw.integers(1, v, n, t)
    lengths = 1 + draw.integers(0, t - 1, n)
    lengths[0], lengths[1] = t, draw.integer(1, t)
    y[np.arange(t) >= lengths[:, None]] = 0
    return {"scores": 2 * draw.normal(n, t, v), "y": y, "ignored": 0}


def script(draw):
    """Words to say, by steps; rows say END at times that differ, all before the end."""
    n, t, length = draw.sizes(3, low=3, high=9)
    words = 2 * draw.integer(4, 7)
    steps = 1 + draw.integers(0, words - 2, n, length + 4)
    ends = draw.integers(1, length, n)
    ends[0], ends[1] = 0, length - 1
    steps[np.arange(n), ends] = -1
    return {
        "script": steps, "prompt": draw.integers(0, words - 1, n, t),
        "length": length + 3, "words": words,
    }  # fmt: skip


def with_end(draw):
    inputs = script(draw)
    return {**inputs, "end": inputs["words"] - 1}


def unequal(draw):
    """Scores of the next word, and a temperature that is not 1."""
    n, v = draw.sizes(2, low=3)
    temperature = draw.choice([number(draw, 0.3, 0.7), number(draw, 1.5, 3.0)])
    return {"scores": 2 * draw.normal(n, v), "temperature": temperature}


def huge(draw):
    """Rows far above and far below 0, whose scores differ as usual."""
    inputs = unequal(draw)
    far = np.where(np.arange(len(inputs["scores"])) % 2, -1e4, 1e4)
    return {**inputs, "scores": inputs["scores"] + far[:, None]}


# fmt: off
ROWS = [
    Row("a7.1", "kind", 1, "taken_dw", narrow(tokens),
        "y has one axis more than i; backward returns dw alone, shaped like the table",
        compare="kind"),
    Row("a7.1", "rows", 1, "taken", without(tokens, "u"),
        "an array may be indexed by an array of integers, of whatever shape"),
    Row("a7.1", "gradient", 2, "taken_dw", tokens,
        "a row that was taken twice was used twice: its gradients add up"),

    Row("a7.2", "kind", 1, "tanh_back", narrow(step),
        "back(dh) returns three things; dz and du are shaped like z", compare="kind"),
    Row("a7.2", "state", 2, "tanh_step", without(step, "g"),
        "h′ = tanh(z + u), an array, no tuple; h is in u already; change no input"),
    Row("a7.2", "way back", 3, "tanh_back", step,
        "back returns dz, du, 0.0; the slope of tanh, from its value, is 1 − tanh²"),

    Row("a7.3", "kind", 1, "gru_one_step", narrow(gru_step),
        "each gradient is shaped like what it is the gradient of", compare="kind"),
    Row("a7.3", "gradient of x", 1, "gru_one_step", gru_step,
        "z = x wx + b: what is the gradient of a product?", answers=("dx",)),
    Row("a7.3", "gradient of h", 2, "gru_one_step", gru_step,
        "h is in u = h wh, and it also passes beside u: add both",
        answers=("dh", "u")),
    Row("a7.3", "weights", 2, "gru_one_step", gru_step,
        "wx met x and got dz; wh met h and got du", answers=("dwx", "dwh")),
    Row("a7.3", "biases", 1, "gru_one_step", gru_step,
        "a bias is shared by the batch: its gradient is a sum", answers=("db", "dbh")),

    Row("a7.4", "kind", 1, "gru_over_time",
        narrow(without(sequence, "u", "v")),
        "write ys[t], before[t] and backs[t]; ys[t] is the new h, an array (N, H)",
        compare="kind"),
    Row("a7.4", "all times", 2, "gru_over_time", without(sequence, "u", "v"),
        "the state after step t is the one before step t + 1; y[t] is the one after t",
        answers=("y",)),
    Row("a7.4", "last state", 1, "gru_over_time", without(sequence, "u", "v"),
        "`state` is a tuple, and after the loop it holds the state after all steps",
        answers=("last", "h")),
    Row("a7.4", "where there is no token", 1, "gru_waits",
        with_mask(without(sequence, "u", "v")),
        "chosen(on[t], new, state) keeps the old state there; chosen(on[t], new) is 0"),

    Row("a7.5", "kind", 1, "gru_through_time", narrow(sequence),
        "each gradient is shaped like what it is the gradient of", compare="kind"),
    Row("a7.5", "one time", 2, "gru_through_time", one_time,
        "with one step alone it is a7.3; what arrives at h is dy + the last state's"),
    Row("a7.5", "inputs", 2, "gru_through_time", no_last,
        "what arrives at the state after step t comes from y[t] and from step t + 1",
        answers=("dx", "dh", "u", "v")),
    Row("a7.5", "weights", 2, "gru_through_time", no_last,
        "sum over all times; wh met h before the step: is before[t] of a7.4 an array?",
        answers=("dwx", "dwh", "db", "dbh")),
    Row("a7.5", "the last state", 2, "gru_through_time", only_last,
        "dstate holds the gradient of the state after all steps: begin with it"),

    Row("a7.6", "kind", 1, "lstm_step", narrow(without(lstm, "dh", "dc")),
        "both new states are shaped like the old ones", compare="kind"),
    Row("a7.6", "cell", 2, "lstm_step", without(lstm, "dh", "dc"),
        "the order is i, f, o, g; f keeps the old c, i lets the new g in",
        answers=("c_new", "c", "z")),
    Row("a7.6", "state", 2, "lstm_step", without(lstm, "dh", "dc"),
        "o shows a part of tanh(c′), which stands in `squashed`", answers=("h_new",)),
    Row("a7.6", "saturated gates", 2, "lstm_step", without(saturated, "dh", "dc"),
        "with f = 1 and i = 0 the cell keeps c; sigmoid does not overflow"),

    Row("a7.7", "kind", 1, "lstm_back", narrow(lstm),
        "dz has 4H columns, dc is shaped like c", compare="kind"),
    Row("a7.7", "straight path", 3, "lstm_back", straight,
        "c′ = f c + i g: what is ∂c′/∂c?", answers=("dc",)),
    Row("a7.7", "gates", 4, "lstm_back", lstm,
        "c′ gets a second gradient, through h′ = o tanh(c′); at the end σ′ and tanh′",
        answers=("dz", "du")),

    Row("a7.8", "kind", 1, "clipped", narrow(long),
        "gradients keep their shape and dtype; the norm is one number",
        compare="kind", answers=("g", "k")),
    Row("a7.8", "too long", 2, "clipped", long,
        "one factor for all: max_norm / norm of all gradients together",
        rtol=1e-5, atol=1e-6),
    Row("a7.8", "short enough", 1, "clipped", short,
        "the factor is never above 1", rtol=1e-5, atol=1e-6),

    Row("a7.9", "kind", 1, "streams", text,
        "x and y are whole numbers, with one row for each stream",
        compare="kind"),
    Row("a7.9", "streams", 2, "streams", text,
        "row n is the n-th part of the text, in order; y is the next token of each"),

    Row("a7.10", "kind", 1, "carried", narrow(without(batches, "u")),
        "scores are what the model returned", compare="kind"),
    Row("a7.10", "goes on", 1, "carried", without(batches, "u"),
        "begin with the last state; remember self._state and self._last in each call"),
    Row("a7.10", "gradient", 2, "carried_dw", batches,
        "the state of the batch before counts as a constant: nn.detach_state"),

    Row("a7.11", "kind", 1, "loss_over_time_dx", narrow(scores),
        "the gradient is shaped like the scores", compare="kind"),
    Row("a7.11", "padding", 2, "loss_over_time", scores,
        "divide by the number of words that are not padding, of all rows together"),

    Row("a7.12", "words", 2, "said", script,
        "next, read only the new word, `given` (N, 1), with the state from `read`"),
    Row("a7.12", "until END", 2, "said", with_end,
        "a row that has said END says it again; break last, after the column is added"),

    Row("a7.13", "kind", 1, "chances", narrow(unequal),
        "a row of probabilities for each row of scores", compare="kind"),
    Row("a7.13", "chances", 1, "chances", unequal,
        "divide the scores by the temperature, then softmax"),
    Row("a7.13", "large scores", 1, "chances", huge,
        "exp overflows: subtract the largest score of the row first"),
]
# fmt: on
