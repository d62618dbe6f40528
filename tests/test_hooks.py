"""Forward hooks: who is told, in which order, and until when."""

import numpy as np

import minidl as md
from minidl.nn import Buffer, Module, Parameter


class Scale(Module):
    """y = gain · x, and a counter: with no super().__init__()."""

    def __init__(self, n=3):
        self.gain = Parameter(np.arange(1.0, n + 1, dtype=np.float32))
        self.calls = Buffer(np.zeros((), np.int64))
        self.n = n

    def forward(self, x):
        return x * self.gain


def test_hooks():
    layer, x, calls = Scale(), md.Tensor([1.0, 1.0, 1.0]), []
    first = layer.register_forward_hook(lambda m, i, y: calls.append((m, i, y)))
    double = layer.register_forward_hook(lambda m, i, y: y * 2)
    y = layer(x)
    assert y.data.tolist() == [2.0, 4.0, 6.0]  # the hook's y took its place
    assert calls[0][0] is layer
    assert calls[0][1][0] is x
    double.remove()
    double.remove()  # twice is no error
    assert layer(x).data.tolist() == [1.0, 2.0, 3.0]
    assert len(calls) == 2
    with first:
        layer(x)
    layer(x)
    assert len(calls) == 3
    assert Scale()._hooks is None  # of its own, not of the class


def test_the_same_hook_twice_is_two_hooks():
    layer, calls = Scale(), []

    def hook(module, inputs, output):
        calls.append(1)

    one, two = layer.register_forward_hook(hook), layer.register_forward_hook(hook)
    layer(md.Tensor([1.0, 1.0, 1.0]))
    assert len(calls) == 2
    one.remove()
    one.remove()
    layer(md.Tensor([1.0, 1.0, 1.0]))
    assert len(calls) == 3
    two.remove()
    layer(md.Tensor([1.0, 1.0, 1.0]))
    assert len(calls) == 3


def test_a_hook_may_remove_itself():
    layer, calls = Scale(), []

    def once(module, inputs, output):
        calls.append("once")
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda m, i, y: calls.append("always"))
    for _ in range(2):
        layer(md.Tensor([1.0, 1.0, 1.0]))
    assert calls == ["once", "always", "always"]


def test_a_hook_that_registers_another_is_not_overtaken_by_it():
    layer, calls = Scale(), []

    def first(module, inputs, output):
        module.register_forward_hook(lambda m, i, y: calls.append("new"))

    layer.register_forward_hook(first)
    layer(md.Tensor([1.0, 1.0, 1.0]))
    assert calls == []  # from the next call on
    layer(md.Tensor([1.0, 1.0, 1.0]))
    assert calls == ["new"]
