"""Arithmetic without closures: equal to the plain bodies, and light on the collector."""

import gc

import numpy as np
import pytest

from minidl import Tensor, grad, no_grad, ops
from minidl.engine.op import Rule
from minidl.errors import GraphError

RULES = {"add": 2, "subtract": 2, "multiply": 2, "negative": 1}
EDGES = np.array([0.0, -0.0, 1.5, -2.0, 1e38, np.inf, -np.inf, np.nan], "f4")


@pytest.mark.parametrize("name", RULES)
def test_it_equals_the_plain_body_to_the_last_bit(name):
    op = getattr(ops, name)
    arrays = [EDGES, EDGES[::-1]][: RULES[name]]
    xs = [Tensor(x, requires_grad=True) for x in arrays]
    g = np.arange(-3, 5, dtype="f4")
    with np.errstate(all="ignore"):
        y = op(*xs)
        assert type(y.node.back) is Rule
        want, ways = op.body(*arrays)
        ways = ways if isinstance(ways, tuple) else (ways,)
        np.testing.assert_array_equal(y.data.view("u4"), want.view("u4"))
        for got, way in zip(grad(y, xs, g), ways, strict=True):
            np.testing.assert_array_equal(got.view("u4"), way(g).view("u4"))


def test_gradients_of_gradients_know_constants_and_both_inputs():
    a, b = (Tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
    y = a * b * a - b * np.float32(2)
    (da,) = grad(y.sum(), a, create_graph=True)
    assert da.data.tolist() == [8.0, 18.0]  # 2 a b
    ddaa, ddab = grad(da.sum(), [a, b])
    assert (ddaa.tolist(), ddab.tolist()) == ([4.0, 6.0], [4.0, 6.0])  # 2 b, 2 a


def test_a_further_output_of_an_operation_is_an_input_as_any_other():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first, second = x
    (first * second * second).sum().backward()
    assert x.grad.tolist() == [[9.0, 16.0], [6.0, 16.0]]
    with pytest.raises(GraphError, match="retain_graph"):
        second.sum().backward()


def test_an_input_that_was_written_since_is_an_error():
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0])
    y = (x * w).sum()
    with no_grad():
        w[0] = 5.0
    with pytest.raises(GraphError, match="written in place"):
        y.backward()


def test_a_node_is_itself_and_an_operation_leaves_one_object_to_the_collector():
    x = Tensor(np.ones(4, "f4"), requires_grad=True)
    y = x * 2.0
    z = x * 2.0
    assert y.node != z.node
    assert len({y.node, z.node}) == 2
    assert y.node.edges == [(x, 0), None]
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        y = y * 0.5 + 1.0
    gc.collect()
    assert len(gc.get_objects()) - before < 1100
    for _ in range(100_000):
        y = -y
    del y, z  # frees a long chain without recursion
