"""What the base chapters of ops refuse, and what they say: what came, and what fits."""

import numpy as np
import pytest

from minidl import Tensor, ops
from minidl.errors import DTypeError, IndexRangeError, RangeError, ShapeError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda x: x.mean(0), RangeError, r"mean of x \(0, 3\).*axis 0.*empty"),
        (lambda x: x.max(0), ShapeError, r"max.*\(0, 3\)"),
        (lambda x: x.argmax(), ShapeError, "empty"),
        (lambda x: ops.zeros(3).var(ddof=3), RangeError, "3 numbers less ddof=3"),
        (lambda x: ops.zeros(1).std(ddof=1), RangeError, "less ddof=1"),
        (lambda x: x.sum(2), ShapeError, "axis 2 does not exist: x has 2 axes"),
        (lambda x: x.sum((0, 0)), ShapeError, "twice"),
        (lambda x: x.sum((0, -2)), ShapeError, "twice"),
        (lambda x: ops.full((), 1.0).sum(0), ShapeError, "a single number"),
        (lambda x: x.norm(3), RangeError, "ord is 1, 2 or math.inf, not 3"),
        (lambda x: x.reshape(2, 2), ShapeError, r"reshape.*\(0, 3\)"),
        (lambda x: x.transpose(0), ShapeError, "transpose"),
        (lambda x: x.squeeze(1), ShapeError, "squeeze"),
        (lambda x: x.expand_dims(5), ShapeError, "expand_dims"),
        (lambda x: ops.broadcast_to(x, (2, 2)), ShapeError, "broadcast_to"),
        (lambda x: ops.concatenate([]), ShapeError, "the list is empty"),
        (lambda x: ops.concatenate([x, ops.zeros((1, 4))]), ShapeError, "^concatenate"),
        (lambda x: ops.stack([x, ops.zeros((1, 4))]), ShapeError, "^stack"),
        (lambda x: ops.split(ops.zeros(5), 2), ShapeError, "cannot be cut into 2"),
        (lambda x: ops.split(ops.zeros(5), [3, 2]), ShapeError, "must rise"),
        (lambda x: ops.split(ops.zeros(5), [3, 9]), ShapeError, "0 … 5"),
        (lambda x: ops.repeat(ops.zeros(2), [1]), ShapeError, "1 counts for 2"),
        (lambda x: ops.tril(ops.zeros(3)), ShapeError, "no matrix"),
        (lambda x: ops.triu(ops.zeros(3)), ShapeError, "no matrix"),
        (lambda x: ops.pad(x, ((1, 1),)), ShapeError, r"width=\(\(1, 1\),\).*2 axes"),
        (lambda x: ops.pad(x, -1), ShapeError, "none of them negative"),
        (lambda x: ops.clip(x, 2, 1), RangeError, "swap the two"),
        (lambda x: ops.topk(ops.zeros(3), 4), RangeError, "k=4"),
        (lambda x: ops.take(ops.zeros(3), [3]), IndexRangeError, r"take.*\(3,\)"),
        (
            lambda x: ops.take_along_axis(ops.zeros((2, 2)), np.array([0])),
            ShapeError,
            "equally many axes",
        ),
        (lambda x: ops.outer(x, x), ShapeError, "must be vectors"),
        (lambda x: ops.tensordot(x, x, 1), ShapeError, "same lengths"),
        (lambda x: ops.tensordot(x, x, 3), ShapeError, "have fewer"),
        (lambda x: x @ ops.full((), 2.0), ShapeError, "matmul"),
        (lambda x: ops.affine(x, ops.zeros((4, 2))), ShapeError, "3 features.*expects 4"),
        (lambda x: ops.einsum("ij,jk->ik", x), ShapeError, "names 2 operands, and 1"),
        (lambda x: ops.einsum("i->i", x), ShapeError, "'i' names 1 axes.* has 2"),
        (lambda x: ops.einsum("ij->ik", x), ShapeError, "once, and no other"),
        (lambda x: ops.einsum("ij->ii", x), ShapeError, "once, and no other"),
        (lambda x: ops.einsum("ii", ops.zeros((2, 3))), ShapeError, "'i' is 2 long"),
        (lambda x: ops.einsum("i1->i", x), ShapeError, "named by letters"),
        (lambda x: ops.one_hot(np.array([0.5])), DTypeError, "whole numbers"),
        (lambda x: ops.one_hot(np.array([0, 3]), 3), RangeError, "from 0 to 3.*0 … 2"),
        (lambda x: ops.one_hot(np.array([-1]), 3), RangeError, "from -1"),
    ],
)  # fmt: skip
def test_errors_say_what_came_and_what_fits(f, error, words):
    x = Tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    with pytest.raises(error, match=words):
        f(x)
