"""A Tensor behaves as a number, a NumPy array or a container would."""

import copy
import math
import pickle

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, ops
from minidl.errors import DTypeError, GraphError, IndexRangeError, ShapeError


def leaf(data, dtype=None):
    return Tensor(data, requires_grad=True, dtype=dtype)


def close(y, expected):
    np.testing.assert_allclose(getattr(y, "data", y), expected, rtol=1e-6)


# Making one


def test_an_array_is_copied_unless_told_otherwise():
    a = np.zeros(3)
    x, shared = Tensor(a), Tensor(a, copy=False)
    a[0] = 1
    assert x.data[0] == 0
    assert shared.data[0] == 1


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "float32"),
        ([1, 2], "float32"),
        ([[1.5], [2.5]], "float32"),
        ([True, False], "bool"),
        (np.float64(2), "float64"),
        (np.arange(3), "int64"),
        (np.ones(2, np.float16), "float16"),
        (np.array([True]), "bool"),
    ],
)
def test_arrays_keep_their_dtype_and_python_gets_the_default(data, dtype):
    x = Tensor(data)
    assert x.dtype == dtype
    assert isinstance(x.data, np.ndarray)


def test_the_default_dtype_can_be_changed():
    md.default_dtype("float64")
    assert Tensor([1, 2]).dtype == "float64"
    assert ops.zeros(2).dtype == "float64"


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: leaf(np.arange(3)), DTypeError, "only floats have gradients"),
        (lambda: Tensor(["a"]), DTypeError, "floats, integers or truth values"),
        (lambda: Tensor([[1, 2], [3]]), ShapeError, "every row the same length"),
        (lambda: Tensor(np.arange(3)).requires_grad_(), DTypeError, "only floats"),
    ],
)
def test_what_cannot_be_a_tensor_says_why(make, error, words):
    with pytest.raises(error, match=words):
        make()


# Indexing, writing and iteration


def test_writing_into_a_tensor():
    x = Tensor([1.0, 2.0, 3.0])
    x[1:] = 0
    x[np.array([True, False, False])] = Tensor([5.0])
    close(x, [5, 0, 0])
    with pytest.raises(GraphError, match="where"):
        leaf([1.0])[0] = 2
    with pytest.raises(GraphError, match="where"):
        x[0] = leaf(2.0)


def test_indexing_with_tensors_lists_and_masks():
    x = Tensor(np.arange(12.0).reshape(3, 4))
    i = Tensor(np.array([2, 0]))
    close(x[i], x.data[[2, 0]])
    close(x[i, Tensor(np.array([1, 1]))], x.data[[2, 0], 1])
    close(x[[0, 0]], x.data[[0, 0]])
    close(x[x > 5], np.arange(6.0, 12))
    close(x[Tensor(np.array(1))], x.data[1])
    close(x[:, x[0] > 1.5], x.data[:, 2:])
    assert x[1, 2].shape == ()
    assert isinstance(x[1, 2].data, np.ndarray)


def test_gradients_of_repeated_indices_accumulate():
    x = leaf(np.zeros(3))
    (x[[0, 0, 2]] * np.array([1.0, 2.0, 4.0])).sum().backward()
    close(x.grad, [3, 0, 4])


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (3, IndexRangeError),
        (-4, IndexError),
        ((0, 0), IndexRangeError),
        (np.array([0, 5]), IndexRangeError),
        (np.array([0.5]), DTypeError),
        ("a", DTypeError),
    ],
    ids=repr,
)
def test_a_wrong_index_names_the_shape(index, error):
    with pytest.raises(error, match="getitem"):
        _ = leaf(np.zeros(3))[index]


def test_iteration_is_one_node():
    x = leaf(np.arange(6.0).reshape(3, 2))
    a, b, c = x
    assert a.node is b.node is c.node
    assert a.node.name == "unstack"
    (a * 1 + c * 2).sum().backward()
    close(x.grad, [[1, 1], [0, 0], [2, 2]])
    assert [float(row.sum()) for row in Tensor([[1.0, 2.0], [3.0, 4.0]])] == [3, 7]


def test_numbers_are_no_containers():
    x = Tensor(1.0)
    with pytest.raises(TypeError, match="0-d"):
        iter(x)
    with pytest.raises(TypeError, match="0-d"):
        len(x)


def test_len_and_in():
    x = leaf([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert len(x) == 3
    assert 4.0 in x
    assert 7 not in x
    assert Tensor(2.0) in x


# As a number


def test_numbers():
    x = leaf([2.5])
    assert float(x) == 2.5
    assert int(x) == 2
    assert x.item() == 2.5
    assert type(x.item()) is float
    assert f"{x:.2f}" == "2.50"
    assert bool(Tensor([0.0])) is False
    assert bool(Tensor(3))
    assert [10, 20][Tensor(np.array(1))] == 20
    assert math.sqrt(Tensor(4.0)) == 2
    assert Tensor([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    "convert", [float, int, bool, lambda x: x.item(), "{:.1f}".format]
)
def test_several_numbers_are_no_number(convert):
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        convert(Tensor([1.0, 2.0]))


def test_a_float_is_no_index():
    with pytest.raises(TypeError, match="index"):
        [1, 2][Tensor(1.0)]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (leaf(1.5), "Tensor(1.5, requires_grad=True)"),
        (leaf(1.5) * 2, "Tensor(3., made by multiply)"),
        (Tensor(np.array([1, 2])), "Tensor([1, 2], dtype=int64)"),
        (leaf(np.ones(1)), "Tensor([1.], dtype=float64, requires_grad=True)"),
    ],
    ids=str,
)
def test_repr(x, text):
    assert repr(x) == text


# Out of the graph


@pytest.mark.parametrize(
    "leave",
    [
        np.asarray,
        np.array,
        np.sum,
        np.add.reduce,
        np.floor,
        np.from_dlpack,
        lambda x: x.numpy(),
        lambda x: np.concatenate([np.ones(1), x]),
        lambda x: np.logaddexp(Tensor(np.ones(2)), x),
        lambda x: np.add(np.ones(2), x, out=np.ones(2)),
    ],
)
def test_what_would_leave_the_graph_is_refused_while_tracked(leave):
    x = leaf(np.ones(2))
    with pytest.raises(GraphError, match="detach"):
        leave(x)
    with pytest.raises(GraphError, match="detach"):
        leave(x * 2)
    expected = leave(Tensor(np.ones(2)))
    np.testing.assert_array_equal(leave(x.detach()), expected)
    with md.no_grad():
        np.testing.assert_array_equal(leave(x), expected)


def test_the_values_of_what_is_tracked_can_be_read_alone():
    x = leaf([1.0, 2.0])
    with md.no_grad():
        values = x.numpy()
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 3.0
    x.detach().numpy()[0] = 3.0  # the same memory
    assert values.tolist() == x.data.tolist() == [3, 2]


def test_detach_shares_memory_and_tracks_nothing():
    x = leaf([1.0])
    y = (x * 1).detach()
    assert y.is_leaf
    assert not y.requires_grad
    assert np.shares_memory(x.detach().data, x.data)


def test_copies_and_pickles_are_for_leaves():
    x = leaf([1.0, 2.0])
    x.grad = np.ones(2, np.float32)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        close(twin, x.data)
        close(twin.grad, x.grad)
        assert twin.requires_grad
        assert twin.is_leaf
        assert not np.shares_memory(twin.data, x.data)
        assert not np.shares_memory(twin.grad, x.grad)
    shared = copy.deepcopy([x, x])
    assert shared[0] is shared[1]
    for f in (copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match="detach"):
            f(x * 2)


# Methods


def test_methods_are_the_ops():
    x = Tensor(np.random.default_rng(0).uniform(0.5, 1.5, (2, 3)))
    for name in [
        "relu",
        "abs",
        "exp",
        "log",
        "sqrt",
        "square",
        "tanh",
        "sin",
        "cos",
        "sigmoid",
        "sum",
        "mean",
        "var",
        "std",
        "prod",
        "max",
        "min",
        "norm",
        "logsumexp",
        "any",
        "all",
        "argmax",
    ]:
        close(getattr(x, name)(), getattr(ops, name)(x.data))
    close(x.sum(0), x.data.sum(0))
    close(x.mean(axis=1, keepdims=True), x.data.mean(axis=1, keepdims=True))
    close(x.std(1, ddof=1), x.data.std(1, ddof=1))
    close(x.clip(0.7, 1.0), x.data.clip(0.7, 1.0))
    close(x.clip(high=1.0), x.data.clip(None, 1.0))
    close(x.cumsum(1), x.data.cumsum(1))
    close(x.take(np.array([0, 2]), axis=1), x.data[:, [0, 2]])
    close(x.masked_fill(x > 1, 0.0), np.where(x.data > 1, 0, x.data))


def test_methods_that_lay_out():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4))
    a = x.data
    for y, expected in [
        (x.T, a.T),
        (x.reshape(6, 4), a.reshape(6, 4)),
        (x.reshape((6, -1)), a.reshape(6, 4)),
        (x.reshape([6, 4]), a.reshape(6, 4)),
        (x.reshape(np.int64(24)), a.reshape(24)),
        (x.reshape(-1), a.ravel()),
        (x.transpose(), a.T),
        (x.transpose(None), a.T),
        (x.transpose(1, 0, 2), a.transpose(1, 0, 2)),
        (x.transpose((2, 0, 1)), a.transpose(2, 0, 1)),
        (x.swapaxes(0, -1), a.swapaxes(0, -1)),
        (x.flatten(), a.ravel()),
        (x.flatten(1), a.reshape(2, 12)),
        (x[:, :1].squeeze(1), a[:, 0]),
        (x.expand_dims(1), a[:, None]),
        (x[0, 0].broadcast_to((2, 4)), np.stack([a[0, 0]] * 2)),
    ]:
        np.testing.assert_array_equal(y.data, expected)
    assert Tensor(np.zeros((0, 3, 4))).flatten(1).shape == (0, 12)


def test_astype_is_differentiable_between_floats():
    x = leaf([1.0, 2.0])
    y = x.astype("float64")
    assert y.dtype == "float64"
    (y * np.array([3.0, 5.0])).sum().backward()
    close(x.grad, [3, 5])
    assert x.grad.dtype == np.float32
    assert x.astype(np.float32) is x
    labels = x.astype("int64")
    assert labels.dtype == np.int64
    assert not labels.requires_grad


def test_to_goes_there_and_stays(device):
    x = leaf([1.0, 2.0])
    y = x.to(device)
    assert y.device == device
    assert y.to(device) is y
    (y * 2).sum().backward()
    close(x.grad, [2, 2])
