"""Products of matrices straight on cuBLAS, so that a CUDA graph can hold them.

CuPy refuses `a @ b` while a stream captures, for its handle's workspace could be used
by others before the replay; cuBLAS itself allows it. So while a step is captured, and
while it warms up, `@` of CuPy's arrays is computed by a handle and a workspace of our
own: `with Products():`.

The operator itself must be replaced for that, on CuPy's class: bodies of operations say
`x @ w`, those of minidl and of everybody, and CuPy has no other place that all of them
pass. It is done as long as some thread is inside of a `with`; then CuPy is as it was.
Every other thread gets CuPy's own products meanwhile.

    C = A B       A (…, M, K), B (…, K, N) -> C (…, M, N)
    leading axes stretch to a common shape; a vector stands for a row, or for a column

cuBLAS counts its matrices column by column. What lies in memory as C row by row is Cᵀ
column by column, and Cᵀ = Bᵀ Aᵀ: so it is given B first, then A, and no copy is made.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
import math
import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.errors import DeviceError, ShapeError

TYPES = {"float32": 0, "float64": 1, "float16": 2}  # cudaDataType
FLOAT32, FLOAT64, TF32 = 68, 70, 77  # cublasComputeType: of the sums
WORKSPACE = 32 << 20  # bytes: what NVIDIA advises for the largest GPUs
POINTER, INT, LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
ENTRIES = {
    "cublasCreate_v2": [POINTER],
    "cublasDestroy_v2": [POINTER],
    "cublasSetStream_v2": [POINTER] * 2,
    "cublasSetWorkspace_v2": [POINTER, POINTER, ctypes.c_size_t],
    "cublasGemmStridedBatchedEx": [
        POINTER, *[INT] * 5,
        POINTER, POINTER, INT, INT, LONG, POINTER, INT, INT, LONG,
        POINTER, POINTER, INT, INT, LONG, INT, INT, INT,
    ],
}  # fmt: skip


@functools.cache
def library() -> Any:
    """Return cuBLAS: the one that CuPy has found and loaded."""
    cublas: Any = __import__("cupy_backends.cuda.libs.cublas", fromlist=["cublas"])
    major = sys.modules["cupy"].cuda.runtime.runtimeGetVersion() // 1000
    names = [f"libcublas.so.{major}", f"cublas64_{major}.dll"]
    for name in names:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        for entry, arguments in ENTRIES.items():
            getattr(found, entry).argtypes = arguments
        return found
    raise DeviceError(
        f"cuBLAS is not to be found under {' or '.join(names)}, although CuPy uses it "
        f"({cublas.__file__}); LD_LIBRARY_PATH may help"
    )


def allow_tf32(on: bool) -> None:
    """Let CuPy's own products of float32 round their inputs to 10 bits.

    CuPy has an environment variable for this, CUPY_TF32, which it reads once, at its
    first product. This is the switch behind it, and no public one.
    """
    how = importlib.import_module("cupy._core._routines_linalg")
    kind = how.COMPUTE_TYPE_TF32 if on else how.COMPUTE_TYPE_DEFAULT
    how.set_compute_type(np.dtype(np.float32), kind)


class Products:
    """A handle of cuBLAS with a workspace; inside `with`, this thread's `@` is its own.

    A graph that was captured inside writes into the workspace at every replay: keep the
    object as long as the graph, and launch its graphs one after the other.
    """

    def __init__(self) -> None:
        cupy: Any = sys.modules["cupy"]
        self.cupy = cupy
        self.handle = POINTER()
        self._do("cublasCreate_v2", ctypes.byref(self.handle))
        with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):  # nobody else's
            self.workspace = cupy.empty(WORKSPACE, np.uint8)

    def __del__(self, ending: Any = sys.is_finalizing) -> None:
        if not ending() and self.handle:
            library().cublasDestroy_v2(self.handle)

    def __enter__(self) -> Products:
        operator.replace(self.cupy)
        thread.inside = [*thread.inside, self]
        return self

    def __exit__(self, *exc: object) -> None:
        thread.inside = thread.inside[:-1]
        operator.restore(self.cupy)

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """Return a @ b, written into `out` if that is given."""
        if a.ndim < 2 or b.ndim < 2:
            return self._with_vector(a, b, out)
        fits = a.shape[-1] == b.shape[-2] and a.dtype == b.dtype
        if not fits or a.dtype.name not in TYPES:
            raise ShapeError(
                f"a captured step cannot multiply a {a.dtype} {a.shape} by b {b.dtype} "
                f"{b.shape}: both must be floats of one width, and a's last axis as "
                "long as b's last but one"
            )
        leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*leading, a.shape[-2], b.shape[-1])
        y = self.cupy.empty(shape, a.dtype) if out is None else out
        if not a.size or not b.size:
            y.fill(0)
        elif out is not None and not (
            out.shape == shape and out.dtype == a.dtype and out.flags.c_contiguous
        ):
            y[...] = self.matmul(a, b)
        else:
            self._product(self._laid(a, leading), self._laid(b, leading), y)
        return y

    def _with_vector(self, a: Array, b: Array, out: Array | None) -> Array:
        """Make matrices of vectors, multiply, and drop the axes that were added."""
        row = a.reshape(1, -1) if a.ndim == 1 else a
        column = b.reshape(-1, 1) if b.ndim == 1 else b
        y = self.matmul(row, column)
        y = y.squeeze(axis=(-2,) * (a.ndim == 1) + (-1,) * (b.ndim == 1))
        if out is None:
            return y
        out[...] = y
        return out

    def _laid(self, x: Array, leading: tuple[int, ...]) -> Laid:
        """Return how x lies in memory; a copy of it, if cuBLAS could not walk that."""
        found = lie(x, leading)
        if found is None:
            found = lie(x := self.cupy.ascontiguousarray(x), leading)
        if found is None:
            whole = self.cupy.broadcast_to(x, leading + x.shape[-2:])
            found = lie(self.cupy.ascontiguousarray(whole), leading)
        assert found is not None
        return found

    def _product(self, a: Laid, b: Laid, y: Array) -> None:
        (m, n), k = y.shape[-2:], a.x.shape[-1]
        kind = TYPES[y.dtype.name]
        sums = FLOAT64 if kind == 1 else FLOAT32
        if kind == 0 and backend.tf32():
            sums = TF32
        number = ctypes.c_double if kind == 1 else ctypes.c_float
        one, zero = number(1), number(0)
        stream = self.cupy.cuda.get_current_stream().ptr
        self._do("cublasSetStream_v2", self.handle, stream)
        scratch = self.workspace.data.ptr  # setting a stream takes it away
        self._do("cublasSetWorkspace_v2", self.handle, scratch, WORKSPACE)
        self._do(
            "cublasGemmStridedBatchedEx", self.handle, b.turned, a.turned, n, m, k,
            ctypes.byref(one), b.x.data.ptr, kind, b.line, b.step,
            a.x.data.ptr, kind, a.line, a.step,
            ctypes.byref(zero), y.data.ptr, kind, n, m * n,
            math.prod(y.shape[:-2]), sums, -1,
        )  # fmt: skip

    def _do(self, entry: str, *args: Any) -> None:
        status = getattr(library(), entry)(*args)
        if status:
            raise DeviceError(
                f"{entry} failed with status {status}, whose meaning is listed under "
                "cublasStatus_t in NVIDIA's manual; 3 is: no memory left"
            )


class _Thread(threading.local):
    inside: Sequence[Products] = ()  # the last one multiplies


thread = _Thread()


class Operator:
    """`a @ b` and `matmul(a, b)` of CuPy, replaced while anybody needs it.

    users   how many `with Products()` are open, in all threads
    given   CuPy's own: of its class (None where it inherits `@`), and the function
    """

    def __init__(self) -> None:
        self.lock, self.users, self.given = threading.Lock(), 0, (None, None)

    def replace(self, cupy: Any) -> None:
        """Replace them, if nobody has."""
        with self.lock:
            self.users += 1
            if self.users > 1:
                return
            own, function = vars(cupy.ndarray).get("__matmul__"), cupy.matmul
            inherited = cupy.ndarray.__matmul__

            def at(a: Array, b: Array) -> Array:
                if thread.inside and isinstance(b, cupy.ndarray):
                    return thread.inside[-1].matmul(a, b)
                return inherited(a, b)

            def matmul(a: Array, b: Array, out: Array = None, **settings: Any) -> Array:
                if thread.inside and not settings:
                    return thread.inside[-1].matmul(a, b, out)
                return function(a, b, out=out, **settings)

            self.given = own, function
            cupy.ndarray.__matmul__, cupy.matmul = at, matmul

    def restore(self, cupy: Any) -> None:
        """Give CuPy back its own, if nobody needs them replaced."""
        with self.lock:
            self.users -= 1
            if self.users:
                return
            own, cupy.matmul = self.given
            if own is None:
                del cupy.ndarray.__matmul__
            else:
                cupy.ndarray.__matmul__ = own


operator = Operator()


class Laid(NamedTuple):
    """A batch of matrices in memory: transposed or not, and how far apart things are.

    line   numbers from a row to the next (of a column to the next, if turned)
    step   numbers from a matrix to the next
    """

    x: Array
    turned: int
    line: int
    step: int


def lie(x: Array, leading: tuple[int, ...]) -> Laid | None:
    """Return how x lies in memory if cuBLAS can walk it, stretched to `leading`."""
    width, (rows, columns) = x.itemsize, x.shape[-2:]
    down, right = x.strides[-2:]
    if right == width and (down >= columns * width or rows == 1):
        turned, line = 0, max(down // width, columns, 1)
    elif down == width and (right >= rows * width or columns == 1):
        turned, line = 1, max(right // width, rows, 1)
    else:
        return None
    missing = len(leading) - (x.ndim - 2)
    lengths = [(n, 0) for n in leading[:missing] if n > 1]
    for n, own, stride in zip(leading[missing:], x.shape, x.strides, strict=False):
        if n > 1:
            lengths.append((n, stride if own > 1 else 0))
    for (_, outer), (n, inner) in itertools.pairwise(lengths):
        if outer != inner * n:
            return None
    step = lengths[-1][1] if lengths else 0
    return Laid(x, turned, line, step // width) if step >= 0 else None
