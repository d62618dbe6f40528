"""Transformer layers: against PyTorch, caches, dropout, errors."""

import numpy as np
import pytest

from minidl import Tensor, check, nn, no_grad, ops
from minidl.errors import RangeError, ShapeError

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
SEEDS = range(20)


def leaf(x):
    return Tensor(x, requires_grad=True)


def same(ours, theirs):
    np.testing.assert_allclose(
        getattr(ours, "data", ours), theirs.detach().numpy(), **CLOSE
    )


def twins(torch, kind, seed, dim, heads):
    settings = {
        "dropout": 0.0,
        "activation": ["relu", "gelu", "gelu_tanh"][seed % 3],
        "norm_first": bool(seed // 2 % 2),
        "bias": seed % 5 > 0,
    }
    name = settings["activation"]
    approximate = torch.nn.GELU("tanh") if name == "gelu_tanh" else name
    others = settings | {"activation": approximate, "batch_first": True}
    theirs = getattr(torch.nn, kind)(
        dim, heads, 2 * dim, layer_norm_eps=1e-4, **others
    ).double()
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    ours = getattr(nn, kind)(dim, heads, 2 * dim, eps=1e-4, **settings)
    nn.load_torch_state_dict(ours.astype("float64"), theirs.state_dict())
    return ours, theirs


def draw(seed):
    rng = np.random.default_rng(seed)
    n, t, s = (int(i) for i in rng.integers(1, 6, 3))
    heads = 1 + seed % 2
    return rng, n, t, s, heads, heads * int(rng.integers(2, 4))


def compare_gradients(torch, ours, theirs, pairs, y, t, u):
    same(y, t)
    (y * u).sum().backward()
    (t * torch.tensor(u)).sum().backward()
    for a, b in pairs:
        same(a.grad, b.grad)
    for p in ours.parameters():
        p.data = p.grad
    written = nn.to_torch_state_dict(ours)
    assert set(written) == {name for name, _ in theirs.named_parameters()}
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(written[name], p.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_encoder_layer_agrees_with_torch(torch, seed):
    torch.manual_seed(seed)
    rng, n, t, _, heads, dim = draw(seed)
    ours, theirs = twins(torch, "TransformerEncoderLayer", seed, dim, heads)
    x, u = rng.standard_normal((n, t, dim)), rng.standard_normal((n, t, dim))
    tokens = ops.length_mask(rng.integers(1, t + 1, n), t)
    later = torch.tensor(np.triu(np.ones((t, t), bool), 1))
    causal = seed % 3 == 0
    a, b = leaf(x), torch.tensor(x, requires_grad=True)
    y = ours(a, key_mask=tokens, causal=causal)
    z = theirs(
        b,
        src_key_padding_mask=torch.tensor(~tokens),
        src_mask=later if causal else None,
    )
    compare_gradients(torch, ours, theirs, [(a, b)], y, z, u)


@pytest.mark.parametrize("seed", SEEDS)
def test_decoder_layer_agrees_with_torch(torch, seed):
    torch.manual_seed(seed)
    rng, n, t, s, heads, dim = draw(seed)
    ours, theirs = twins(torch, "TransformerDecoderLayer", seed, dim, heads)
    x, u = rng.standard_normal((n, t, dim)), rng.standard_normal((n, t, dim))
    memory = rng.standard_normal((n, s, dim))
    tokens = ops.length_mask(rng.integers(1, s + 1, n), s)
    later = torch.tensor(np.triu(np.ones((t, t), bool), 1))
    a, b = (
        (leaf(x), leaf(memory)),
        [torch.tensor(z, requires_grad=True) for z in (x, memory)],
    )
    y = ours(*a, memory_key_mask=tokens)
    z = theirs(*b, tgt_mask=later, memory_key_padding_mask=torch.tensor(~tokens))
    compare_gradients(torch, ours, theirs, zip(a, b, strict=True), y, z, u)


@pytest.mark.parametrize("norm_first", [True, False])
def test_layers_check_to_the_second_order(norm_first, rng):
    settings = {"dropout": 0.0, "activation": "gelu", "norm_first": norm_first}
    layer = nn.TransformerDecoderLayer(4, 2, **settings).astype("float64")
    x, memory = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 2, 4))
    assert check.gradgradcheck(layer, [x, memory])


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_cached_generation_is_the_whole(kind, norm_first, rng):
    name = {"encoder": "TransformerEncoderLayer", "decoder": "TransformerDecoderLayer"}
    make = getattr(nn, name[kind])
    layers = [
        make(6, 2, norm_first=norm_first).astype("float64").eval() for _ in range(2)
    ]
    x, memory = rng.standard_normal((2, 7, 6)), Tensor(rng.standard_normal((2, 4, 6)))
    extra = () if kind == "encoder" else (memory,)

    def run(x, cache=None):
        for layer in layers:
            x = layer(x, *extra, causal=True, cache=cache)
        return x

    with no_grad():
        whole, cache = run(Tensor(x)).data, nn.KVCache()
        ys = [run(Tensor(x[:, :3]), cache)]
        ys += [run(Tensor(x[:, t : t + 1]), cache) for t in range(3, 7)]
    np.testing.assert_allclose(np.concatenate([y.data for y in ys], 1), whole, **CLOSE)
    assert len(cache) == 7


def test_decoder_returns_the_weights_on_memory(rng):
    layer = nn.TransformerDecoderLayer(4, 2).eval()
    x, memory = (rng.standard_normal((2, t, 4)).astype("f4") for t in (3, 5))
    y, p = layer(x, memory, weights=True)
    assert p.shape == (2, 2, 3, 5)
    np.testing.assert_allclose(p.data.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(y.data, layer(x, memory).data, rtol=1e-5, atol=1e-6)


def test_dropout_only_in_training(rng):
    layer = nn.TransformerEncoderLayer(4, 2, dropout=0.5, rng=0)
    x = rng.standard_normal((2, 3, 4)).astype("f4")
    assert (layer(x).data != layer(x).data).any()
    assert layer(x).dtype == np.float32
    layer.eval()
    np.testing.assert_array_equal(layer(x).data, layer(x).data)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("kind", ["Encoder", "Decoder"])
def test_of_what_is_all_dropped_the_shortcut_is_left(kind, norm_first, rng):
    make = getattr(nn, f"Transformer{kind}Layer")
    layer = make(4, 2, dropout=1.0, norm_first=norm_first)
    x = Tensor(rng.standard_normal((2, 3, 4)).astype("f4"))
    y = layer(x) if kind == "Encoder" else layer(x, x)
    norms = [layer.norm1, layer.norm2, *([layer.norm3] if kind == "Decoder" else [])]
    expected = x
    for norm in () if norm_first else norms:
        expected = norm(expected)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-6, atol=1e-6)


def test_errors():
    with pytest.raises(RangeError, match="gelu"):
        nn.TransformerEncoderLayer(4, 2, activation="sin")
    with pytest.raises(ShapeError, match="heads"):
        nn.TransformerDecoderLayer(4, 3)
    with pytest.raises(ShapeError, match=r"\(N, T, 4\)"):
        nn.TransformerDecoderLayer(4, 2)(
            np.ones((1, 2, 4), "f4"), np.ones((1, 2, 5), "f4")
        )
