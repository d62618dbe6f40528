"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without, number = public.without, public.number


def padded(draw):
    """Some tokens are padding, the row `padding`, which may be counted from the end."""
    inputs = public.tokens(draw)
    rows = len(inputs["weight"])
    padding = int(inputs["i"][0, 0])
    return {**inputs, "padding": draw.choice([padding, padding - rows])}


def tokens_of_one(draw):
    """Tokens (T,), one of them twice, and padding at the end."""
    inputs = padded(draw)
    i, u = inputs["i"], inputs["u"]
    i, u = np.append(i[1], i[0, 0]), np.concatenate([u[1], u[0, :1]])
    return {**inputs, "i": i, "u": u}


def lstm_cell(draw):
    n, d, h = draw.sizes(3, low=2, high=6)
    return {
        "x": draw.away(n, d), "h": draw.away(n, h), "c": draw.away(n, h),
        **public.weights(draw, d, h, 4), "u": draw.away(n, h), "v": draw.away(n, h),
    }  # fmt: skip


def lstm_sequence(draw):
    n, t, d, h = draw.sizes(4, low=2, high=7)
    t = max(t, 3)
    return {
        "x": draw.away(n, t, d), "h": draw.away(n, h), "c": draw.away(n, h),
        **public.weights(draw, d, h, 4), "u": draw.away(n, t, h),
        "v": draw.away(n, h), "w": draw.away(n, h),
    }  # fmt: skip


def backwards(inputs):
    """The same from the last time to the first."""
    return lambda draw: {**inputs(draw), "reverse": True}


def too_long(draw):
    """Longer than allowed by whatever norm: no number of `away` is below ¼."""
    return {**public.long(draw), "max_norm": number(draw, 0.1, 0.2)}


def zero_gradients(draw):
    inputs = public.short(draw)
    return {**inputs, "g": 0 * inputs["g"], "k": 0 * inputs["k"]}


def with_rest(draw):
    """A text with fewer than N tokens left over at its end."""
    inputs = public.text(draw)
    extra = draw.integer(1, inputs["rows"])
    return {**inputs, "tokens": draw.permutation(len(inputs["tokens"]) + extra)}


def six_batches(draw):
    n, d = draw.sizes(2, low=4)
    return {"xs": draw.away(6, n, d), "w": draw.away(d), "fewer": n - 1}


def pairs(draw):
    return {**public.batches(draw), "pair": True}


def minus_100(draw):
    """What is ignored is −100, as in most programs; word 0 is a word like others."""
    inputs = public.scores(draw)
    y = np.where(inputs["y"] == 0, -100, inputs["y"] - 1)
    return {**inputs, "y": y, "ignored": -100}


def one_of_padding(draw):
    """One row is nothing but padding."""
    inputs = minus_100(draw)
    inputs["y"][1] = -100
    return inputs


def begun(draw):
    """The model has read something before, an image, say."""
    return {**public.with_end(draw), "before": draw.integer(1, 4)}


def likeliest(draw):
    """The likelier words only, those that have a share of top_p together."""
    return {**public.unequal(draw), "top_p": number(draw, 0.6, 0.9)}


# fmt: off
ROWS = [
    Row("a7.1", "padding", 1, "taken_padded", padded,
        "the row `pad` is read like any other, and its gradient is 0", hidden=True),
    Row("a7.1", "padding in one sequence", 1, "taken_padded", tokens_of_one,
        "tokens may have any shape: i (T,) gives y (T, D)", hidden=True),
    Row("a7.1", "the way back of the way back", 1, "taken_du", padded,
        "g may be a Tensor: only operators and the file's functions", hidden=True),
    Row("a7.2", "gradient of the gradient", 2, "tanh_again", public.step,
        "backward must also work on Tensors: only operators, no np", hidden=True),
    Row("a7.3", "two states", 1, "lstm_one_step", lstm_cell,
        "`rest` is returned already: do not add it to anything", hidden=True),
    Row("a7.3", "gradient of the gradient", 1, "gru_one_step_again", public.gru_step,
        "backward must also work on Tensors: only operators, no np", hidden=True),
    Row("a7.4", "backwards in time, with padding", 1, "gru_waits",
        backwards(public.with_mask(without(public.sequence, "u", "v"))),
        "t is the number of the time, in whatever order they come", hidden=True),
    Row("a7.4", "two states", 1, "lstm_over_time",
        public.with_mask(without(lstm_sequence, "u", "v", "w")),
        "an LSTM's state is (h, c): hand all of it on", hidden=True),
    Row("a7.4", "what is kept for the way back", 1, "gru_through_time",
        public.sequence,
        "before[t] is h before step t, backs[t] the `back` of that step", hidden=True),
    Row("a7.5", "padding", 2, "gru_through_time", public.with_mask(public.sequence),
        "where there is no token, what arrives goes past the step: chosen and passed",
        hidden=True),
    Row("a7.5", "two states, backwards in time", 2, "lstm_through_time",
        public.with_mask(lstm_sequence),
        "dstate has a gradient for each state; times tells the order", hidden=True),
    Row("a7.5", "gradient of the gradient", 1, "gru_through_time_again",
        public.sequence,
        "backward must also work on Tensors: only operators, no np", hidden=True),
    Row("a7.6", "on Tensors", 2, "lstm_step_on_tensors", public.lstm,
        "the step must also work on Tensors: only operators and the file's functions",
        hidden=True),
    Row("a7.7", "gradients stay", 2, "lstm_back", public.lstm,
        "do not change dh and dc_new; c′ gets two gradients, and c their sum times f",
        answers=("dc", "dh_new", "dc_new"), hidden=True),
    Row("a7.7", "saturated gates", 1, "lstm_back", public.saturated,
        "slopes of σ and tanh from their values: no exp, which overflows",
        hidden=True),
    Row("a7.7", "gradient of the gradient", 2, "lstm_again", public.lstm,
        "backward must also work on Tensors: only operators, no np", hidden=True),
    Row("a7.8", "other norms", 1, "clipped_otherwise", too_long,
        "norm_type p: the p-th root of the sum; infinity: the largest",
        rtol=1e-4, atol=1e-6, hidden=True),
    Row("a7.8", "gradients of 0", 1, "clipped", zero_gradients,
        "the factor is 1, and not 0 / 0: add 10⁻⁶ to the norm", hidden=True),
    Row("a7.9", "what is left over", 2, "streams", with_rest,
        "the last tokens, fewer than there are rows, are not used", hidden=True),
    Row("a7.10", "a new beginning", 1, "carried_anew", six_batches,
        "other rows, or the other mode: no state", hidden=True),
    Row("a7.10", "a state of two parts", 1, "carried_dw", pairs,
        "nn.detach_state knows tuples", hidden=True),
    Row("a7.11", "gradient", 1, "loss_over_time_dx", minus_100,
        "padding gets a gradient of 0, all words the same weight", hidden=True),
    Row("a7.11", "a row of padding", 1, "loss_over_time", one_of_padding,
        "divide by all words together: one row may have none", hidden=True),
    Row("a7.12", "after an image", 2, "said", begun,
        "the state that comes in is used, and handed on", hidden=True),
    Row("a7.13", "the likelier ones", 1, "chances", likeliest,
        "p adds up to 1 before the likelier ones are chosen", hidden=True),
]
# fmt: on
