"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  u = ∂L/∂ of what comes out, drawn at random    dx = ∂L/∂x
             ddx = ∂/∂x Σ (all first ones)²
A gradient that never arrives is left out of the answer.
"""
# ruff: noqa: D103  what each one asks, its row says

from types import SimpleNamespace

import numpy as np

import minidl as md
from minidl import Tensor, models, nn, ops
from minidl.models import beam
from minidl.models.cnn import ConvFeatures
from minidl.nn import attention, position, transformer
from minidl.ops.attention import dot_scores


def leaves(**arrays):
    """Tensors that gradients shall reach, by their names."""
    return {n: Tensor(x, requires_grad=True) for n, x in arrays.items()}


def gradients(ys, us, **inputs):
    """∂L/∂x of each input, where ∂L/∂y = u for each output."""
    found = md.grad(ys, list(inputs.values()), us, allow_unused=True)
    pairs = zip(inputs, found, strict=True)
    return {f"d{n}": g for n, g in pairs if g is not None}


def again(ys, us, **inputs):
    """The gradient of the gradient: only what speaks Tensor has one."""
    first = md.grad(ys, list(inputs.values()), us, create_graph=True)
    total = sum((ops.sum(g * g) for g in first), start=Tensor(0.0, dtype=ys[0].dtype))
    second = md.grad(total, list(inputs.values()), allow_unused=True)
    pairs = zip(inputs, second, strict=True)
    return {f"dd{n}": g for n, g in pairs if g is not None}


def filled(module, seed, dtype):
    """The module with other parameters, which depend on the seed alone."""
    module.astype(str(dtype))
    for i, p in enumerate(module.parameters()):
        k = np.arange(p.size) + 1
        p.data[...] = 0.7 * np.sin(seed + 1.3 * i + 2.1 * k).reshape(p.shape)
    return module


# a8.1


def alignment(q, k, v):
    return {"s": ops.additive_scores(q, k, v), "q": q, "k": k}


def alignment_back(q, k, v, u):
    x = leaves(q=q, k=k, v=v)
    return gradients([ops.additive_scores(*x.values())], [u], **x)


# a8.2


def weights(s, mask=None):
    return {"p": ops.masked_softmax(s, mask), "s": s}


def weights_again(s, mask, u):
    x = leaves(s=s)
    return again([ops.masked_softmax(x["s"], mask)], [u], **x)


def weights_of_added(s, mask, u):
    """Numbers that are added have gradients, too."""
    x = leaves(s=s, mask=mask)
    return gradients([ops.masked_softmax(x["s"], x["mask"])], [u], **x)


# a8.3


def context(s, value, key_mask=None):
    y, p = attention._mixed(s, value, key_mask)
    return {"context": y, "p": p, "s": s}


def context_back(s, value, key_mask, u):
    x = leaves(s=s, value=value)
    y, _ = attention._mixed(x["s"], x["value"], key_mask)
    return gradients([y], [u], **x)


# a8.4


def scores(q, k):
    s, scale = dot_scores(q, k)
    return {"s": s, "scale": np.array(scale), "q": q}


def scaled_scores(q, k, scale):
    """The scores with a scale that is given."""
    s, scale = dot_scores(q, k, float(scale))
    return {"s": s, "scale": np.array(scale)}


def scores_back(q, k, u):
    x = leaves(q=q, k=k)
    s, _ = dot_scores(x["q"], x["k"])
    return gradients([s], [u], **x)


def attended(q, k, v, causal=False):
    return {"y": ops.scaled_dot_product_attention(q, k, v, causal=bool(causal))}


# a8.5


def key_of(seed, dropout):
    """The two numbers that a dropout draws by."""
    return np.array([int(seed), 1], "uint64") if dropout else None


def attention_back(q, k, v, u, mask=None, dropout=0.0, seed=0):
    x = leaves(q=q, k=k, v=v)
    y = ops.scaled_dot_product_attention(
        *x.values(), mask, key_of(seed, dropout), dropout=float(dropout)
    )
    return {**gradients([y], [u], **x), "u": u}


def attention_back_added(q, k, v, u, mask, scale):
    x = leaves(q=q, k=k, v=v, mask=mask)
    y = ops.scaled_dot_product_attention(*x.values(), scale=float(scale))
    return gradients([y], [u], **x)


def attention_back_scaled(q, k, v, u, scale):
    x = leaves(q=q, k=k, v=v)
    y = ops.scaled_dot_product_attention(*x.values(), scale=float(scale))
    return gradients([y], [u], **x)


def attention_again(q, k, v, u):
    x = leaves(q=q, k=k, v=v)
    return again([ops.scaled_dot_product_attention(*x.values())], [u], **x)


# a8.6


def past(queries, keys):
    like = np.zeros(1)
    return {"mask": ops.causal_mask(int(queries), int(keys), like=like)}


# a8.7, a8.8


def heads_out(x, heads):
    return {"parts": attention.split_heads(x, int(heads)), "x": x}


def heads_out_back(x, heads, u):
    leaf = leaves(x=x)
    return gradients([attention.split_heads(leaf["x"], int(heads))], [u], **leaf)


def heads_joined(parts):
    return {"x": attention.join_heads(parts), "parts": parts}


def heads_joined_back(parts, u):
    leaf = leaves(parts=parts)
    return gradients([attention.join_heads(leaf["parts"])], [u], **leaf)


def several_heads(x, memory, heads, seed):
    """All of multi-head attention, with drawn weights."""
    layer = nn.MultiHeadAttention(x.shape[-1], int(heads), rng=0)
    layer = filled(layer, seed, x.dtype)
    return {"y": layer(Tensor(x), Tensor(memory)).data}


# a8.9


def places(x):
    return {"y": ConvFeatures.places(lambda z: z, x), "x": x}


def places_back(x, u):
    leaf = leaves(x=x)
    return gradients([ConvFeatures.places(lambda z: z, leaf["x"])], [u], **leaf)


# a8.10


def sines(length, dim):
    return {"p": position.sinusoids(int(length), int(dim))}


def sines_from(x, start):
    """Tokens at their places, the first of them at `start`."""
    layer = nn.PositionalEncoding(x.shape[-1])
    return {"y": layer(Tensor(x), start=int(start)).data}


# a8.11


def around(x, w, gamma, beta, keep, first):
    """One part f(x) = x w with its shortcut; dropout multiplies by `keep`."""
    layer = SimpleNamespace(norm_first=bool(first), dropout=lambda z: z * keep)
    norm = nn.LayerNorm(x.shape[-1]).astype(str(x.dtype))
    norm.weight.data[...], norm.bias.data[...] = gamma, beta
    leaf = leaves(x=x)
    y = transformer._Layer._around(layer, norm, lambda z: z @ w, leaf["x"])
    return {"y": y.data, **gradients([ops.sum(y * y)], None, **leaf)}


def around_both(**inputs):
    """The norm before the part, and after it."""
    pre, post = around(**inputs, first=True), around(**inputs, first=False)
    return {f"pre {n}": x for n, x in pre.items()} | {
        f"post {n}": x for n, x in post.items()
    }


# a8.12


def decoder(x, seed, first):
    d = x.shape[-1]
    layer = nn.TransformerDecoderLayer(
        d, 2, hidden=d + 1, dropout=0.0, norm_first=bool(first), rng=0
    )
    return filled(layer, seed, x.dtype)


def decoded(x, memory, seed, first):
    layer = decoder(x, seed, first)
    return {"y": layer(Tensor(x), Tensor(memory)).data}


def decoded_looking(x, memory, mask, seed, first):
    """The output, and where each token looked; some of the memory is padding."""
    layer = decoder(x, seed, first)
    y, p = layer(Tensor(x), Tensor(memory), memory_key_mask=mask, weights=True)
    return {"y": y.data, "p": p.data}


def decoded_back(x, memory, seed, first, u):
    layer, leaf = decoder(x, seed, first), leaves(x=x, memory=memory)
    return gradients([layer(leaf["x"], leaf["memory"])], [u], **leaf)


def decoded_one_by_one(x, memory, seed, first):
    layer, cache = decoder(x, seed, first), nn.KVCache()
    with md.no_grad():
        ys = [
            layer(Tensor(x[:, t : t + 1]), Tensor(memory), cache=cache).data
            for t in range(x.shape[1])
        ]
    return {"y": np.concatenate(ys, axis=1)}


# a8.13


def gpt(words, context, seed, dtype="float64"):
    model = models.GPT(int(words), int(context), 8, 2, 2, dropout=0.0, rng=0)
    return filled(model, seed, dtype)


def next_scores(tokens, words, seed):
    return {"scores": gpt(words, tokens.shape[1], seed)(tokens).data}


def next_scores_kind(tokens, words, seed):
    model = gpt(words, tokens.shape[1], seed, "float32")
    return {"scores": model(tokens).data}


def next_scores_cached(tokens, words, seed, parts):
    """The same, when the tokens come in parts of some sizes."""
    model, cache, found, start = gpt(words, tokens.shape[1], seed), nn.KVCache(), [], 0
    with md.no_grad():
        for n in parts:
            found.append(model(tokens[:, start : start + n], cache).data)
            start += n
    return {"scores": np.concatenate(found, axis=1), "length": np.array(len(cache))}


def next_scores_back(tokens, words, seed, u):
    model = gpt(words, tokens.shape[1], seed)
    table, place = model.embedding.weight, model.positions.weight
    return gradients([model(tokens)], [u], table=table, place=place)


# a8.14


def best(total, scores, over, end=None):
    end = None if end is None else int(end)
    total, rows, token = beam._best(total, scores, over, end)
    return {"total": total, "rows": rows, "token": token}


class Table:
    """A model that looks at the last word only: row w of the table scores the next."""

    def __init__(self, table):
        self.table = table

    def read(self, tokens, state=None):
        """Return the scores of what is next, and how many words were read."""
        return self.table[tokens[:, -1]], (0 if state is None else state) + 1

    def select(self, state, rows):
        """Return the state, which is the same for all rows."""
        return state


def searched(table, prompt, length, beams, end=None):
    end = None if end is None else int(end)
    found = models.beam_search(
        Table(table), prompt, int(length), beams=int(beams), end=end
    )
    return {"tokens": found.tokens, "scores": found.scores}
