"""The tape and the walk: what they compute, what they keep, what they refuse."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from minidl import Tensor, grad, no_grad, ops
from minidl.engine.op import op


def leaf(*shape, seed=0):
    return Tensor(
        np.random.default_rng(seed).standard_normal(shape), requires_grad=True
    )


# What is computed


def test_gradients_add_up_over_paths_and_calls():
    x = leaf(3)
    y = x * 2.0
    (y * y + y).sum().backward()
    once = x.grad.copy()
    np.testing.assert_allclose(once, 8 * x.data + 2)
    buffer = x.grad
    (x * 1.0).sum().backward()
    assert x.grad is buffer  # accumulated in place, as in PyTorch
    np.testing.assert_allclose(x.grad, once + 1)


def test_the_same_tensor_twice_in_one_op():
    x = leaf(3)
    (x + x).sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_grad_of_something_in_the_middle():
    x = leaf(3)
    h = x * x
    y = (h * h).sum()
    dh, dx = grad(y, [h, x])
    np.testing.assert_allclose(dh, 2 * h.data)
    np.testing.assert_allclose(dx, 4 * x.data**3)


def test_grad_runs_only_what_leads_to_x():
    ran = []

    @op
    def spy(x):
        return x * 1.0, lambda g: ran.append(1) or g * 1.0

    a, b = leaf(3), leaf(3, seed=1)
    grad((spy(a) + b).sum(), b)
    assert ran == []


def test_several_ys_with_cotangents():
    x = leaf(3)
    u = np.array([1.0, -2.0, 0.5])
    (dx,) = grad([x * 2.0, x * x], x, [u, u])
    np.testing.assert_allclose(dx, 2 * u + 2 * x.data * u)


def test_grad_records_even_under_no_grad():
    x = leaf()
    y = x * x * x
    with no_grad():
        (dx,) = grad(y, x, create_graph=True)
    (ddx,) = grad(dx, x)
    np.testing.assert_allclose(ddx, 6 * x.data)


def test_the_seed_of_second_order_can_be_differentiated():
    x, u = leaf(3), leaf(3, seed=1)
    (dx,) = grad(x * x, x, u, create_graph=True)
    (du,) = grad(dx.sum(), u)
    np.testing.assert_allclose(du, 2 * x.data)


@op
def two(x, *, factor=2.0):
    """Two outputs, and the mean as aux."""
    return (x * factor, x * x), lambda g, h: g * factor + 2.0 * x * h, (x.mean(),)


def test_several_outputs_and_aux():
    x = leaf(4)
    double, squared, mean = two(x)
    assert mean == x.data.mean()
    assert not isinstance(mean, Tensor)
    (double * squared).sum().backward()
    np.testing.assert_allclose(x.grad, 6 * x.data**2)
    plain = two(x.data)
    np.testing.assert_array_equal(plain[1], x.data**2)


@pytest.mark.parametrize("used", [0, 1])
def test_an_unused_output_gets_zeros_without_memory(used):
    x = leaf(4)
    (dx,) = grad(two(x)[used].sum(), x, create_graph=True)
    expected = np.full(4, 2.0) if used == 0 else 2 * x.data
    np.testing.assert_allclose(dx.data, expected)


def test_grad_with_respect_to_one_of_several_outputs():
    x = leaf(4)
    double, squared, _ = two(x)
    gd, gs = grad((double * squared).sum(), [double, squared])
    np.testing.assert_allclose(gd, x.data**2)
    np.testing.assert_allclose(gs, 2 * x.data)


def test_settings_by_position_inputs_by_name_and_defaults():
    x = leaf(2, 3)
    assert ops.sum(x, 0).shape == (3,)
    w, b = leaf(3, 2, seed=1), leaf(2, seed=2)
    y = ops.affine(x, w, b=b)
    np.testing.assert_allclose(y.data, x.data @ w.data + b.data)
    with pytest.raises(TypeError, match="'w' is missing"):
        ops.affine(x, b=b)
    with pytest.raises(TypeError, match="nothing called 'colour'"):
        ops.sum(x, colour=1)
    with pytest.raises(TypeError, match="fewer arguments"):
        ops.exp(x, 1)


def test_wanted_says_which_gradients_are_used():
    seen = []

    @op
    def product(a, b):
        def backward(g, wanted):
            seen.append(wanted)
            return g * b if wanted[0] else None, g * a if wanted[1] else None

        return a * b, backward

    product(leaf(2), Tensor(np.ones(2))).sum().backward()
    assert seen == [[True, False]]


def test_a_million_operations():
    x = Tensor(np.ones(1), requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    (g,) = grad(y, x)
    assert y.data[0] == 1_000_001.0
    assert g[0] == 1.0


def test_a_long_graph_dies_without_backward():
    x = Tensor(np.ones(1), requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 1.0
    end = weakref.ref(y)
    del y
    assert end() is None


# What is kept


def test_grad_arrays_share_memory_with_nothing():
    x, b = leaf(2, 2), leaf(2, 2, seed=1)
    (x + b).sum().backward()
    assert not np.shares_memory(x.grad, b.grad)
    seed = np.ones((2, 2))
    y = leaf(2, 2)
    y.backward(seed)
    assert not np.shares_memory(y.grad, seed)
    (x.T).backward(seed)
    assert x.grad.base is None


def test_a_gradient_with_one_owner_is_moved_not_copied():
    made = []

    @op
    def triple(x):
        def backward(g):
            made.append(g * 3.0)
            return made[-1]

        return x * 3.0, backward

    x = leaf(5)
    triple(x).sum().backward()
    assert x.grad is made[0]


def test_one_gradient_for_two_inputs_is_not_shared():
    @op
    def both(a, b):
        def backward(g):
            d = g * 1.0
            return d, d

        return a + b, backward

    a, b = leaf(3), leaf(3)
    both(a, b).sum().backward()
    assert not np.shares_memory(a.grad, b.grad)


def test_linear_maps_keep_no_input():
    x = leaf(3)
    h = x * 2.0
    dead = weakref.ref(h.data)
    y = (h + 1.0).sum()
    del h
    assert dead() is None
    y.backward()


def test_backward_frees_as_it_goes():
    x = leaf(1000)
    h = x.exp()
    y = h.sum()
    dead = weakref.ref(h.data)
    del h
    y.backward()
    assert dead() is None


def test_a_finished_graph_dies_by_reference_counts():
    gc.collect()
    gc.disable()
    try:
        y = (leaf(3).exp() * leaf(3)).sum()
        node = weakref.ref(y)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_slices_in_a_loop_cost_one_buffer():
    x = leaf(50, 4)
    total = sum((x[t] * float(t) for t in range(50)), start=x[0] * 0.0)
    total.sum().backward()
    np.testing.assert_allclose(x.grad, np.arange(50.0)[:, None] * np.ones(4))
    (dx,) = grad((x[0] * x[1] + x[1] * x[1]).sum(), x, create_graph=True)
    (ddx,) = grad(dx.sum(), x)
    expected = np.zeros((50, 4))
    expected[0], expected[1] = 1.0, 3.0
    np.testing.assert_allclose(ddx, expected)


def test_modes_belong_to_their_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(leaf(2).exp()))
        thread.start()
        thread.join()
        assert not leaf(2).exp().requires_grad
    assert seen[0].requires_grad


def test_no_grad_decorates_and_nests():
    @no_grad()
    def f(x):
        with no_grad():
            pass
        return x * 2.0

    assert not f(leaf(2)).requires_grad
    assert (leaf(2) * 2.0).requires_grad
