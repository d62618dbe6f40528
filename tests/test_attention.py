"""Attention: against PyTorch, masks, caches, alignment scores, errors."""

import math

import numpy as np
import pytest

from minidl import Tensor, grad, nn, no_grad, ops
from minidl.errors import DTypeError, GraphError, RangeError, ShapeError
from tests.against_torch import assert_agree

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
SEEDS = range(20)


def leaf(x):
    return Tensor(x, requires_grad=True)


def same(ours, theirs):
    np.testing.assert_allclose(
        getattr(ours, "data", ours), theirs.detach().numpy(), **CLOSE
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_op_agrees_with_torch(torch, seed):
    """To the second order, with every kind of mask."""
    rng = np.random.default_rng(seed)
    n, heads, size, keys, d, e = (int(i) for i in rng.integers(1, 6, 6))
    causal = seed % 4 == 3
    size = keys if causal else size
    q, k, v = (
        rng.standard_normal((n, heads, t, f))
        for t, f in ((size, d), (keys, d), (keys, e))
    )
    inputs = [q, k, v]
    if seed % 4 == 1:
        inputs.append(rng.standard_normal((n, 1, size, keys)))
    if seed % 4 == 2:
        inputs.append(rng.random((size, keys)) < 0.6)
        inputs[3][:, 0] = True  # torch gives NaN where there is nothing
    scale = [None, 0.7][seed % 2]
    theirs = torch.nn.functional.scaled_dot_product_attention
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert_agree(
            torch,
            lambda *xs: ops.scaled_dot_product_attention(
                *xs, causal=causal, scale=scale
            ),
            lambda *xs: theirs(*xs, is_causal=causal, scale=scale),
            inputs,
        )


@pytest.mark.parametrize("mask", ["bool", "float"])
def test_who_may_look_at_nothing_gets_zeros(rng, mask):
    q, k, v = (leaf(rng.standard_normal((2, 3, 4))) for _ in range(3))
    on = np.array([[True] * 3, [False] * 3, [True, False, True]])
    mask = on if mask == "bool" else np.where(on, 0.0, -math.inf)
    y = ops.scaled_dot_product_attention(q, k, v, mask)
    assert not y.data[:, 1].any()
    assert np.isfinite(y.data).all()
    gs = grad((y * y).sum(), [q, k, v], create_graph=True)
    second = grad(sum((g * g).sum() for g in gs), [q, k, v])
    assert all(np.isfinite(g.data).all() for g in gs)
    assert all(np.isfinite(g).all() for g in second)
    assert not gs[0].data[:, 1].any()


def test_scores_may_be_enormous():
    q = np.array([[1e5, -1e5]])
    k = np.array([[1e5, 0.0], [0.0, 1e5]])
    y = ops.scaled_dot_product_attention(q, k, np.array([[1.0], [2.0]]))
    np.testing.assert_allclose(y, [[1.0]])


def twins(torch, dim, heads, **settings):
    theirs = torch.nn.MultiheadAttention(dim, heads, batch_first=True, **settings)
    theirs = theirs.double()
    for name, p in theirs.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(p)
    names = {"kdim": "key_dim", "vdim": "value_dim"}
    ours = nn.MultiHeadAttention(
        dim, heads, **{names.get(k, k): v for k, v in settings.items()}
    )
    nn.load_torch_state_dict(ours.astype("float64"), theirs.state_dict())
    return ours, theirs


def masks(torch, rng, seed, n, size, keys, own):
    """The same masks for us (true: may look) and for PyTorch (true: may not)."""
    ours, theirs = {}, {}
    if seed % 2:
        tokens = ops.length_mask(rng.integers(1, keys + 1, n), keys)
        ours["key_mask"] = tokens
        theirs["key_padding_mask"] = torch.tensor(~tokens)
    if own and seed % 3 == 1:
        later = np.triu(np.ones((size, keys), bool), 1)
        ours |= {"causal": True} if seed % 4 > 1 else {"mask": ~later}
        theirs["attn_mask"] = torch.tensor(later)
    elif seed % 3 == 2:
        added = rng.standard_normal((size, keys))
        ours["mask"] = added
        if "key_padding_mask" in theirs:  # PyTorch wants masks of one type
            theirs["key_padding_mask"] = torch.where(
                theirs["key_padding_mask"], -torch.inf, 0.0
            ).double()
        theirs["attn_mask"] = torch.tensor(added)
    return ours, theirs


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_head_attention_agrees_with_torch(torch, seed):
    """Outputs, weights, gradients of inputs and parameters; self and cross."""
    rng = np.random.default_rng(seed)
    n, size, keys, per_head = (int(i) for i in rng.integers(1, 6, 4))
    heads = 1 + seed % 3
    dim, own = heads * per_head, seed % 5 < 3
    settings = {"bias": seed % 4 > 0}
    if seed % 5 == 4:
        settings |= {"kdim": 3, "vdim": 2}
    ours, theirs = twins(torch, dim, heads, **settings)
    arrays = [rng.standard_normal((n, size, dim))]
    if not own:
        arrays.append(rng.standard_normal((n, keys, settings.get("kdim", dim))))
        arrays.append(rng.standard_normal((n, keys, settings.get("vdim", dim))))
    a = [leaf(x) for x in arrays]
    b = [torch.tensor(x, requires_grad=True) for x in arrays]
    m, tm = masks(torch, rng, seed, n, size, size if own else keys, own)
    u = rng.standard_normal(arrays[0].shape)
    y = ours(*a, **m)
    t, tp = theirs(*(b * 3 if own else b), average_attn_weights=False, **tm)
    same(y, t)
    again, p = ours(*a, **m, weights=True)
    same(again, t)
    same(p, tp)
    (y * u).sum().backward()
    (t * torch.tensor(u)).sum().backward()
    for x, z in zip(a, b, strict=True):
        same(x.grad, z.grad)
    for p in ours.parameters():
        p.data = p.grad
    written = nn.to_torch_state_dict(ours)
    assert set(written) == {name for name, _ in theirs.named_parameters()}
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(written[name], p.grad.numpy(), **CLOSE)


def test_both_ways_to_the_output_have_the_same_gradients(rng):
    """With weights (composed) and without (one node)."""
    layer = nn.MultiHeadAttention(6, 2).astype("float64")
    x, u = rng.standard_normal((2, 4, 6)), rng.standard_normal((2, 4, 6))
    got = []
    for weights in (False, True):
        a = leaf(x)
        y = layer(a, causal=True, weights=weights)
        y = y[0] if weights else y
        got.append(grad((y * u).sum(), [a, *layer.parameters()]))
    for f, g in zip(*got, strict=True):
        np.testing.assert_allclose(f, g, **CLOSE)


def test_dropout_on_weights():
    layer = nn.MultiHeadAttention(4, 2, dropout=0.5, rng=0)
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("f4")
    assert (layer(x).data != layer(x).data).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x).data, layer(x).data)


def test_cache_gives_what_the_whole_gives(rng):
    layer = nn.MultiHeadAttention(6, 2).astype("float64")
    x = rng.standard_normal((2, 9, 6))
    whole = layer(x, causal=True).data
    cache, ys = nn.KVCache(), []
    with no_grad():
        for i, j in ((0, 3), (3, 4), (4, 5), (5, 9)):
            ys.append(layer(x[:, i:j], causal=True, cache=cache).data)
            assert len(cache) == j
    np.testing.assert_allclose(np.concatenate(ys, axis=1), whole, **CLOSE)
    with no_grad():
        cache.trim(4)
        y = layer(x[:, 4:6], causal=True, cache=cache)
        np.testing.assert_allclose(y.data, whole[:, 4:6], **CLOSE)
        cache.trim(4)
        cache.select([1, 1, 0])
        y = layer(x[[1, 1, 0], 4:5], causal=True, cache=cache)
    np.testing.assert_allclose(y.data, whole[[1, 1, 0], 4:5], **CLOSE)


def test_cache_keeps_an_encoders_output(rng):
    layer = nn.MultiHeadAttention(6, 2).astype("float64")
    x, memory = rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 6))
    whole = layer(x, memory).data
    cache = nn.KVCache()
    memory = Tensor(memory)
    with no_grad():
        for t in range(3):
            y = layer(x[:, t : t + 1], memory, cache=cache)
            np.testing.assert_allclose(y.data, whole[:, t : t + 1], **CLOSE)
        assert len(cache._fixed) == 1
        assert len(cache) == 0
        with pytest.raises(ShapeError, match="5 long"):
            layer(x, memory[:, :4], cache=cache)


def test_cache_errors(rng):
    layer, cache = nn.MultiHeadAttention(6, 2), nn.KVCache()
    x = np.ones((2, 3, 6), "f4")
    with pytest.raises(GraphError, match="no_grad"):
        layer(x, cache=cache)
    with no_grad():
        layer(x, cache=cache)
        with pytest.raises(ShapeError, match="2 sequences"):
            layer(x[:1], cache=cache)
    with pytest.raises(ShapeError, match="3 tokens"):
        cache.trim(4)


@pytest.mark.parametrize("scaled", [True, False])
def test_dot_attention_is_a_sum_of_products(rng, scaled):
    q, k, v = (rng.standard_normal((2, t, d)) for t, d in ((3, 4), (5, 4), (5, 2)))
    y, p = nn.DotAttention(scaled)(q, k, v)
    s = np.einsum("nld,nsd->nls", q, k) / (2.0 if scaled else 1.0)
    e = np.exp(s)
    np.testing.assert_allclose(p.data, e / e.sum(-1, keepdims=True), **CLOSE)
    np.testing.assert_allclose(y.data, p.data @ v, **CLOSE)


def test_additive_attention_is_bahdanaus(torch, rng):
    layer = nn.AdditiveAttention(4, 3, 5).astype("float64")
    tokens = ops.length_mask([2, 6], 6)
    layer.query.bias.data[...] = rng.standard_normal(5)
    wq, bq, wk, w = (p.data for p in layer.parameters())
    inputs = [rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 6, 3))]

    def theirs(q, k):
        a, b = q @ torch.tensor(wq) + torch.tensor(bq), k @ torch.tensor(wk)
        s = torch.tanh(a[:, :, None] + b[:, None]) @ torch.tensor(w[:, 0])
        s = s.masked_fill(~torch.tensor(tokens)[:, None], -torch.inf)
        return s.softmax(-1) @ k

    assert_agree(torch, lambda q, k: layer(q, k, None, tokens)[0], theirs, inputs)
    y, p = layer(*(leaf(x) for x in inputs), None, tokens)
    assert y.shape == (2, 3, 3)
    assert not p.data[0, :, 2:].any()
    y.sum().backward()
    assert all(q.grad is not None for q in layer.parameters())


def o(*shape):
    return np.ones(shape)


MHA = nn.MultiHeadAttention(4, 2).astype("float64")
SDPA = ops.scaled_dot_product_attention


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: SDPA(o(2, 3), o(4, 2), o(4, 2)), ShapeError, "same D"),
        (lambda: SDPA(o(2, 3), o(4, 3), o(5, 2)), ShapeError, "one value"),
        (lambda: SDPA(o(2, 3), o(0, 3), o(0, 2)), ShapeError, "length 0"),
        (lambda: SDPA(o(2, 3), o(4, 3), o(4, 3), np.ones((2, 4), int)), DTypeError, "bool"),
        (lambda: SDPA(o(2, 3), o(4, 3), o(4, 3), o(4, 2)), ShapeError, "stretch"),
        (lambda: SDPA(o(2, 3), o(4, 3), o(4, 3), o(5, 2, 4)), ShapeError, "stretch"),
        (lambda: ops.masked_softmax(o(2, 3), o(2, 2)), ShapeError, "stretch"),
        (lambda: ops.additive_scores(o(1, 2, 3), o(1, 2, 4), o(3)), ShapeError, "same length"),
        (lambda: nn.MultiHeadAttention(6, 4), ShapeError, "divide"),
        (lambda: MHA(o(2, 3, 5)), ShapeError, r"query \(N, T, 4\)"),
        (lambda: MHA(o(2, 0, 4)), ShapeError, "T ≥ 1"),
        (lambda: MHA(o(2, 3, 4), o(3, 3, 4)), ShapeError, "one batch"),
        (lambda: MHA(o(2, 3, 4), o(2, 3, 4), o(2, 5, 4)), ShapeError, "one value"),
        (lambda: MHA(o(2, 3, 4), key_mask=o(2, 3)), DTypeError, "truth"),
        (lambda: MHA(o(2, 3, 4), key_mask=o(3, 2) > 0), ShapeError, r"\(2, 3\)"),
        (lambda: nn.AdditiveAttention(3, 4, 0), RangeError, "hidden"),
        (lambda: nn.AdditiveAttention(3, 4, 5)(o(2, 3, 3), o(2, 3, 3)), ShapeError, r"\(N, S, 4\)"),
        (lambda: nn.DotAttention()(o(2, 3, 3), o(2, 3, 4)), ShapeError, r"\(N, S, 3\)"),
    ],
)  # fmt: skip
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
