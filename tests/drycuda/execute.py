"""Run a kernel on the CPU: its CUDA C++, compiled by g++ with cudasim.h.

The threads of a block are fibers of one thread, which take turns at every barrier, in
one of three orders: 0 the first thread first, 1 the last first, 2 shuffled. A kernel
whose result depends on the order lacks a barrier.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEADER = HERE / "cudasim.h"
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-w", "-fpermissive", "-ffp-contract=off"]
# DRYCUDA_ASAN=1 reports accesses out of bounds, in a process with libasan preloaded, of
# kernels that somebody wrote; those that CuPy generates begin with its header.
SANITIZER = ["-fsanitize=address", "-g"] if os.environ.get("DRYCUDA_ASAN") else []
GENERATED = "#include <cupy/"
BARRIERS = re.compile(r"__syncthreads|_sync\b|__shfl|__syncwarp|__shared__")
DYNAMIC = re.compile(r"extern\s+__shared__\s+([\w\s]+?)\s+(\w+)\s*\[\s*\]\s*;")
LAUNCHER = """
extern "C" long sim_launch_{name}(const unsigned *grid, const unsigned *block,
                                  size_t shared, void **args, int fibers, int order) {{
    __order = order;
    return __run([](void **args) {{ __go(&{name}, args); }}, grid, block, shared, args,
                 fibers);
}}
extern "C" int sim_sizes_{name}(int *sizes) {{ return __sizes(&{name}, sizes); }}
"""


KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\('
)


class Order:
    """The order in which threads take turns, for all kernels: 0, 1 or 2."""

    now = 0


class Kernel:
    """A kernel by name, with the source that NVRTC has compiled."""

    def __init__(self, name: str, source: str | None, options: Any) -> None:
        self.name, self.source, self.options = name, source, options
        self.run: Any = None
        self.sizes: list[int] = []

    def prepare(
        self, grid: Any, block: Any, shared: int, params: int, captured: bool
    ) -> Callable[[], None]:
        """Return what runs it; captured arguments are copied, for they pass away."""
        if self.run is None:
            self._build()
        if self.in_stride and Order.now == 0:  # one thread strides over everything
            grid = block = (1, 1, 1)
        sizes = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block)
        kept = self._copied(params) if captured else None
        args = ctypes.addressof(kept[0]) if kept else params

        def run(_alive: Any = kept) -> None:
            if self.run(*sizes, shared, args, int(self.has_barriers), Order.now) < 0:
                raise RuntimeError(
                    f"{self.name} hangs: some threads of a block, or lanes of a "
                    "warp, wait at a barrier that others never reach"
                )

        return run

    def _copied(self, params: int) -> tuple[Any, Any]:
        n = len(self.sizes)
        pointers = (ctypes.c_void_p * n).from_address(params)
        pairs = zip(pointers, self.sizes, strict=True)
        values = [
            ctypes.create_string_buffer(ctypes.string_at(*p), p[1]) for p in pairs
        ]
        return (ctypes.c_void_p * n)(*map(ctypes.addressof, values)), values

    def _build(self) -> None:
        if self.source is None:
            raise RuntimeError(f"the source of {self.name} is unknown to the mock")
        code = re.sub(r"//.*", "", self.source)
        self.has_barriers = bool(BARRIERS.search(code))
        self.in_stride = "CUPY_FOR" in code and not self.has_barriers
        names = tuple(dict.fromkeys([self.name, *KERNEL.findall(code)]))
        library = ctypes.CDLL(str(compiled(names, self.source, self.options)))
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.run = library[f"sim_launch_{self.name}"]
        self.run.restype = ctypes.c_long
        self.run.argtypes = [pointer, pointer, ctypes.c_size_t, pointer, number, number]
        room = (ctypes.c_int * 256)()
        self.sizes = list(room[: library[f"sim_sizes_{self.name}"](room)])


def compiled(names: tuple[str, ...], source: str, options: Any) -> Path:
    """Return the library of a source's kernels, compiled at the first use of one."""
    sanitizer = [] if GENERATED in source else SANITIZER
    source = source.replace("#include <cupy/complex.cuh>", "")
    source = DYNAMIC.sub(r"\1* \2 = (\1*)__dynsmem;", source)
    launchers = "".join(LAUNCHER.format(name=name) for name in names)
    code = f'#include "cudasim.h"\n{source}\n{launchers}'
    text = code + HEADER.read_text() + " ".join(sanitizer)
    library = folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.so"
    if library.exists():
        return library
    file, part = library.with_suffix(".cpp"), library.with_suffix(f".{os.getpid()}")
    file.write_text(code)
    header = [f"-I{HERE}"] if sanitizer else [f"-I{precompiled()}"]
    flags = [*FLAGS, *sanitizer, "-shared", *header, *includes(options)]
    command = ["g++", *flags, str(file), "-o", str(part)]
    # the compiler needs no sanitizer of its own, and no other libraries
    plain = {k: v for k, v in os.environ.items() if not k.startswith("LD_")}
    done = subprocess.run(command, capture_output=True, text=True, env=plain)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        raise RuntimeError(f"g++ on {names[0]} ({file}):\n" + "\n".join(lines[:12]))
    part.replace(library)
    return library


def includes(options: Any) -> list[str]:
    """Return where CuPy's and CUDA's headers are: as CuPy told NVRTC, or by default."""
    given = [o for o in options if o.startswith("-I") and "_cccl" not in o]
    if given:
        return given
    import cupy
    import nvidia

    headers = Path(cupy.__file__).parent / "_core" / "include"
    return [f"-I{headers}", f"-I{Path(next(iter(nvidia.__path__))) / 'cu13/include'}"]


def folder() -> Path:
    from tests.drycuda import cache

    path = cache() / "cpu"
    path.mkdir(parents=True, exist_ok=True)
    return path


def precompiled() -> Path:
    """Return a folder with cudasim.h as g++ reads it fastest."""
    digest = hashlib.sha256(HEADER.read_bytes()).hexdigest()[:12]
    place = folder() / f"header-{digest}"
    if not place.exists():
        making = place.with_suffix(f".{os.getpid()}")
        making.mkdir(exist_ok=True)
        header = str(shutil.copy(HEADER, making / HEADER.name))
        command = ["g++", *FLAGS, "-x", "c++-header", header, "-o", f"{header}.gch"]
        subprocess.run(command, check=True)
        try:
            making.rename(place)
        except OSError:  # another process was faster
            shutil.rmtree(making)
    return place
