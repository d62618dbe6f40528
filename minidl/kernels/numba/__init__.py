"""Loops that numba compiles: one pass over memory where NumPy makes several.

Bodies here have rank 2, so they come before those of `kernels/cpu`. They are active
where numba is installed (`pip install "minidl[fast]"`); MINIDL_FAST=0 turns them off.
numba itself is imported when the first array comes that is large enough.
"""
