"""Operators of a Tensor: with numbers, arrays and Tensors on either side, and in place."""

import numpy as np
import pytest

import minidl as md
from minidl import Tensor
from minidl.errors import DTypeError, GraphError, ShapeError


def leaf(data, dtype=None):
    return Tensor(data, requires_grad=True, dtype=dtype)


def close(y, expected):
    np.testing.assert_allclose(getattr(y, "data", y), expected, rtol=1e-6)


BINARY = {
    "+": (lambda a, b: a + b),
    "-": (lambda a, b: a - b),
    "*": (lambda a, b: a * b),
    "/": (lambda a, b: a / b),
    "**": (lambda a, b: a**b),
}
OTHERS = [
    2,
    2.5,
    np.float32(1.5),
    np.float64(1.5),
    np.array(3.0, np.float32),
    np.array([1.0, 2.0, 3.0], np.float32),
    np.array([[1.0], [2.0]], np.float32),
]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("name", BINARY)
def test_operators_take_arrays_and_numbers_on_either_side(name, other):
    f, data = BINARY[name], np.array([0.5, 1.5, 2.5], np.float32)
    for x in (Tensor(data), leaf(data)):
        for y, expected in (
            (f(x, other), f(data, other)),
            (f(other, x), f(other, data)),
        ):
            assert isinstance(y, Tensor)
            assert y.dtype == np.float32
            assert y.requires_grad == x.requires_grad
            close(y, expected)


def test_matrix_products_take_arrays_on_either_side():
    a, b = np.ones((2, 3), np.float32), np.full((3, 2), 2, np.float32)
    for y in (leaf(a) @ b, a @ leaf(b), leaf(a) @ leaf(b)):
        assert isinstance(y, Tensor)
        close(y, a @ b)


def test_unary_operators():
    x = leaf([-1.0, 2.0])
    close(-x, [1, -2])
    close(+x, [-1, 2])
    close(abs(x), [1, 2])
    close((x**2), [1, 4])
    assert (x**2).node.name == "square"


def test_numpy_functions_of_a_tensor_become_ops():
    x = leaf([0.25, 1.0])
    for f in (np.exp, np.sqrt, np.tanh, np.absolute, np.negative, np.square, np.log):
        y = f(x)
        assert isinstance(y, Tensor)
        assert y.requires_grad
        close(y, f(x.data))
    close(np.maximum(x, np.float32(0.5)), [0.5, 1])
    close(np.power(2.0, x), 2.0**x.data)


def test_comparisons_give_plain_truth_values():
    x, a = leaf([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0], np.float32)
    for other in (a, Tensor(a), 2.0, 2, np.float32(2)):
        b = getattr(other, "data", other) if isinstance(other, Tensor) else other
        for y, expected in [
            (x > other, x.data > b),
            (x >= other, x.data >= b),
            (x < other, x.data < b),
            (x <= other, x.data <= b),
            (x == other, x.data == b),
            (x != other, x.data != b),
            (other > x, b > x.data),
            (other <= x, b <= x.data),
            (other == x, b == x.data),
        ]:
            assert type(y) is np.ndarray
            assert y.dtype == bool
            np.testing.assert_array_equal(y, expected)
    assert type(np.isnan(x)) is np.ndarray


def test_comparing_shapes_that_do_not_fit_is_a_shape_error():
    with pytest.raises(ShapeError, match=r"\(2,\), \(3,\)"):
        _ = Tensor([1, 2]) > Tensor([1, 2, 3])


def test_a_tensor_is_a_key_by_what_it_is():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1}.get(x) == 1
    assert y not in {x: 1}


@pytest.mark.parametrize("name", BINARY)
def test_float_widths_do_not_mix(name):
    f, x = BINARY[name], leaf([1.0, 2.0])
    for other in (np.ones(2), Tensor(np.ones(2)), leaf(np.ones(2))):
        message = r"{} is float32 \(2,\).*{}\.astype\('float32'\)"
        with pytest.raises(DTypeError, match=message.format("a", "b")):
            f(x, other)
        with pytest.raises(DTypeError, match=message.format("b", "a")):
            f(other, x)
    close(f(x, np.ones(2).astype("float32")), f(x.data, 1))


def test_integers_and_truth_values_do_not_widen():
    x = leaf([1.0, 2.0])
    assert (x * True).dtype == np.float32
    assert (x > 1.5).sum() == 1
    labels = Tensor(np.array([1, 2]))
    assert (labels + 1).dtype == np.int64
    assert not (labels + 1).requires_grad


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**"])
def test_shapes_that_do_not_stretch_are_named(name):
    with pytest.raises(ShapeError, match=r"\(2, 3\), \(2,\).*x\[:, None\]"):
        BINARY[name](leaf(np.ones((2, 3))), np.ones(2))


def test_the_matrix_product_says_what_must_fit():
    with pytest.raises(ShapeError, match=r"a \(2, 3\) @ b \(2, 3\).*last axis of a"):
        leaf(np.ones((2, 3))) @ leaf(np.ones((2, 3)))


def test_what_is_no_number_is_a_dtype_error():
    for other in ("a", None, object()):
        with pytest.raises((DTypeError, TypeError)):
            _ = leaf([1.0]) + other


# In place


def test_in_place_on_a_computed_tensor_makes_a_new_one():
    x = leaf([1.0, 2.0])
    y = before = x * 2
    y += 1
    assert y is not before
    close(before, [2, 4])
    (y * y).sum().backward()
    close(x.grad, 2 * (2 * x.data + 1) * 2)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/"])
def test_in_place_on_a_leaf_while_recording_is_refused(sign):
    x = leaf([1.0])
    with pytest.raises(GraphError, match="no_grad"):
        exec(f"x {sign}= 2", {"x": x})


def test_in_place_under_no_grad_writes():
    x = leaf([1.0, 2.0])
    data = x.data
    with md.no_grad():
        x -= 0.5 * x.data
        x *= 2
        x /= 2
        x += 1
    assert x.data is data
    close(x, [1.5, 2.0])


def test_in_place_on_an_untracked_leaf_writes_unless_the_other_is_tracked():
    x = same = Tensor([1.0, 2.0])
    x += 1
    assert x is same
    close(x, [2, 3])
    x += leaf([1.0, 1.0])
    assert x is not same
    assert x.requires_grad
    close(same, [2, 3])


def test_in_place_cannot_change_the_shape_or_the_kind():
    x = Tensor([1.0, 2.0])
    with pytest.raises(ShapeError):
        x += np.ones((3, 2), np.float32)
    n = Tensor(np.array([1, 2]))
    with pytest.raises(DTypeError):
        n += 0.5
