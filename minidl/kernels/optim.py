"""Faster ways to move parameters: the `optim.py` of each kind. Loaded by `optim`."""

import numpy as np

from minidl.backend import Array
from minidl.kernels import load
from minidl.optim.groups import Member


def fits(member: Member) -> bool:
    """Whether p, g and slots are contiguous arrays of float32 on the CPU, of one shape.

    If a slot has another shape, the printed lines will say so.
    """
    p, g = member.parameter.data, member.parameter.grad
    plain = is_plain(p) and is_plain(g) and p.flags.writeable
    return plain and all(x.shape == p.shape for x in member.slots.values())


def is_plain(x: Array) -> bool:
    """Whether x is a contiguous NumPy array of float32."""
    return type(x) is np.ndarray and x.dtype == np.float32 and x.flags.c_contiguous


load(lambda name: name.startswith("optim"))
