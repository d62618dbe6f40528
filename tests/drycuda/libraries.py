"""Stand-ins for NVIDIA's libraries: products, random numbers and sorting by NumPy.

CuPy's wrappers of cuBLAS and cuRAND are linked to libraries that need not be here; an
empty library of the same name, with the same symbols, lets them load.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.drycuda import entries
from tests.drycuda.capsules import alive, replace
from tests.drycuda.ledger import ledger

DTYPES = {0: np.float32, 1: np.float64, 2: np.float16}  # cudaDataType


def empty_library(name: str, more: str = "", connect: Any = None) -> Any:
    """Load a library whose functions all return 0; return CuPy's wrapper of it.

    more      C of functions that do something
    connect   what to do with the library before CuPy has it
    """
    import cupy_backends.cuda.libs as libs

    wrapper = next(Path(libs.__file__).parent.glob(f"{name}.*.so"))
    wanted = printed("nm", "-D", "--undefined-only", wrapper)
    symbols = {s for s in (x.split()[-1] for x in wanted) if s.startswith(name)}
    needed = re.findall(
        rf"\[(lib{name}\S*)\]", "\n".join(printed("readelf", "-d", wrapper))
    )
    folder = Path(tempfile.mkdtemp(prefix="drycuda-"))
    functions = sorted({s.split("@")[0] for s in symbols})
    empty = [f"int {f}() {{ return 0; }}\n" for f in functions if f" {f}(" not in more]
    (folder / "empty.c").write_text("".join([*empty, more]))
    versions = sorted({s.split("@")[-1] for s in symbols if "@" in s})
    (folder / "versions").write_text(
        "".join(f"{v} {{ global: *; }};\n" for v in versions)
    )
    script = [f"-Wl,--version-script,{folder / 'versions'}"] if versions else []
    for file in needed:
        made = folder / file
        command = ["gcc", "-shared", "-fPIC", "-w", folder / "empty.c", *script]
        command += ["-o", made, f"-Wl,-soname,{file}"]
        subprocess.run(list(map(str, command)), check=True)
        library = ctypes.CDLL(str(made), ctypes.RTLD_GLOBAL)
        alive.append(library)
        if connect is not None:
            connect(library)
    return importlib.import_module(f"cupy_backends.cuda.libs.{name}")


def printed(*command: Any) -> list[str]:
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return run.stdout.splitlines()


def at(pointer: int, n: int, dtype: Any) -> Any:
    """Return n numbers of device memory as a NumPy array."""
    size = int(n) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(pointer), dtype)


def stream() -> int:
    """Return the current stream; CuPy 14 refuses its libraries while it captures."""
    now: int = sys.modules["cupy"].cuda.get_current_stream().ptr
    if now in ledger.recordings:
        raise NotImplementedError(
            "calling cuBLAS API during stream capture is currently unsupported"
        )
    return now


# ------------------------------------------------------------------- products: cuBLAS


def matrix(pointer: int, dtype: Any, lead: int, columns: int) -> Any:
    return at(pointer, lead * columns, dtype).reshape(columns, lead).T


def product(
    ta: int,
    tb: int,
    m: int,
    n: int,
    k: int,
    alpha: Any,
    a: Any,
    b: Any,
    beta: Any,
    c: Any,
) -> None:
    """C ← α op(A) op(B) + β C, column by column; a, b, c: (pointer, dtype, lead)."""
    left = matrix(*a, m if ta else k)
    right = matrix(*b, k if tb else n)
    left = left[:k, :m].T if ta else left[:m, :k]
    right = right[:n, :k].T if tb else right[:k, :n]
    out = matrix(*c, n)[:m]
    wide = np.float32 if c[1] == np.float16 else c[1]
    y = alpha * (left.astype(wide) @ right.astype(wide))
    out[...] = y if beta == 0 else y + beta * out


def gemm_ex(
    h: int, ta: int, tb: int, m: int, n: int, k: int,
    alpha: int, a: int, at_: int, lda: int, b: int, bt: int, ldb: int,
    beta: int, c: int, ct: int, ldc: int, compute: int, algorithm: int,
) -> None:  # fmt: skip
    zero = (0, 0, 0, 1)
    gemm_strided(
        h, ta, tb, m, n, k, alpha, a, at_, lda, zero[0], b, bt, ldb, zero[1],
        beta, c, ct, ldc, zero[2], zero[3], compute, algorithm,
    )  # fmt: skip


def gemm_strided(
    h: int, ta: int, tb: int, m: int, n: int, k: int,
    alpha: int, a: int, at_: int, lda: int, sa: int, b: int, bt: int, ldb: int, sb: int,
    beta: int, c: int, ct: int, ldc: int, sc: int, batch: int, compute: int, algorithm: int,
    now: int | None = None,
) -> None:  # fmt: skip
    ledger.counts["gemm"] += 1
    scale = np.float64 if DTYPES[ct] == np.float64 else np.float32  # of α and β
    x, y = (scale(at(p, 1, scale)[0]) for p in (alpha, beta))
    types = [DTYPES[t] for t in (at_, bt, ct)]
    widths = [np.dtype(t).itemsize for t in types]

    def run() -> None:
        for i in range(batch):
            starts = [
                p + i * s * w
                for p, s, w in zip((a, b, c), (sa, sb, sc), widths, strict=True)
            ]
            operands = list(zip(starts, types, (lda, ldb, ldc), strict=True))
            product(ta, tb, m, n, k, x, operands[0], operands[1], y, operands[2])

    ledger.do(stream() if now is None else now, run)


def gemm_batched(dtype: Any) -> Callable[..., None]:
    def gemm(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, batch):  # type: ignore[no-untyped-def]
        ledger.counts["gemm"] += 1
        pointers = [(ctypes.c_size_t * batch).from_address(p) for p in (a, b, c)]
        x, y = (dtype(at(p, 1, dtype)[0]) for p in (alpha, beta))

        def run() -> None:
            for pa, pb, pc in zip(*pointers, strict=True):
                one, two, out = (pa, dtype, lda), (pb, dtype, ldb), (pc, dtype, ldc)
                product(ta, tb, m, n, k, x, one, two, y, out)

        ledger.do(stream(), run)

    return gemm


def dot(dtype: Any) -> Callable[..., None]:
    def run(h: int, n: int, x: int, ix: int, y: int, iy: int, result: int) -> None:
        ledger.counts["gemm"] += 1
        one = at(x, max(1, (n - 1) * ix + 1), dtype)[::ix][:n]
        two = at(y, max(1, (n - 1) * iy + 1), dtype)[::iy][:n]
        at(result, 1, dtype)[...] = one @ two

    return run


CUBLAS: dict[str, Callable[..., Any]] = {
    "create": lambda: ledger.new_handle(),
    "destroy": lambda h: None,
    "setStream": lambda h, s: None,
    "getStream": lambda h: 0,
    "getPointerMode": lambda h: 0,
    "setPointerMode": lambda h, mode: None,
    "getMathMode": lambda h: 0,
    "setMathMode": lambda h, mode: None,
    "getVersion": lambda h: 130000,
    "gemmEx": gemm_ex,
    "gemmStridedBatchedEx": gemm_strided,
    "sgemmBatched": gemm_batched(np.float32),
    "dgemmBatched": gemm_batched(np.float64),
    "sdot": dot(np.float32),
    "ddot": dot(np.float64),
}


def install_cublas() -> None:
    """Replace cuBLAS; before CuPy is imported."""
    cublas = empty_library(
        "cublas", entries.source(), lambda made: entries.connect(made, gemm_strided)
    )
    for name, function in CUBLAS.items():
        replace(cublas, name, function)
    empty_library("curand")


# ------------------------------------------------ sorting and random numbers: by name


def sort(dtype: Any, data: int, keys: int, shape: Any) -> None:
    ledger.counts["launch"] += 1
    at(data, math.prod(shape), dtype).reshape(shape).sort(axis=-1)


def argsort(dtype: Any, index: int, data: int, keys: int, shape: Any) -> None:
    ledger.counts["launch"] += 1
    x = at(data, math.prod(shape), dtype).reshape(shape)
    order = np.argsort(x, axis=-1, kind="stable")
    at(index, math.prod(shape), np.int64).reshape(shape)[...] = order
    x.sort(axis=-1, kind="stable")


def install_others() -> None:
    """Replace thrust's sorting; after CuPy is imported."""
    import cupy.cuda.thrust as thrust

    thrust.sort, thrust.argsort = sort, argsort
