"""Rows of ops/linalg.py and ops/einsum.py."""

import numpy as np

from minidl import ops
from minidl.ops.einsum import _einsum
from tests.rows import Row, normal


def named(subscripts, *shapes):
    """One row for einsum; the oracle is NumPy's."""

    def function(*xs):
        return ops.einsum(subscripts, *xs)

    def oracle(*xs):
        return np.einsum(subscripts, *xs)

    function.__name__ = "einsum"
    return Row(function, tuple(normal(*s) for s in shapes), oracle, name=subscripts)


def product(a, b):
    return Row(ops.matmul, (normal(*a), normal(*b)), lambda a, b: np.matmul(a, b))


FAR = np.array([9.0, -9.0, 8.0, -7.0])  # far from the kink, on either side

# fmt: off
ROWS = [
    product((3, 4), (4, 2)),
    product((2, 3, 4), (2, 4, 5)),
    product((2, 1, 3, 4), (5, 4, 2)),
    product((3, 4), (2, 4, 5)),
    product((4,), (4,)),
    product((4,), (4, 3)),
    product((4,), (2, 4, 3)),
    product((3, 4), (4,)),
    product((2, 3, 4), (4,)),
    product((3, 0), (0, 2)),
    Row(ops.affine,    (normal(5, 3), normal(3, 4), normal(4)), lambda x, w, b: x @ w + b),
    Row(ops.affine,    (normal(5, 3), normal(3, 4)), lambda x, w: x @ w),
    Row(ops.affine,    (normal(2, 5, 3), normal(3, 4), normal(4)), lambda x, w, b: x @ w + b),
    Row(ops.affine,    (normal(3), normal(3, 4), normal(4)), lambda x, w, b: x @ w + b),
    Row(ops.affine_relu, (normal(5, 3), normal(3, 4), FAR), lambda x, w, b: np.maximum(x @ w + b, 0)),
    Row(ops.affine_relu, (normal(2, 5, 3), FAR[None] * np.ones((3, 1))), lambda x, w: np.maximum(x @ w, 0)),
    Row(ops.outer,     (normal(3), normal(4)), np.outer),
    Row(ops.tensordot, (normal(2, 3, 4), normal(3, 4, 5)), np.tensordot),
    Row(ops.tensordot, (normal(2, 3), normal(3, 4)), lambda a, b: a @ b, {"axes": 1}),
    Row(ops.tensordot, (normal(2), normal(3, 2)), lambda a, b: np.multiply.outer(a, b), {"axes": 0}),
    Row(ops.tensordot, (normal(2, 3, 4), normal(4, 5, 2)), lambda a, b: np.tensordot(a, b, ((0, 2), (2, 0))), {"axes": ((0, -1), (2, 0))}),
    Row(_einsum, (normal(2, 3), normal(3, 4)), lambda a, b: a @ b, {"terms": ("ij", "jk"), "out": "ik"}),
    named("ij,jk->ik", (2, 3), (3, 4)),
    named("ij,jk", (2, 3), (3, 4)),
    named("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    named("ij,ij->", (2, 3), (2, 3)),
    named("i,j->ji", (2,), (3,)),
    named("ij->ji", (2, 3)),
    named("ij->i", (2, 3)),
    named("ii", (3, 3)),
    named("ii->i", (3, 3)),
    named("iji->ji", (3, 2, 3)),
    named("iii->i", (3, 3, 3)),
    named("iij,jk->k", (2, 2, 3), (3, 4)),
    named("ij,k->ik", (2, 3), (4,)),
    named("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    named("...ij,jk", (2, 3, 4), (4, 2)),
    named("i...,i...->...", (2, 3), (2, 3)),
    named("ij,ij->ij", (1, 3), (2, 1)),
    named("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    named("bhqd,bhkd,bhkv->bhqv", (1, 2, 3, 2), (1, 2, 4, 2), (1, 2, 4, 3)),
    named("i,i,i,i->", (3,), (3,), (3,), (3,)),
    named("ab,cd,ac->bd", (2, 3), (4, 2), (2, 4)),
    named("i,->i", (3,), ()),
    named("ij,j->i", (0, 3), (3,)),
]
