"""What is asked of each task: the rows that a student can see.

Draws choose the shapes as well as the numbers: N sequences, L queries, S keys, D and E
features of a key and of a value, and u = ∂L/∂y. A row that looks easy may hold a
corner.
"""
# ruff: noqa: D103  most draw what their names say

import numpy as np

from minidl_course import Row, narrow, without


def number(draw, low, high):
    return float(draw.uniform(1, low=low, high=high)[0])


def alignment(draw):
    """Queries (N, L, A), keys (N, S, A) and v (A,)."""
    n, length, s, a = draw.sizes(4)
    return {
        "q": draw.away(n, length, a), "k": draw.away(n, s, a), "v": draw.away(a),
        "u": draw.away(n, length, s),
    }  # fmt: skip


def alignment_of_heads(draw):
    """One axis more: every head has queries and keys of its own."""
    n, h, length, s, a = draw.sizes(5, high=8)
    return {
        "q": draw.away(n, h, length, a), "k": draw.away(n, h, s, a),
        "v": draw.away(a),
    }  # fmt: skip


def unmasked(draw):
    n, length, s = draw.sizes(3, low=3)
    return {"s": 2 * draw.normal(n, length, s)}


def truth(draw, n, length, s):
    """Who may look at whom: everybody at somebody, nobody at everybody."""
    mask = draw.uniform(n, length, s, low=0) < 0.6
    mask[..., 0], mask[..., 1] = True, False
    mask[:, 1, 0], mask[:, 1, 2] = False, True
    return mask


def masked(draw):
    inputs = unmasked(draw)
    return {**inputs, "mask": truth(draw, *inputs["s"].shape)}


def added(draw):
    """A mask of numbers: some are added, some are −∞."""
    inputs = masked(draw)
    numbers = draw.away(*inputs["s"].shape)
    return {**inputs, "mask": np.where(inputs["mask"], numbers, -np.inf)}


def nothing(draw):
    """In every sequence there is a query that may look at nothing."""
    inputs = masked(draw)
    inputs["mask"][:, draw.integer(0, inputs["s"].shape[1])] = False
    return inputs


def huge(draw):
    """Scores far above and far below 0, whose differences are as usual."""
    inputs = masked(draw)
    far = np.where(np.arange(inputs["s"].shape[1]) % 2, -1e4, 1e4)
    return {**inputs, "s": inputs["s"] + far[:, None]}


def values(draw):
    """Scores (N, L, S) and values (N, S, E)."""
    n, length, s, e = draw.sizes(4, low=3)
    return {
        "s": 2 * draw.normal(n, length, s), "value": draw.away(n, s, e),
        "u": draw.away(n, length, e),
    }  # fmt: skip


def padded_values(draw):
    """Some keys are padding, in each sequence others."""
    inputs = values(draw)
    n, _, s = inputs["s"].shape
    mask = draw.uniform(n, s, low=0) < 0.6
    mask[:, 0], mask[:, -1] = True, False
    mask[1, 0], mask[1, 1] = False, True
    return {**inputs, "key_mask": mask}


def attention(draw):
    """q (N, L, D), k (N, S, D), v (N, S, E), all lengths different."""
    n, length, s, d, e = draw.sizes(5, low=2, high=9)
    return {
        "q": draw.away(n, length, d), "k": draw.away(n, s, d),
        "v": draw.away(n, s, e), "u": draw.away(n, length, e),
    }  # fmt: skip


def heads(draw):
    """The same for some heads."""
    n, h, length, s, d, e = draw.sizes(6, low=2, high=9)
    return {
        "q": draw.away(n, h, length, d), "k": draw.away(n, h, s, d),
        "v": draw.away(n, h, s, e), "u": draw.away(n, h, length, e),
    }  # fmt: skip


def causal(draw):
    """As many queries as keys, and no look at the future."""
    inputs = heads(draw)
    return {**inputs, "q": draw.away(*inputs["k"].shape), "causal": True}


def square(draw):
    n = draw.integer(3, 60)
    return {"queries": n, "keys": n}


def one_query(draw):
    return {"queries": 1, "keys": draw.integer(3, 200)}


def features(draw):
    """x (N, L, D) for some heads, with the gradient of the parts."""
    n, length, h, size = draw.sizes(4, low=2, high=7)
    return {
        "x": draw.away(n, length, h * size), "heads": h,
        "u": draw.away(n, h, length, size),
    }  # fmt: skip


def parts(draw):
    n, length, h, size = draw.sizes(4, low=2, high=7)
    return {
        "parts": draw.away(n, h, length, size), "u": draw.away(n, length, h * size)
    }  # fmt: skip


def image(draw):
    n, d, h, w = draw.sizes(4, low=2, high=7)
    return {"x": draw.away(n, d, h, w), "u": draw.away(n, h * w, d)}


def table(draw):
    return {"length": draw.integer(5, 40), "dim": 2 * draw.integer(3, 12)}


def odd_table(draw):
    """One sine more than there are cosines."""
    return {"length": draw.integer(5, 40), "dim": 2 * draw.integer(2, 12) + 1}


def part(draw, first):
    """A part f(x) = x w, with a norm; nothing is dropped."""
    n, t, d = draw.sizes(3, low=3)
    return {
        "x": draw.away(n, t, d), "w": draw.away(d, d), "gamma": draw.away(d),
        "beta": draw.away(d), "keep": np.ones((n, t, d)), "first": first,
    }  # fmt: skip


def pre(draw):
    return part(draw, True)


def post(draw):
    return part(draw, False)


def decoding(draw, first=True):
    """Tokens (N, T, D) and a memory (N, S, D); D is even, for two heads."""
    n, t, s = draw.sizes(3, low=3, high=7)
    d = 2 * draw.integer(2, 5)
    return {
        "x": draw.away(n, t, d), "memory": draw.away(n, s, d),
        "seed": number(draw, 0, 100), "first": first,
    }  # fmt: skip


def padded_memory(draw):
    inputs = decoding(draw)
    n, s, _ = inputs["memory"].shape
    mask = np.arange(s) < 1 + draw.integers(0, s - 1, n)[:, None]
    return {**inputs, "mask": mask}


def tokens(draw):
    n, t, words = draw.sizes(3, low=3, high=9)
    t = max(t, 5)
    return {
        "tokens": draw.integers(0, words, n, t), "words": words,
        "seed": number(draw, 0, 100),
    }  # fmt: skip


def one_by_one(draw):
    """A prompt of two tokens, and then one after the other."""
    inputs = tokens(draw)
    ones = np.ones(inputs["tokens"].shape[1] - 2, np.int64)
    return {**inputs, "parts": np.append(2, ones)}


def beams(draw):
    """N sequences of k beams, V words; the best k come from two beams at least."""
    n, k, v = draw.sizes(3, low=3, high=8)
    total = -draw.uniform(n, k, low=0.0, high=0.5)
    scores = 1.5 * draw.normal(n * k, v)
    return {"total": total, "scores": scores, "over": np.zeros(n * k, bool)}


def some_over(draw):
    """Some beams have said END, and must go on at no cost."""
    inputs = beams(draw)
    n, k = inputs["total"].shape
    over = draw.uniform(n, k, low=0) < 0.3
    over[:, 0], over[:, 1] = True, False
    end = draw.integer(0, inputs["scores"].shape[1])
    return {**inputs, "over": over.reshape(-1), "end": end}


# fmt: off
ROWS = [
    Row("a8.1", "kind", 1, "alignment", narrow(without(alignment, "u")),
        "s has a number for each query and each key: (…, L, S)", compare="kind"),
    Row("a8.1", "scores", 2, "alignment", without(alignment, "u"),
        "one new axis in q and one in k, so that every query meets every key"),
    Row("a8.1", "heads", 1, "alignment", alignment_of_heads,
        "count axes from the end: there may be several before L and S"),

    Row("a8.2", "kind", 1, "weights", narrow(masked),
        "p is shaped like s; `where` decides for each query, `if` once for all",
        compare="kind"),
    Row("a8.2", "no mask", 1, "weights", unmasked,
        "softmax over the last axis, in which p adds up to 1; do not change s"),
    Row("a8.2", "truth values", 2, "weights", masked,
        "−∞ before exp where the mask is False; the rest adds up to 1"),
    Row("a8.2", "added numbers", 1, "weights", added,
        "a mask of floats is added to the scores"),
    Row("a8.2", "nothing to look at", 1, "weights", nothing,
        "−∞ − (−∞) is nan, and 0 / 0, too: use where, so that such a row is zeros"),
    Row("a8.2", "large scores", 1, "weights", huge,
        "exp overflows: after the mask, subtract the largest score of each query"),

    Row("a8.3", "kind", 1, "context", narrow(without(values, "u")),
        "p v, with p on the left: E numbers for each query", compare="kind"),
    Row("a8.3", "mixture", 1, "context", without(values, "u"),
        "each query's context is the sum of all values, times their weights"),
    Row("a8.3", "padding", 1, "context", without(padded_values, "u"),
        "use `mask`, not key_mask: it says which keys count, and may be None"),

    Row("a8.4", "kind", 1, "scores", narrow(without(attention, "v", "u")),
        "s has a number for each query and each key: (…, L, S)", compare="kind",
        answers=("s",)),
    Row("a8.4", "scores", 3, "scores", without(attention, "v", "u"),
        "scale · q kᵀ; the scale is 1 / √D, D the length of a query, if it is None"),
    Row("a8.4", "heads", 1, "attended", without(heads, "u"),
        "only the last two axes of k are swapped"),
    Row("a8.4", "causal", 1, "attended", without(causal, "u"),
        "leave behind s and scale; what is causal is done below"),

    Row("a8.5", "kind", 1, "attention_back", narrow(heads),
        "dq (…, L, D), dk (…, S, D), dv (…, S, E); sum with keepdims=True",
        compare="kind"),
    Row("a8.5", "values", 3, "attention_back", attention,
        "y = used · v is a product: what is the gradient of its right factor?",
        answers=("dv", "u")),
    Row("a8.5", "queries", 2, "attention_back", attention,
        "dp is g vᵀ, dropped; then the softmax (a1.7); then s = scale · q kᵀ",
        answers=("dq",)),
    Row("a8.5", "keys", 2, "attention_back", attention,
        "sᵀ = scale · k qᵀ: so ds is transposed, too, and the scale is a factor",
        answers=("dk",)),

    Row("a8.6", "kind", 1, "past", square,
        "truth values (L, S)", compare="kind"),
    Row("a8.6", "as many queries as keys", 2, "past", square,
        "a query sees itself, and what came before"),
    Row("a8.6", "one new query", 1, "past", one_query,
        "the last query stands at the time of the last key: it sees all"),

    Row("a8.7", "kind", 1, "heads_out", narrow(without(features, "u")),
        "(N, heads, L, D / heads)", compare="kind"),
    Row("a8.7", "features", 2, "heads_out", without(features, "u"),
        "cut the last axis in two first, then swap two axes"),

    Row("a8.8", "kind", 1, "heads_joined", narrow(without(parts, "u")),
        "(N, L, D)", compare="kind"),
    Row("a8.8", "features", 2, "heads_joined", without(parts, "u"),
        "undo a8.7 in the opposite order: swap first, then join two axes"),

    Row("a8.9", "kind", 1, "places", narrow(without(image, "u")),
        "`flat` (here y) is (N, H W, D)", compare="kind"),
    Row("a8.9", "places", 2, "places", without(image, "u"),
        "swap two axes, since reshape moves no number; places go row by row"),

    Row("a8.10", "kind", 1, "sines", table,
        "a table (length, dim) of float64", compare="kind"),
    Row("a8.10", "table", 2, "sines", table,
        "sines in even columns, cosines in odd ones, in pairs of one angle"),
    Row("a8.10", "odd D", 1, "sines", odd_table,
        "there is one cosine less than there are angles"),

    Row("a8.11", "kind", 1, "around", narrow(pre),
        "x after the part (here y) is shaped like x before", compare="kind"),
    Row("a8.11", "pre-norm", 2, "around", pre,
        "x + f(norm(x)): the shortcut has no norm"),
    Row("a8.11", "post-norm", 2, "around", post,
        "norm(x + f(x)): the norm comes last"),

    Row("a8.12", "kind", 1, "decoded", narrow(decoding),
        "y is shaped like x; what _around gets as f is a function, not a result",
        compare="kind"),
    Row("a8.12", "three parts", 2, "decoded", decoding,
        "self_attn with **own, then look, then feed-forward; norm1, norm2, norm3"),
    Row("a8.12", "where it looked", 1, "decoded_looking", padded_memory,
        "`look` attends to the memory, and keeps the weights"),

    Row("a8.13", "kind", 1, "next_scores_kind", tokens,
        "leave behind x (N, T, D)", compare="kind"),
    Row("a8.13", "without a cache", 2, "next_scores", tokens,
        "embedding, positions, all blocks, causal; the last norm follows below"),
    Row("a8.13", "one after the other", 2, "next_scores_cached", one_by_one,
        "the cache tells where new tokens start; several at once are causal, too"),

    Row("a8.14", "kind", 1, "best", beams,
        "total (N, k) floats; rows and token are whole numbers", compare="kind"),
    Row("a8.14", "the best", 3, "best", beams,
        "the k best of k V ways, by total + log p; rows: i k + beam of sequence i"),
    Row("a8.14", "what is over", 1, "best", some_over,
        "log_p knows who is over: add it, as for the others"),
]
# fmt: on
