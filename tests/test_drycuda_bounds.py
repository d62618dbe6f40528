"""No kernel reads or writes beside its arrays: the address sanitizer watches.

It must be loaded before everything else, so that a process of its own is started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import drycuda

ROOT = Path(__file__).parents[1]
BESIDE = """
from tests import drycuda
drycuda.install()
import cupy
cupy.cuda.set_allocator(None)
x = cupy.ones(100, "float32")
source = 'extern "C" __global__ void copy(const float* x, float* y, int n) {' \\
    ' int i = threadIdx.x; if (i < n) y[i] = x[i + %d]; }'
kernel = cupy.RawModule(code=source).get_function("copy")
kernel((1,), (128,), (x, cupy.zeros_like(x), cupy.int32(100)))
print("went on")
"""


@pytest.fixture(scope="module")
def watched():
    """Run Python with arguments under the sanitizer: a function."""
    if not drycuda.installed():
        pytest.skip("the mock driver is not in use: MINIDL_TEST_DRYCUDA=1")
    gcc = shutil.which("g++")
    found = subprocess.run(
        [gcc, "-print-file-name=libasan.so"], capture_output=True, text=True
    )
    library = Path(found.stdout.strip())
    if not library.is_absolute() or not library.exists():
        pytest.skip("g++ has no address sanitizer: install libasan (Debian: libasan8)")
    nvidia = pytest.importorskip("nvidia", reason="NVRTC's wheel is missing")
    folders = [p for root in nvidia.__path__ for p in Path(root).glob("*/lib")]
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, folders)),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        "DRYCUDA_ASAN": "1",
    }

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("step", [0, 1])
def test_the_sanitizer_sees_one_number_too_far(step, watched):
    done = watched("-c", BESIDE % step)
    if step:
        assert done.returncode
        assert "heap-buffer-overflow" in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


def test_cuda_kernels_stay_within_their_arrays(watched):
    done = watched("-m", "tests.drycuda.bounds")
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout == "not run: none\nerrors: none\n"
