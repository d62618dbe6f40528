"""Settings and layers that programs written for PyTorch bring along."""

import copy
import itertools

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, data, nn, ops, optim
from minidl.errors import DTypeError, IndexRangeError, RangeError, ShapeError
from tests.against_torch import assert_agree

MODES = ("reflect", "replicate", "circular")


def near(a, b, atol=1e-10):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# ------------------------------------------------------------------------ frames


@pytest.mark.parametrize("mode", MODES)
def test_padding_agrees_with_pytorch(torch, rng, mode):
    for (a, b), (c, d) in itertools.product([(0, 0), (1, 2), (3, 0)], [(2, 2), (0, 1)]):
        x = rng.standard_normal((2, 3, 4, 5))
        width = ((0, 0), (0, 0), (a, b), (c, d))
        assert_agree(
            torch,
            lambda x, width=width: ops.pad(x, width, mode=mode),
            lambda x, p=(c, d, a, b): torch.nn.functional.pad(x, p, mode),
            [x],
        )


@pytest.mark.parametrize("mode", MODES)
def test_convolutions_take_a_frame_of_pixels(torch, rng, mode):
    for padding, dilation in (((2, 1), 1), ("same", 2), (1, (2, 1))):
        kw = {"padding": padding, "dilation": dilation, "padding_mode": mode}
        ours = nn.Conv2d(3, 4, (3, 2), **kw).astype("float64")
        theirs = torch.nn.Conv2d(3, 4, (3, 2), **kw).double()
        nn.load_torch_state_dict(ours, theirs.state_dict())
        assert_agree(torch, ours, theirs, [rng.standard_normal((2, 3, 6, 5))])
    kw = {"stride": 2, "padding": 2, "padding_mode": mode}
    ours = nn.Conv1d(3, 4, 3, **kw).astype("float64")
    theirs = torch.nn.Conv1d(3, 4, 3, **kw).double()
    nn.load_torch_state_dict(ours, theirs.state_dict())
    assert_agree(torch, ours, theirs, [rng.standard_normal((2, 3, 7))])


def test_what_no_frame_can_be():
    x = np.ones((1, 1, 3, 3))
    for mode, width in (("reflect", 3), ("circular", 4)):
        with pytest.raises(ShapeError, match="at most"):
            ops.pad(x, ((0, 0), (0, 0), (width, 0), (0, 0)), mode=mode)
    with pytest.raises(RangeError, match="replicate"):
        ops.pad(x, 1, mode="edge")
    with pytest.raises(RangeError, match="replicate"):
        nn.Conv2d(1, 1, 3, padding_mode="same")


# ------------------------------------------------------- one example without a batch

ALONE = [
    (lambda: nn.Conv2d(3, 4, 3), (3, 5, 6)),
    (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (3, 5, 6)),
    (lambda: nn.Conv1d(3, 4, 3), (3, 5)),
    (lambda: nn.ConvTranspose2d(3, 4, 3), (3, 5, 6)),
    (lambda: nn.MaxPool2d(2), (3, 4, 6)),
    (lambda: nn.AvgPool2d(2), (3, 4, 6)),
    (lambda: nn.MaxPool1d(2), (3, 4)),
    (lambda: nn.AvgPool1d(2), (3, 4)),
    (lambda: nn.AdaptiveAvgPool2d(2), (3, 4, 6)),
    (lambda: nn.GlobalAvgPool2d(), (3, 4, 6)),
    (lambda: nn.Upsample(2), (3, 4, 6)),
    (lambda: nn.Linear(3, 2), (3,)),
]


@pytest.mark.parametrize(("make", "shape"), ALONE, ids=lambda v: str(v)[:24])
def test_one_example_needs_no_batch(rng, make, shape):
    layer, x = make(), rng.standard_normal(shape).astype("f4")
    near(layer(x).data, layer(x[None])[0].data, 1e-6)


def test_one_sequence_needs_no_batch(rng):
    x = rng.standard_normal((5, 3)).astype("f4")
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        layer = kind(3, 4, num_layers=2, bidirectional=True, rng=0)
        y, state = layer(x)
        whole, states = layer(x[None])
        near(y.data, whole[0].data, 1e-6)
        pairs = (
            [(state, states)]
            if kind is not nn.LSTM
            else zip(state, states, strict=True)
        )
        for a, b in pairs:
            assert a.shape == (4, 4)
            near(a.data, b[:, 0].data, 1e-6)
        again, _ = layer(x, state)
        near(again.data, layer(x[None], states)[0][0].data, 1e-6)


ONE = {  # what is called, and with what: each array without a batch
    "RNNCell": (lambda: nn.RNNCell(3, 4), [(3,), (4,)], {}),
    "GRUCell": (lambda: nn.GRUCell(3, 4), [(3,), (4,)], {}),
    "cell alone": (lambda: nn.LSTMCell(3, 4), [(3,)], {}),
    "LSTMCell": (lambda: nn.LSTMCell(3, 4), [(3,), ((4,), (4,))], {}),
    "DotAttention": (nn.DotAttention, [(5, 4), (6, 4)], {"key_mask": (6,)}),
    "AdditiveAttention": (lambda: nn.AdditiveAttention(4, 3, 2), [(5, 4), (6, 3), (6, 7)], {}),
    "self": (lambda: nn.MultiHeadAttention(4, 2), [(5, 4)], {"causal": True}),
    "key": (lambda: nn.MultiHeadAttention(4, 2), [(5, 4), (6, 4)], {"mask": (5, 6), "weights": True}),
    "heads": (lambda: nn.MultiHeadAttention(4, 2), [(5, 4)], {"mask": (2, 5, 5), "key_mask": (5,)}),
    "encoder": (lambda: nn.TransformerEncoderLayer(4, 2), [(5, 4)], {"key_mask": (5,), "causal": True}),
    "decoder": (lambda: nn.TransformerDecoderLayer(4, 2), [(5, 4), (6, 4)], {"memory_key_mask": (6,), "weights": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_one_example_of_a_sequence_needs_no_batch(rng, name):
    make, shapes, settings = ONE[name]
    layer = make().eval()

    def drawn(shape, mask=False):
        if isinstance(shape[0] if shape else 0, tuple):
            return tuple(drawn(s) for s in shape)
        x = rng.standard_normal(shape).astype("f4")
        return (x > -1) if mask else x

    def led(x):
        return tuple(x_[None] for x_ in x) if isinstance(x, tuple) else x[None]

    inputs = [drawn(shape) for shape in shapes]
    settings = {
        k: drawn(v, mask=True) if isinstance(v, tuple) else v
        for k, v in settings.items()
    }
    found = layer(*inputs, **settings)
    whole = layer(
        *map(led, inputs),
        **{k: v[None] if np.ndim(v) in (1, 3) else v for k, v in settings.items()},
    )
    pairs = [(found, whole)]
    if isinstance(found, tuple):
        pairs = list(zip(found, whole, strict=True))
    for one, many in pairs:
        assert one.shape == many.shape[1:]
        near(one.data, many.data[0], 1e-6)


def test_inputs_with_and_without_a_batch_do_not_mix(rng):
    x, y = np.ones((5, 4), "f4"), np.ones((2, 6, 4), "f4")
    for layer in (nn.MultiHeadAttention(4, 2), nn.DotAttention()):
        with pytest.raises(ShapeError, match=r"without N.*\(5, 4\)"):
            layer(x, y)


def test_a_sequence_costs_the_same_without_a_batch():
    for layer in (nn.LSTM(4, 3), nn.MultiHeadAttention(4, 2)):
        alone, batch = layer.summary((5, 4)), layer.summary((1, 5, 4))
        assert alone.multiply_adds == batch.multiply_adds > 0


# --------------------------------------------------------- attention and positions


def test_dropout_of_attention_is_dropout_of_its_weights(rng):
    q, k, v = (
        Tensor(rng.standard_normal((2, 5, 4)), requires_grad=True) for _ in "qkv"
    )
    key = np.array([3, 1], np.uint64)

    def by_hand(q, k, v):
        p = ops.softmax(q @ k.swapaxes(1, 2) * 0.5)
        return ops.dropout(p, key, p=0.3) @ v

    y = ops.scaled_dot_product_attention(q, k, v, None, key, dropout=0.3)
    near(y.data, by_hand(q, k, v).data)
    for a, b in zip(
        md.grad((y * y).sum(), [q, k, v]),
        md.grad((by_hand(q, k, v) ** 2).sum(), [q, k, v]),
        strict=True,
    ):
        near(a, b)
    narrow = [x.data.astype("f4") for x in (q, k, v)]  # the fast body declines
    same = ops.scaled_dot_product_attention(*narrow, None, key, dropout=0.3)
    near(same, y.data, 1e-5)
    with pytest.raises(RangeError, match="dropout_key"):
        ops.scaled_dot_product_attention(q, k, v, dropout=0.3)


def test_rope_depends_on_distances_alone(torch, rng):
    x = rng.standard_normal((2, 3, 7, 6))
    angle = torch.outer(
        torch.arange(7.0).double(), 10000 ** (-torch.arange(0, 6, 2).double() / 6)
    )
    turn = torch.polar(torch.ones_like(angle), angle)

    def theirs(x):
        pairs = torch.view_as_complex(x.reshape(2, 3, 7, 3, 2))
        return torch.view_as_real(pairs * turn).reshape(2, 3, 7, 6)

    assert_agree(torch, nn.RoPE(), theirs, [x])
    q, k = x[0], x[1]
    here, later = (
        [nn.RoPE()(z, start=start).data for z in (q, k)] for start in (0, 11)
    )
    near(here[0] @ here[1].swapaxes(1, 2), later[0] @ later[1].swapaxes(1, 2))
    with pytest.raises(ShapeError, match="even"):
        ops.rope(np.ones((3, 5)))


# ------------------------------------------------------------- shared and second weights


class Tied(nn.Module):
    """A table of tokens that also scores them."""

    def __init__(self):
        self.table = nn.Embedding(7, 4, rng=0)
        self.head = nn.TiedLinear(self.table)

    def forward(self, tokens):
        return self.head(self.table(tokens))


def test_a_tied_layer_is_loaded_trained_and_exported_as_pytorchs(torch, rng):
    table, head = torch.nn.Embedding(7, 4), torch.nn.Linear(4, 7, bias=False)
    theirs = torch.nn.ModuleDict({"table": table, "head": head}).double()
    head.weight = table.weight
    ours = Tied().astype("float64")
    assert nn.load_torch_state_dict(ours, theirs.state_dict()) == ([], [])
    assert ours.head.weight is ours.table.weight
    assert len(ours.parameters()) == 1
    tokens, labels = rng.integers(0, 7, (2, 9))
    a, b = (
        optim.Adam(ours.parameters(), 0.1),
        torch.optim.Adam(theirs.parameters(), 0.1),
    )
    for _ in range(5):
        ours.zero_grad()
        loss = ops.cross_entropy(ours(tokens), labels)
        loss.backward()
        a.step()
        b.zero_grad()
        there = torch.nn.functional.cross_entropy(
            head(table(torch.tensor(tokens))), torch.tensor(labels)
        )
        there.backward()
        b.step()
        near(float(loss.data), there.item())
    exported = nn.to_torch_state_dict(ours)
    assert list(exported) == ["table.weight", "head.weight"]
    near(exported["head.weight"], head.weight.detach().numpy())
    twin = copy.deepcopy(ours)
    assert twin.head.weight is twin.table.weight
    biased = nn.TiedLinear(ours.table, bias=True)
    assert list(biased.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_second_bias_learns_as_in_pytorch(torch, rng, name):
    kw = {} if name == "GRU" else {"second_bias": True}
    ours = getattr(nn, name)(3, 4, 2, bidirectional=True, **kw).astype("float64")
    theirs = getattr(torch.nn, name)(3, 4, 2, batch_first=True, bidirectional=True)
    theirs = theirs.double()
    assert nn.load_torch_state_dict(ours, theirs.state_dict()) == ([], [])
    a, b = (
        optim.Adam(ours.parameters(), 0.01),
        torch.optim.Adam(theirs.parameters(), 0.01),
    )
    x, t = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5, 8))
    for _ in range(20):
        ours.zero_grad()
        loss = ops.mse_loss(ours(Tensor(x))[0], t)
        loss.backward()
        a.step()
        b.zero_grad()
        there = torch.nn.functional.mse_loss(
            theirs(torch.tensor(x))[0], torch.tensor(t)
        )
        there.backward()
        b.step()
        near(float(loss.data), there.item())
    state = theirs.state_dict()
    exported = nn.to_torch_state_dict(ours)
    assert exported.keys() == state.keys()
    for key, array in exported.items():
        near(array, state[key].numpy())


def test_cells_have_a_second_bias_too(rng):
    x = rng.standard_normal((2, 3)).astype("f4")
    for kind in (nn.RNNCell, nn.LSTMCell):
        one, two = kind(3, 4, rng=0), kind(3, 4, second_bias=True, rng=0)
        two.bias_h.data[:] = 0.3
        one.bias.data += 0.3
        a, b = one(x), two(x)
        a, b = (a[0], b[0]) if isinstance(a, tuple) else (a, b)
        near(a.data, b.data, 1e-6)
        assert kind(3, 4, bias=False, second_bias=True).bias_h is None


# ---------------------------------------------------------------------- containers


def test_unflatten_is_the_way_back_from_flatten(rng):
    x = rng.standard_normal((2, 12))
    for shape in ((3, 2, 2), (3, -1, 2)):
        y = nn.Unflatten(1, shape)(x)
        assert y.shape == (2, 3, 2, 2)
        near(nn.Flatten()(y).data, x)
    assert nn.Unflatten(-2, (1, 2))(x).shape == (1, 2, 12)
    for axis, shape in ((1, (5, 2)), (1, (5, -1)), (2, (12,)), (1, (-1, -1))):
        with pytest.raises(ShapeError, match="Unflatten"):
            nn.Unflatten(axis, shape)(x)


def test_a_module_dict_keeps_its_modules_by_name():
    net = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ReLU()})
    net["c"] = nn.Linear(3, 1)
    assert list(net) == list(net.keys()) == ["a", "b", "c"]
    assert len(net) == 3
    assert "a" in net
    assert "training" not in net
    assert [type(m) for m in net.values()] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [*net.state_dict()] == ["a.weight", "a.bias", "c.weight", "c.bias"]
    assert dict(net.items())["b"] is net["b"]
    del net["b"]
    assert list(net) == ["a", "c"]
    for key in ("x.y", "forward", "", "_hooks", 3):
        with pytest.raises(RangeError, match="key"):
            net[key] = nn.ReLU()
    with pytest.raises(IndexRangeError, match="a, c"):
        net["b"]
    with pytest.raises(DTypeError, match="no layer"):
        net["d"] = 3


# ---------------------------------------------------------------------------- data


def test_a_balanced_sampler_shows_every_class_equally_often():
    labels = np.array([0] * 90 + [1] * 7 + [5] * 3)
    sampler = data.BalancedSampler(labels)
    orders = [sampler.order(seed=1, epoch=e) for e in range(3)]
    for order in orders:
        counts = np.bincount(labels[order], minlength=6)[[0, 1, 5]]
        assert sorted(counts) == [33, 33, 34]
        for k in (1, 5):  # each of its own equally often, too
            seen = np.bincount(order, minlength=100)[labels == k]
            assert seen.max() - seen.min() <= 1
        assert np.bincount(order, minlength=100)[labels == 0].max() == 1
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], sampler.order(seed=1, epoch=0))
    x = np.arange(100.0)
    loader = data.DataLoader((x, labels), 10, sampler=data.BalancedSampler(labels, 30))
    batches = [y.data for _, y in loader]
    assert len(batches) == len(loader) == 3
    assert np.bincount(np.concatenate(batches))[[0, 1, 5]].tolist() == [10, 10, 10]
    with pytest.raises(RangeError, match="shuffle"):
        data.DataLoader((x, labels), sampler=sampler, shuffle=True)
    with pytest.raises(RangeError, match="100 labels"):
        data.DataLoader((x[:9], labels[:9]), sampler=sampler)
    with pytest.raises(DTypeError, match="whole"):
        data.BalancedSampler([0.5, 1.0])


def test_from_dlpack_shares_memory(torch):
    theirs = torch.arange(6.0).reshape(2, 3)
    ours = md.from_dlpack(theirs)
    assert isinstance(ours, Tensor)
    theirs[0, 0] = 7
    assert ours[0, 0].item() == 7
    near(ops.from_dlpack(np.arange(3)).data, [0, 1, 2])
    tracked = torch.ones(2, requires_grad=True)
    for bad in (tracked, torch.ones(2, dtype=torch.bfloat16), [1.0]):
        with pytest.raises(DTypeError, match="from_dlpack"):
            ops.from_dlpack(bad)
