"""Containers and Linear: the layers that are no chapter of their own."""

import numpy as np
import pytest

from minidl import nn, ops
from minidl.errors import DTypeError, IndexRangeError, ShapeError

pytestmark = pytest.mark.quick


def test_sequential():
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential(a, b, c)
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(net(x).data, c(b(a(x))).data)
    assert len(net) == 3
    assert (net[0], net[-1], list(net)) == (a, c, [a, b, c])
    part = net[1:]
    assert type(part) is nn.Sequential
    assert part[1] is c  # not a copy
    assert list(part.state_dict()) == ["1.weight", "1.bias"]
    assert list(net[::-1]) == [c, b, a]
    d = nn.Linear(1, 7)
    assert net.append(d) is net
    assert net(x).shape == (4, 7)
    net[-1] = nn.Identity()
    assert net(x).shape == (4, 1)
    assert list(nn.Sequential([a, b])) == [a, b]
    assert nn.Sequential()(x) is not None


def test_ten_layers_and_more_stay_in_order():
    net = nn.Sequential(*[nn.Linear(1, 1, bias=False) for _ in range(12)])
    assert list(net.state_dict()) == [f"{i}.weight" for i in range(12)]
    assert net[11] is list(net)[-1]


def test_functions_may_stand_in_a_sequential():
    net = nn.Sequential(nn.Flatten(), ops.tanh, lambda x: x * 2)
    np.testing.assert_allclose(net(np.ones((1, 2))).data, 2 * np.tanh(np.ones((1, 2))))
    assert "Function(name='tanh')" in repr(net)


def test_module_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert len(layers) == 3
    assert list(layers.state_dict())[:2] == ["0.weight", "0.bias"]
    assert type(layers[:2]) is nn.ModuleList
    assert len(layers[:2]) == 2
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(1)


@pytest.mark.parametrize("index", [3, -4])
def test_a_layer_that_is_not_there(index):
    with pytest.raises(IndexRangeError, match="3 layers, from 0 to 2"):
        nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())[index]


def test_a_layer_without_parentheses():
    with pytest.raises(DTypeError, match="class ReLU is no layer; write it with"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(DTypeError, match="3 is no layer"):
        nn.ModuleList([3])


def test_flatten():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(nn.Flatten()(x).data, x.reshape(2, 12))
    assert nn.Flatten(start=2)(x).shape == (2, 3, 4)
    assert nn.Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    assert nn.Flatten()(np.ones(5)).shape == (5, 1)
    with pytest.raises(ShapeError, match=r"x\[None\]"):
        nn.Flatten(start=3)(np.ones((2, 2)))


def test_linear():
    layer = nn.Linear(3, 2, rng=0)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        layer(x).data, x @ layer.weight.data + layer.bias.data, rtol=1e-6
    )
    assert layer.weight.shape == (3, 2)
    assert not layer.bias.data.any()
    assert nn.Linear(3, 2, bias=False).bias is None
    assert layer(np.ones((2, 4, 3), np.float32)).shape == (2, 4, 2)
    with pytest.raises(ShapeError, match=r"takes x is nn\.Linear\(4, 2\)"):
        layer(np.ones((5, 4), np.float32))
    with pytest.raises(ShapeError, match="did you mean to flatten"):
        layer(np.ones((5, 4, 4), np.float32))
    with pytest.raises(DTypeError, match="float64"):
        layer(np.ones((5, 3)))
