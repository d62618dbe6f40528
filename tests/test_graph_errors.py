"""What the engine refuses, and what it says; debug()."""

from __future__ import annotations

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, grad, no_grad, ops
from minidl.engine.op import op
from minidl.errors import DTypeError, GraphError, NonFiniteError, ShapeError


def leaf(*shape, seed=0):
    return Tensor(
        np.random.default_rng(seed).standard_normal(shape), requires_grad=True
    )


# What is refused


def test_backward_twice():
    x = leaf(3)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad, 4 * x.data)
    with pytest.raises(GraphError, match=r"second time.*retain_graph=True"):
        y.backward()


def test_backward_of_something_that_is_no_number():
    x = leaf(3)
    with pytest.raises(GraphError, match=r"one number.*\(3,\).*\.sum\(\)"):
        (x * x).backward()
    with pytest.raises(ShapeError, match="shape and dtype of y"):
        (x * x).backward(np.ones(4))
    with pytest.raises(DTypeError, match="float32"):
        (x * x).backward(np.ones(3, np.float32))


def test_backward_of_what_depends_on_nothing():
    with pytest.raises(GraphError, match="depends on nothing"):
        (Tensor([1.0]) * 2.0).sum().backward()
    with pytest.raises(GraphError, match="depends on nothing"):
        grad(np.float32(1), leaf(1))  # a plain number


def test_create_graph_belongs_to_grad():
    with pytest.raises(GraphError, match=r"minidl\.grad"):
        leaf(3).sum().backward(create_graph=True)


def test_unused_is_an_error_unless_allowed():
    x, other = leaf(3), leaf(3)
    with pytest.raises(GraphError, match=r"xs\[1\].*allow_unused"):
        grad((x * x).sum(), [x, other])
    assert grad((x * x).sum(), [x, other], allow_unused=True)[1] is None
    with pytest.raises(GraphError, match="requires_grad=True"):
        grad(x.sum(), Tensor([1.0]))


def test_integers_have_no_gradient():
    with pytest.raises(DTypeError, match="only floats have gradients"):
        Tensor(np.arange(3), requires_grad=True)
    with pytest.raises(DTypeError, match="only floats"):
        Tensor(np.arange(3)).requires_grad_()


def test_no_gradient_for_a_mask():
    @op
    def masked(x, mask):
        return x * mask, (lambda g: g * mask, None)

    for mask in (leaf(3), leaf(3) * 1.0):  # a leaf, and something computed
        with pytest.raises(GraphError, match="masked has no gradient"):
            masked(leaf(3), mask).sum().backward()


@pytest.mark.parametrize("maps", [True, False])
def test_a_forgotten_sum_is_not_repaired(maps):
    @op
    def bad(x, w, b):
        ways = (lambda g: g @ w.T, lambda g: x.T @ g, lambda g: g)
        return x @ w + b, ways if maps else (lambda g: tuple(way(g) for way in ways))

    with pytest.raises(GraphError, match=r"bad.*\(3, 2\).*\(2,\).*sum\(axis=0\)"):
        bad(leaf(3, 4), leaf(4, 2), leaf(2)).sum().backward()


def test_too_few_gradients_are_noticed():
    @op
    def bad(a, b):
        return a * b, lambda g: (g * b,)

    with pytest.raises(GraphError, match="bad has 2 inputs and returned 1 map"):
        bad(leaf(2), leaf(2)).sum().backward()

    @op
    def worse(a, b):
        return a * b, (lambda g: g * b,)

    with pytest.raises(GraphError, match="worse has 2 inputs and returned 1 map"):
        worse(leaf(2), leaf(2))


@pytest.mark.parametrize("make", [leaf, np.ones, np.arange])
def test_an_op_without_a_way_back_is_noticed_at_its_first_call(make):
    @op
    def forgot(x):
        return x * 2

    for shape in (1, 2, 3):
        with pytest.raises(GraphError, match="forgot returned one ndarray"):
            forgot(make(shape))

    @op
    def alone(x):
        return (x * 2,)

    with pytest.raises(GraphError, match="alone returned one ndarray"):
        alone(make(2))


@pytest.mark.parametrize("make", [leaf, np.ones, np.arange])
@pytest.mark.parametrize("aux", [(np.ones(2),), (3,), ([1, 2],), ((1,), (2,))])
def test_what_an_op_returns_beside_its_pair_is_one_tuple(make, aux):
    @op
    def more(x):
        return x * 2, (lambda g: g * 2,), *aux

    kinds = ", ".join(type(x).__name__ for x in aux)
    with pytest.raises(GraphError, match=rf"more returned {kinds} after.*one tuple"):
        more(make(2))


def test_a_backward_that_writes_into_g_is_named():
    @op
    def gate(x):
        def back(g):
            g *= x > 0
            return g

        return x * (x > 0), (back,)

    x = leaf(3)
    with pytest.raises(GraphError, match=r"gate wrote into g.*g \* mask"):
        gate(x).sum().backward()


def test_a_failing_backward_leaves_every_grad_alone():
    @op
    def bad(x):
        def backward(g):
            raise RuntimeError("broken")

        return x * 1.0, backward

    x, w = leaf(3), leaf(3)
    with pytest.raises(RuntimeError, match="broken"):
        (w * bad(x)).sum().backward()
    assert x.grad is None
    assert w.grad is None


def test_only_a_write_that_matters_is_an_error():
    x, w = leaf(3, 4), leaf(4, 2)
    b = leaf(2)
    y = ops.affine(x, w, b).sum()
    b.touch()  # b is not saved
    y.backward()
    y = ops.affine(x, w, b).sum()
    with no_grad():
        w -= 0.1
    with pytest.raises(GraphError, match="affine saved an array"):
        y.backward()
    y = x.exp()
    z = y.sum()
    x.touch()  # exp saved y, not x
    grad(z, x, retain_graph=True)
    with pytest.raises(GraphError, match="exp"):  # the body would run on other values
        grad(z, x, create_graph=True)


def test_a_view_shares_its_owner():
    x, w = Tensor(np.ones((4, 2))), leaf(4, 2)
    view = x.T
    z = (x * w).sum()
    view[0] = 0.0
    with pytest.raises(GraphError, match="multiply"):
        grad(z, w)


def test_writing_into_the_tracked():
    x = leaf(3)
    with pytest.raises(GraphError, match="where"):
        x[0] = 1.0
    with pytest.raises(GraphError, match="where"):
        (x * 2.0)[0] = 1.0
    with pytest.raises(GraphError, match="where"):
        Tensor(np.zeros(3))[0] = x[0]
    with no_grad():
        x[0] = 7.0
    assert x.data[0] == 7.0


def test_in_place_operators():
    x = leaf(3)
    with pytest.raises(GraphError, match=r"no_grad"):
        x += 1.0
    before, keep = x.data.copy(), x
    with no_grad():
        x -= 1.0
    assert x is keep
    np.testing.assert_array_equal(x.data, before - 1)
    y = x * 1.0
    z = y
    y *= x  # computed: a new value, as for a number
    assert z is not y
    (dx,) = grad(y.sum(), x)
    np.testing.assert_allclose(dx, 2 * x.data)
    plain = Tensor(np.zeros(3))
    plain += x  # the other is tracked: a new value
    assert plain.requires_grad


def test_a_wrong_dtype_on_the_way_is_noticed():
    @op
    def widens(x):
        return x * 1.0, lambda g: g.astype(np.float64)

    with pytest.raises(DTypeError, match="changed the dtype"):
        widens(Tensor([1.0, 2.0], requires_grad=True)).sum().backward()


# debug()


def test_debug_names_the_line_that_made_a_nan():
    x = Tensor([1.0, 0.0], requires_grad=True)
    with md.debug(), pytest.raises(NonFiniteError, match=r"log made -inf.*test_graph"):
        (x * 2.0).log()


@pytest.mark.parametrize("one", [False, True], ids=["maps", "one function"])
@pytest.mark.parametrize("several", [False, True], ids=["one output", "several"])
def test_debug_names_the_first_place(several, one):
    @op
    def inverse(x):
        y, slope = 1 / x, -1 / x**2
        back = (lambda g, h: h * slope) if several else (lambda g: g * slope)
        return (x, y) if several else y, back if one else (back,)

    place = r"inverse made inf .*\(shape \(2, 2\), first at \(1, 0\)\)"
    with md.debug(), pytest.raises(NonFiniteError, match=place):
        inverse(Tensor([[1.0, 2.0], [0.0, 4.0]], requires_grad=True))


def test_debug_watches_the_inputs_that_higher_orders_start_from():
    @op
    def cube(x):
        slope = 3 * x**2
        return x**3, (lambda g: g * slope,)

    x = leaf(3)
    with md.debug():
        y = cube(x).sum()
        x.data[0] = 5.0
        with pytest.raises(GraphError, match=r"cube, recorded at test_graph"):
            grad(y, x, create_graph=True)


def test_debug_watches_the_way_back():
    x = Tensor([1.0, 0.0], requires_grad=True)
    with md.debug():
        y = ops.sqrt(x).sum()
        with pytest.raises(NonFiniteError, match=r"backward of sqrt.*test_graph"):
            y.backward()


def test_debug_lets_an_infinity_through_that_came_in():
    with md.debug():
        y = Tensor([np.inf, 1.0]) * 2.0
    assert np.isinf(y.data[0])


@pytest.mark.parametrize("again", [False, True])
def test_debug_catches_what_was_written_behind_its_back(again):
    x, w = leaf(3), leaf(3)
    with md.debug():
        y = (x * w).sum()
        w.data[0] = 5.0  # no touch(): only the checksum can see it
        with pytest.raises(GraphError, match=r"multiply, recorded at test_graph"):
            grad(y, x, create_graph=again)


def test_debug_off_costs_nothing_and_leaves_nothing():
    from minidl.engine.modes import watchers

    with md.debug():
        pass
    assert watchers == []


def test_a_list_or_a_numpy_scalar_takes_the_dtype_of_the_tensor():
    x = Tensor([1.0, 2.0])
    for y in (x - [1, 2], [1, 2] - x, x * np.float64(2), np.float64(2) * x):
        assert y.dtype == np.float32
    np.testing.assert_array_equal((x - [3, 2]).data, [-2.0, 0.0])
