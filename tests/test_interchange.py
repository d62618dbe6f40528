"""PyTorch's weights in our layers and ours in its: the same outputs, to 1e-10.

Every layer of nn that keeps something stands in TWINS, or the last test fails. What can
be said without PyTorch is said without it.
"""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import minidl as md
from minidl import nn
from minidl.errors import DTypeError, ShapeError
from minidl.nn import Module, Parameter
from minidl.nn.interchange import Layout

# our class, arguments, PyTorch's name (if another), its arguments, shape of the input
TWINS = [
    ("Linear", (5, 3), None, (5, 3), (4, 5)),
    ("Linear", (5, 3, False), None, (5, 3, False), (4, 5)),
    ("Conv1d", (4, 6, 3, 2, 1), None, (4, 6, 3, 2, 1), (2, 4, 9)),
    ("Conv2d", (4, 6, 3, 2, 1), None, (4, 6, 3, 2, 1), (2, 4, 7, 8)),
    ("Conv2d", (4, 6, 3, 1, 1, 1, 2), None, (4, 6, 3, 1, 1, 1, 2), (2, 4, 7, 8)),
    ("ConvTranspose2d", (4, 6, 3, 2, 1, 1), None, (4, 6, 3, 2, 1, 1), (2, 4, 5, 5)),
    ("ConvTranspose2d", (4, 6, 2, 2, 0, 0, 2), None, (4, 6, 2, 2, 0, 0, 2), (2, 4, 5, 5)),
    ("BatchNorm1d", (3,), None, (3,), (6, 3)),
    ("BatchNorm2d", (3,), None, (3,), (4, 3, 5, 5)),
    ("BatchNorm2d", (3, 1e-3, 0.2, False), None, (3, 1e-3, 0.2, False), (4, 3, 5, 5)),
    ("BatchNorm1d", (3, 1e-5, 0.1, True, False), None, (3, 1e-5, 0.1, True, False), (6, 3)),
    ("LayerNorm", (5,), None, (5,), (4, 5)),
    ("LayerNorm", ((3, 5),), None, ((3, 5),), (4, 3, 5)),
    ("RMSNorm", (5, 1e-5), None, (5, 1e-5), (4, 5)),
    ("GroupNorm", (2, 6), None, (2, 6), (4, 6, 3, 3)),
    ("InstanceNorm2d", (3, 1e-5, True), None, (3, 1e-5, 0.1, True), (4, 3, 5, 5)),
    ("Embedding", (7, 4), None, (7, 4), (3, 5)),
    ("PReLU", (3,), None, (3,), (4, 3)),
    ("Dropout", (0.5,), None, (0.5,), (4, 3)),
    ("Dropout2d", (0.5,), None, (0.5,), (4, 3, 2, 2)),
]  # fmt: skip
NO_TWIN = {  # layers that PyTorch does not have, and containers
    "Maxout", "GaussianNoise", "WeightNoise", "Module", "ModuleDict", "ModuleList",
    "Sequential", "TiedLinear",
}  # fmt: skip


def build(torch, row):
    """Return our layer and PyTorch's, with different random values in all of them."""
    name, ours, theirs, args, shape = row
    a = getattr(nn, name)(*ours).astype("float64")
    b = getattr(torch.nn, theirs or name)(*args).double()
    rng = np.random.default_rng(0)
    scramble(torch, b, rng)
    x = rng.standard_normal(shape)
    return a, b, rng.integers(0, ours[0], shape) if name == "Embedding" else x


def scramble(torch, module, rng):
    with torch.no_grad():
        for p in (*module.parameters(), *module.buffers()):
            if p.is_floating_point():
                p.copy_(torch.tensor(rng.uniform(0.5, 1.5, tuple(p.shape))))


def same_output(torch, ours, theirs, x):
    """In evaluation and in training, where nothing is drawn."""
    draws = any(hasattr(m, "key") for m in ours.modules())
    for training in (False,) if draws else (False, True):
        y = ours.train(training)(md.Tensor(x))
        there = theirs.train(training)(torch.tensor(x))
        y, there = (a[0] if isinstance(a, tuple) else a for a in (y, there))
        np.testing.assert_allclose(y.data, there.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("row", TWINS, ids=[f"{row[0]}{row[1]}" for row in TWINS])
def test_a_layer_takes_pytorchs_weights_and_gives_them_back(torch, row):
    ours, theirs, x = build(torch, row)
    mismatch = nn.load_torch_state_dict(ours, theirs.state_dict())
    assert mismatch == ([], [])
    exported = nn.to_torch_state_dict(ours)
    state = theirs.state_dict()
    assert list(exported) == list(state)
    for name, array in exported.items():
        np.testing.assert_array_equal(array, state[name].numpy(), strict=True)
    same_output(torch, ours, theirs, x)
    # And back, into a fresh PyTorch layer, with the statistics that training changed.
    fresh = getattr(torch.nn, row[2] or row[0])(*row[3]).double()
    arrays = nn.to_torch_state_dict(ours)
    fresh.load_state_dict({name: torch.from_numpy(a) for name, a in arrays.items()})
    same_output(torch, ours, fresh, x)


def test_every_layer_that_keeps_something_has_a_twin():
    """Here, or in a file of its own that loads PyTorch's weights (nn/recurrent.py)."""
    elsewhere = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    elsewhere = [text for text in elsewhere if "load_torch_state_dict(" in text]
    for name, layer in vars(nn).items():
        if not (inspect.isclass(layer) and issubclass(layer, Module)):
            continue
        source = inspect.getsource(layer)
        keeps = "Parameter(" in source or "Buffer(" in source
        if keeps and name not in {row[0] for row in TWINS} | NO_TWIN:
            assert any(
                re.search(rf"\b{name.removesuffix('Cell')}\b", text)
                for text in elsewhere
            ), f"{name} needs a row in TWINS, or a test that loads PyTorch's weights"


def cnn(library, linear, conv):
    return library.Sequential(
        conv(1, 4, 3), library.BatchNorm2d(4), library.ReLU(), library.MaxPool2d(2),
        library.Sequential(library.Flatten(), library.Dropout(0.5), linear(36, 10)),
    )  # fmt: skip


def test_a_network(torch, rng):
    ours = cnn(nn, nn.Linear, nn.Conv2d).astype("float64")
    theirs = cnn(torch.nn, torch.nn.Linear, torch.nn.Conv2d).double()
    scramble(torch, theirs, rng)
    key = ours[4][1].key.data.copy()
    nn.load_torch_state_dict(ours, theirs.state_dict())
    np.testing.assert_array_equal(ours[4][1].key.data, key)  # ours alone: untouched
    same_output(torch, ours, theirs, rng.standard_normal((3, 1, 8, 8)))
    assert list(nn.to_torch_state_dict(ours)) == list(theirs.state_dict())


def test_gradients_agree_too(torch, rng):
    ours, theirs = nn.Linear(5, 3).astype("float64"), torch.nn.Linear(5, 3).double()
    nn.load_torch_state_dict(ours, theirs.state_dict())
    x, g = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    ours(x).backward(g)
    theirs(torch.tensor(x)).backward(torch.tensor(g))
    np.testing.assert_allclose(
        ours.weight.grad, theirs.weight.grad.numpy().T, atol=1e-12
    )


def test_half_precision_of_pytorch(torch):
    layer = torch.nn.Linear(2, 2).to(torch.bfloat16)
    with pytest.raises(DTypeError, match=r"'weight'.*\.float\(\)"):
        nn.load_torch_state_dict(nn.Linear(2, 2), layer.state_dict())
    nn.load_torch_state_dict(nn.Linear(2, 2), layer.half().state_dict())


# --------------------------------------------------------------------- without PyTorch


class Foreign:
    """What we ask of a tensor of PyTorch: detach, cpu, numpy, in this order."""

    def __init__(self, array, stage=0):
        self.array, self.stage = array, stage

    def detach(self):
        assert self.stage == 0
        return Foreign(self.array, 1)

    def cpu(self):
        assert self.stage == 1
        return Foreign(self.array, 2)

    def numpy(self):
        assert self.stage == 2
        return self.array


W = np.arange(6.0).reshape(3, 2)  # PyTorch's: (out, in)


@pytest.mark.parametrize("wrap", [Foreign, np.asarray, np.ndarray.tolist, md.Tensor])
def test_anything_like_a_tensor(wrap):
    layer = nn.Linear(2, 3)
    state = {"weight": wrap(W), "bias": wrap(np.ones(3))}
    nn.load_torch_state_dict(layer, state)
    np.testing.assert_array_equal(layer.weight.data, W.T)
    assert layer.weight.dtype == np.float32


def test_exported_arrays_own_their_memory():
    layer = nn.Linear(2, 3)
    out = nn.to_torch_state_dict(layer)
    assert out["weight"].shape == (3, 2)
    assert out["weight"].flags.c_contiguous
    assert all(a.flags.owndata and a.flags.writeable for a in out.values())
    out["bias"] += 1
    assert not layer.bias.data.any()


def test_a_square_weight_is_transposed_too():
    layer, w = nn.Linear(2, 2, bias=False), np.array([[1.0, 2.0], [3.0, 4.0]])
    nn.load_torch_state_dict(layer, {"weight": w})
    np.testing.assert_array_equal(layer.weight.data, w.T)


def test_misfits_change_nothing():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = model.state_dict()
    state = {"0.weight": W, "0.bias": np.ones(3), "1.weight": np.ones((2, 3)), "z": W}
    with pytest.raises(ShapeError) as error:
        nn.load_torch_state_dict(model, state)
    for part in ("missing: 1.bias", "unexpected: z", "1.weight"):
        assert part in str(error.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    del state["1.weight"]
    mismatch = nn.load_torch_state_dict(model, state, strict=False)
    assert mismatch == (["1.weight", "1.bias"], ["z"])


def test_what_is_no_state():
    with pytest.raises(DTypeError, match="state_dict"):
        nn.load_torch_state_dict(nn.Linear(2, 3), {"weight": "a", "bias": None})


class Joined(Layout):
    """PyTorch keeps two children in one matrix, as in its attention."""

    def read(self, state, module):
        both = state.pop("both")
        n = len(both) // 2
        return state | {"a.weight": both[:n], "parts.0.weight": both[n:]}

    def write(self, state, module):
        halves = state.pop("a.weight"), state.pop("parts.0.weight")
        return state | {"both": np.concatenate(halves)}


class Pair(Module):
    torch_layout = Joined(names={})

    def __init__(self):
        self.a = nn.Linear(2, 3, bias=False)
        self.parts = [nn.Linear(2, 3, bias=False)]
        self.gamma = Parameter(np.ones(2))


class Owner(Module):
    torch_layout = Layout(names={"gain": "scale"}, extra={"version": 2})

    def __init__(self):
        self.gain = Parameter([3.0])
        self.pair = Pair()
        self.pair.owner = self  # a child that knows its parent


def test_a_layer_may_cut_its_parameters_otherwise():
    model = Owner()
    out = nn.to_torch_state_dict(model)
    assert set(out) == {"scale", "pair.both", "pair.gamma", "version"}
    np.testing.assert_array_equal(out["pair.both"][:3], model.pair.a.weight.data.T)
    twin = Owner()
    nn.load_torch_state_dict(twin, out)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
