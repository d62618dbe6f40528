"""States as trees: what a checkpoint can hold comes back bit by bit."""

import numpy as np
import pytest

from minidl.errors import DTypeError
from minidl.train.packing import pack, same, unpack

TREE = {
    "int": 3,
    "large": 2**127 + 1,
    "float": 0.1,
    "strange": [float("nan"), float("inf"), -0.0, 5e-324],
    "none": None,
    "truth": [True, False],
    "word": 'γ "β"\n\ud800',
    "tuple": (1, (2.0, "x"), ()),
    "empty": {"list": [], "dict": {}},
    "curve": [0.1 * i for i in range(100)] + [float("nan")],
    "counts": list(range(-5, 40)),
    "wide": [2**70] * 20,
    "mixed": [1, 2.0] * 20,
    "truths": [True] * 20,
    "scalar": np.float32(0.1),
    "a/b": np.arange(3),
    "a": {"b": np.ones((2, 0), np.float16), "c": np.array(2.5)},
    "long tuple": tuple(range(625)),
}


def test_a_tree_comes_back_bit_by_bit():
    back = unpack(*pack(TREE))
    assert same(back, TREE)
    assert back["curve"][:100] == TREE["curve"][:100]
    assert back["counts"] == TREE["counts"]
    assert type(back["counts"][0]) is int
    assert type(back["scalar"]) is np.float32
    assert back["long tuple"] == TREE["long tuple"]
    assert str(back["strange"]) == str(TREE["strange"])
    assert list(back) == list(TREE)


def test_many_numbers_are_an_array_and_few_are_not():
    arrays, text = pack(TREE)
    assert {"curve", "counts", "a/b", "a/b'"} <= arrays.keys()
    assert not {"wide", "mixed", "truths", "strange"} & arrays.keys()
    assert arrays["curve"].dtype == np.float64
    assert arrays["counts"].dtype == np.int64
    assert text.isascii()


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, 1.0), (0.0, -0.0), ([1], (1,)), (np.ones(2), np.ones((2, 1))), (True, 1),
     (np.ones(1), np.ones(1, np.float32)), (np.zeros(1), -np.zeros(1)), ({}, {"x": 1})],
)  # fmt: skip
def test_what_is_not_the_same(a, b):
    assert same({"x": a}, {"x": a})
    assert not same({"x": a}, {"x": b})


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"x": {"y": object()}}, "x/y is a object"),
        ({"x": {1: 2}}, "x has the key 1"),
        ({"$array": 2}, r"the key '\$array'"),
        ({"x": {1, 2}}, "x is a set"),
        ({"x": lambda: 0}, "x is a function"),
        ({"x": 1j}, "x is a complex"),
        ({"x": b"raw"}, "x is a bytes"),
    ],
)
def test_what_is_no_tree(tree, says):
    with pytest.raises(DTypeError, match=says):
        pack(tree)


def test_a_tree_inside_itself():
    tree = {}
    tree["x"] = {"y": tree}
    with pytest.raises(DTypeError, match="contain itself"):
        pack(tree)
