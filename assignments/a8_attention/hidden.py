"""What is asked of each task besides: the rows that students do not see."""
# ruff: noqa: D103  most draw what their names say

from pathlib import Path

import numpy as np

from minidl_course import Row
from minidl_course.assignment import load

public = load(Path(__file__).with_name("rows.py"))
without, number = public.without, public.number


def shared_mask(draw):
    """Scores (N, h, L, S), and one mask (L, S) for all."""
    n, h, length, s = draw.sizes(4, low=3)
    mask = public.truth(draw, 1, length, s)[0]
    return {"s": 2 * draw.normal(n, h, length, s), "mask": mask}


def nothing_added(draw):
    """A row of −∞: nothing is let through."""
    inputs = public.added(draw)
    inputs["mask"][:, draw.integer(0, inputs["s"].shape[1])] = -np.inf
    return inputs


def with_gradient(inputs):
    """The same, with a gradient of the weights."""

    def drawn(draw):
        found = inputs(draw)
        return {**found, "u": draw.away(*found["s"].shape)}

    return drawn


def one_alignment(draw):
    """One query, as at each step of a decoder."""
    inputs = public.alignment(draw)
    return {**without(lambda _: inputs, "u")(draw), "q": inputs["q"][:, :1]}


def all_padding(draw):
    """One of the sequences is nothing but padding."""
    inputs = public.padded_values(draw)
    inputs["key_mask"][-1] = False
    return inputs


def scaled(inputs):
    """The same, with a scale that is given."""
    return lambda draw: {**inputs(draw), "scale": number(draw, 0.2, 2.0)}


def with_mask(draw):
    """A mask for each head, and a query that may look at nothing."""
    inputs = public.attention(draw)
    n, length = inputs["q"].shape[:2]
    s = inputs["k"].shape[1]
    mask = draw.uniform(n, length, s, low=0) < 0.6
    mask[:, 0, 0], mask[:, -1] = True, False
    return {**inputs, "mask": mask}


def with_added(draw):
    """A mask of floats, added to the scores of all sequences; and a scale."""
    inputs = scaled(public.attention)(draw)
    shape = inputs["q"].shape[1], inputs["k"].shape[1]
    return {**inputs, "mask": draw.normal(*shape)}


def with_dropout(draw):
    """A third of the weights is dropped; the others count 3/2."""
    inputs = public.attention(draw)
    return {**inputs, "dropout": 1 / 3, "seed": draw.integer(0, 2**30)}


def one_key_for_all_heads(draw):
    """All heads share keys, and all sequences share values."""
    inputs = public.heads(draw)
    return {**inputs, "k": inputs["k"][:, :1], "v": inputs["v"][:1]}


def scores_of_heads(draw):
    inputs = public.heads(draw)
    q, k = inputs["q"], inputs["k"]
    return {"q": q, "k": k, "u": draw.away(*q.shape[:3], k.shape[2])}


def some_new(draw):
    """Some queries, which come after others whose keys are there."""
    n = draw.integer(2, 20)
    return {"queries": n, "keys": n + draw.integer(1, 20)}


def more_queries(draw):
    """The first queries come before all keys, and see none."""
    n = draw.integer(3, 20)
    return {"queries": n + draw.integer(1, 20), "keys": n}


def one_token(draw):
    inputs = public.features(draw)
    return {"x": inputs["x"][:, :1], "heads": inputs["heads"]}


def layer(draw):
    n, length, s, h, size = draw.sizes(5, low=2, high=7)
    return {
        "x": draw.away(n, length, h * size), "memory": draw.away(n, s, h * size),
        "heads": h, "seed": number(draw, 0, 100),
    }  # fmt: skip


def late(draw):
    """Tokens far from the beginning."""
    n, t = draw.sizes(2, low=3, high=12)
    d = 2 * draw.integer(2, 6)
    return {"x": draw.away(n, t, d), "start": draw.integer(100, 3000)}


def long_table(draw):
    return {"length": draw.integer(200, 400), "dim": 2 * draw.integer(15, 25)}


def dropped(draw):
    """Some of what is added is dropped; the norm stands before, then after."""
    inputs = without(public.pre, "first")(draw)
    keep = 2.0 * (draw.uniform(*inputs["x"].shape) < 0)
    keep[0, 0, 0], keep[0, 0, 1] = 0, 2
    return {**inputs, "keep": keep}


def silent(draw):
    """A part that adds nothing; the norm stands before, then after."""
    inputs = without(public.pre, "first")(draw)
    return {**inputs, "w": 0 * inputs["w"]}


def post(draw):
    return public.decoding(draw, first=False)


def decoding_back(draw):
    inputs = public.decoding(draw)
    return {**inputs, "u": draw.away(*inputs["x"].shape)}


def in_parts(draw):
    """Two parts of several tokens each."""
    inputs = public.tokens(draw)
    t = inputs["tokens"].shape[1]
    return {**inputs, "parts": np.array([2, t - 2])}


def tokens_back(draw):
    inputs = public.tokens(draw)
    n, t = inputs["tokens"].shape
    return {**inputs, "u": draw.away(n, t, inputs["words"])}


def search(draw):
    """A table of scores; there are more words than beams."""
    n, length, *two = draw.sizes(4, low=3, high=8)
    k, v = sorted(two)
    return {
        "table": 1.5 * draw.normal(v, v), "prompt": draw.integers(0, v, n, 1),
        "length": length, "beams": k, "end": draw.integer(0, v),
    }  # fmt: skip


def greedy(draw):
    """One beam."""
    n, v = draw.sizes(2, low=3, high=9)
    return {
        "total": -draw.uniform(n, 1, low=0.0, high=3.0),
        "scores": 2 * draw.normal(n, v), "over": np.zeros(n, bool),
    }  # fmt: skip


# fmt: off
ROWS = [
    Row("a8.1", "gradients", 2, "alignment_back", public.alignment,
        "operators and the file's tanh, no values(…): the engine finds the gradients",
        hidden=True),
    Row("a8.1", "one query", 1, "alignment", one_alignment,
        "an axis of length 1 stays", hidden=True),
    Row("a8.2", "one mask for all heads", 1, "weights", shared_mask,
        "the mask stretches to the shape of the scores", hidden=True),
    Row("a8.2", "nothing to look at, by numbers", 1, "weights", nothing_added,
        "a row of −∞ becomes zeros, too", hidden=True),
    Row("a8.2", "gradient of the gradient", 1, "weights_again",
        with_gradient(public.nothing),
        "the weights must also work on Tensors", hidden=True),
    Row("a8.2", "gradient of the added numbers", 1, "weights_of_added",
        with_gradient(public.added), "s + mask, without changing either", hidden=True),
    Row("a8.3", "gradients", 1, "context_back", public.padded_values,
        "ops.… accepts Tensors; most of np does not", hidden=True),
    Row("a8.3", "nothing but padding", 1, "context", without(all_padding, "u"),
        "its context is 0", hidden=True),
    Row("a8.4", "a scale that is given", 1, "scaled_scores",
        scaled(without(public.attention, "v", "u")),
        "the root of D only if the scale is None", hidden=True),
    Row("a8.4", "gradients", 1, "scores_back", scores_of_heads,
        "operators and methods only: then the engine finds the gradients",
        hidden=True),
    Row("a8.5", "mask", 1, "attention_back", with_mask,
        "a weight of 0 lets no gradient through", hidden=True),
    Row("a8.5", "a mask of floats", 1, "attention_back_added", with_added,
        "`ds` stays without the factor scale: it is the gradient of the mask",
        answers=("dmask",), hidden=True),
    Row("a8.5", "dropout", 1, "attention_back", with_dropout,
        "dv from `used`, not from p; the gradient of `used`, dropped, is that of p",
        hidden=True),
    Row("a8.5", "a scale that is given", 1, "attention_back_scaled",
        scaled(public.attention),
        "dq and dk have the factor `scale`, not 1 / √D", hidden=True),
    Row("a8.5", "shared by heads", 1, "attention_back", one_key_for_all_heads,
        "leave a gradient for each head behind: the line below sums them", hidden=True),
    Row("a8.5", "gradient of the gradient", 2, "attention_again", public.attention,
        "backward also works on Tensors: operators and methods, no np", hidden=True),
    Row("a8.6", "some new queries", 1, "past", some_new,
        "the last query stands at the time of the last key", hidden=True),
    Row("a8.6", "more queries than keys", 1, "past", more_queries,
        "a query before all keys sees none", hidden=True),
    Row("a8.7", "gradient", 1, "heads_out_back", public.features,
        "ops.reshape and .swapaxes accept Tensors; np.reshape does not", hidden=True),
    Row("a8.7", "one token", 1, "heads_out", one_token,
        "an axis of length 1 stays", hidden=True),
    Row("a8.8", "all of the layer", 1, "several_heads", layer,
        "the first D / heads features are those of the first head", hidden=True),
    Row("a8.9", "gradient", 1, "places_back", public.image,
        "ops.reshape and .swapaxes accept Tensors; np.reshape does not", hidden=True),
    Row("a8.10", "far from the beginning", 2, "sines_from", late,
        "angles are t / 10000^(2k/D), in radians", rtol=1e-6, atol=1e-8, hidden=True),
    Row("a8.10", "slow pairs", 1, "sines", long_table,
        "the exponent goes from 0 to nearly 1", hidden=True),
    Row("a8.11", "dropout", 1, "around_both", dropped,
        "dropout on what is added, never on the shortcut", hidden=True),
    Row("a8.11", "a part that says nothing", 1, "around_both", silent,
        "f returns 0: x, or the norm of x, is left", hidden=True),
    Row("a8.12", "post-norm", 1, "decoded", post,
        "self._around knows where the norm stands", hidden=True),
    Row("a8.12", "one after the other", 1, "decoded_one_by_one", public.decoding,
        "self_attn takes all settings in `own`, the cache too: **own", hidden=True),
    Row("a8.12", "gradients", 1, "decoded_back", decoding_back,
        "x and the memory, both", hidden=True),
    Row("a8.13", "in parts", 1, "next_scores_cached", in_parts,
        "causal with a cache, too: new tokens do not see later ones", hidden=True),
    Row("a8.13", "gradients", 1, "next_scores_back", tokens_back,
        "without a cache everything learns", hidden=True),
    Row("a8.14", "all of the search", 1, "searched", search,
        "rows count the beams of all sequences: i k + beam of sequence i", hidden=True),
    Row("a8.14", "one beam", 1, "best", greedy,
        "the best word", hidden=True),
]
# fmt: on
