"""The mock CUDA driver: that it counts, computes, refuses, and finds what is wrong.

Without MINIDL_TEST_DRYCUDA=1 only the parts that need no CuPy are tried.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests import drycuda
from tests.drycuda.capsules import ctype, split
from tests.drycuda.execute import DYNAMIC, Order
from tests.drycuda.ledger import Ledger

needs_mock = pytest.mark.skipif(
    not drycuda.installed(), reason="tests of the mock driver: MINIDL_TEST_DRYCUDA=1"
)


@pytest.fixture
def cp():
    return pytest.importorskip("cupy")


@pytest.fixture
def order():
    """The order in which threads take turns, set back in the end."""
    yield Order
    Order.now = 0


def test_signatures_are_read_from_capsules():
    found, arguments = split("intptr_t (size_t, PyObject *, int __pyx_skip_dispatch)")
    assert ctype(found) is ctypes.c_ssize_t
    want = [ctypes.c_size_t, ctypes.py_object, ctypes.c_int]
    assert list(map(ctype, arguments)) == want
    assert ctype("struct x *") is ctypes.c_void_p
    assert ctype("enum x") is ctypes.c_int
    assert split("int (void)") == ("int ", [])


def test_dynamic_shared_memory_becomes_a_pointer():
    line = DYNAMIC.sub(r"\1* \2 = x;", "extern __shared__ float row[];")
    assert line == "float* row = x;"


def test_work_waits_while_a_stream_is_captured():
    ledger, done = Ledger(), []
    ledger.do(7, lambda: done.append("now"))
    ledger.recordings[7] = []
    ledger.do(7, lambda: done.append("later"))
    assert done == ["now"]
    ledger.recordings[7][0]()
    assert done == ["now", "later"]


X = np.random.default_rng(0).normal(size=(5, 7)).astype("float32")
SAME = {
    "add": lambda xp, x: x + 1,
    "exp": lambda xp, x: xp.exp(x),
    "where": lambda xp, x: xp.where(x > 0, x, 0),
    "sum": lambda xp, x: x.sum(axis=0),
    "max": lambda xp, x: x.max(axis=1, keepdims=True),
    "argmax": lambda xp, x: x.argmax(axis=1),
    "var": lambda xp, x: x.var(axis=0),
    "matmul": lambda xp, x: x @ x.T,
    "batched": lambda xp, x: xp.stack([x, x]) @ xp.stack([x.T, x.T]),
    "float64": lambda xp, x: x.astype("float64") @ x.T.astype("float64"),
    "batched64": lambda xp, x: (
        xp.stack([x, x]).astype("f8") @ xp.stack([x.T, x.T]).astype("f8")
    ),
    "dot": lambda xp, x: xp.vdot(x[0], x[1]),
    "half": lambda xp, x: (x.astype("float16") * 2).astype("float32"),
    "take": lambda xp, x: x[xp.asarray([3, 1])],
    "cumsum": lambda xp, x: xp.cumsum(x, axis=1),
    "pad": lambda xp, x: xp.pad(x, 2),
    "sort": lambda xp, x: xp.sort(x, axis=1),
    "argsort": lambda xp, x: xp.argsort(x, axis=1),
    "strides": lambda xp, x: x.T.copy()[::2],
}


@needs_mock
@pytest.mark.parametrize("name", SAME)
def test_cupy_computes_what_numpy_does(name, cp):
    y = SAME[name](cp, cp.asarray(X))
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(y.get(), SAME[name](np, X), **tolerance)


@needs_mock
def test_the_meter_counts(cp, meter):
    x = cp.asarray(X)
    cp.exp(x), x @ x.T
    with meter() as spent:
        cp.exp(x)
        _ = x @ x.T
    assert (spent.launches, spent.h2d, spent.d2h, spent.syncs) == (2, 0, 0, 0)
    with meter() as spent:
        cp.asarray(X)
        float(x[0, 0])
    assert (spent.h2d, spent.d2h) == (1, 1)
    assert spent.syncs >= 1
    with meter() as spent:
        _ = x[[0, 1]]  # a list of indices is sent to the device: silently
    assert spent.h2d == 1


@needs_mock
def test_devices_do_not_mix(cp):
    with pytest.raises(TypeError):
        cp.asarray(X) + X


@needs_mock
def test_wrong_launches_are_refused(cp):
    source = 'extern "C" __global__ void nothing() {}'
    kernel = cp.RawKernel(source, "nothing")
    kernel((1,), (1024,), ())
    with pytest.raises(RuntimeError, match="block"):
        kernel((1,), (2048,), ())


@needs_mock
def test_what_is_no_cuda_does_not_compile(cp):
    source = 'extern "C" __global__ void wrong() { no_such_thing(); }'
    with pytest.raises(Exception, match="no_such_thing"):
        cp.RawKernel(source, "wrong")((1,), (1,), ())


SUM = r"""
extern "C" __global__ void block_sum(const float* x, float* y) {
    __shared__ float s[128];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    for (int o = 64; o; o >>= 1) {
        if (t < o) s[t] += s[t + o];
        %s
    }
    if (t == 0) *y = s[0];
}"""


def block_sums(cp, order, barrier):
    """Return the sum of 128 numbers with threads in each of the three orders."""
    kernel = cp.RawKernel(SUM % barrier, "block_sum")
    x, sums = cp.asarray(np.arange(128, dtype="float32")), []
    for order.now in (0, 1, 2):
        y = cp.zeros(1, "float32")
        kernel((1,), (128,), (x, y))
        sums.append(float(y[0]))
    return sums


@needs_mock
def test_a_missing_barrier_is_found(cp, order):
    assert block_sums(cp, order, "__syncthreads();") == [8128.0] * 3
    assert set(block_sums(cp, order, "")) != {8128.0}


@needs_mock
def test_a_graph_replays_with_what_its_memory_then_holds(cp):
    x, stream = cp.asarray(X), cp.cuda.Stream(non_blocking=True)
    y = cp.exp(x)
    with stream:
        stream.begin_capture()
        cp.exp(x, out=y)
        with pytest.raises(NotImplementedError, match="capture"):
            _ = x @ x.T
        graph = stream.end_capture()
    x[...] = 0
    graph.launch(stream)
    assert (y == 1).all()


@needs_mock
def test_memory_that_nobody_wrote_is_seen(cp):
    with cp.cuda.using_allocator(None):  # not from the pool, which gives old memory
        assert (cp.empty(5, "uint8").get() == 0xCB).all()


WARPS = r"""
__device__ float warp_sum(float a) {
    for (int o = 16; o; o /= 2) a += __shfl_xor_sync(~0u, a, o);
    return a;
}

extern "C" __global__ void two_warps(const float* x, float* y) {
    __shared__ float part[2];
    float a = warp_sum(x[threadIdx.x]);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = a;
    BARRIER
    y[threadIdx.x] = part[0] + part[1];
}

extern "C" __global__ void ended(const float* x, float* y) {
    if (threadIdx.x >= 20) return;
    y[threadIdx.x] = warp_sum(x[threadIdx.x]);
}

extern "C" __global__ void half_of_a_warp(const float* x, float* y) {
    unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
    for (int k = 0; k < 1 + threadIdx.x / 16; k++)
        y[threadIdx.x] = __shfl_sync(mask, x[threadIdx.x], threadIdx.x / 16 * 16 + k);
}

extern "C" __global__ void hangs(const float* x, float* y) {
    if (threadIdx.x < 16) __syncthreads();
    y[threadIdx.x] = warp_sum(x[threadIdx.x]);
}
"""


def of_warps(cp, order, name, barrier="__syncthreads();", threads=64):
    """Return what a kernel makes of 0, 1, … with threads in each order."""
    kernel = cp.RawModule(code=WARPS.replace("BARRIER", barrier)).get_function(name)
    x, found = cp.arange(threads, dtype="float32"), []
    for order.now in (0, 1, 2):
        y = cp.zeros(threads, "float32")
        kernel((1,), (threads,), (x, y))
        found.append(y.get())
    return found


@needs_mock
def test_a_missing_barrier_beside_a_shuffle_is_found(cp, order):
    for y in of_warps(cp, order, "two_warps"):
        assert (y == 2016).all()
    assert any((y != 2016).any() for y in of_warps(cp, order, "two_warps", ""))


@needs_mock
def test_a_shuffle_from_a_thread_that_has_ended_gives_no_number(cp, order):
    for y in of_warps(cp, order, "ended", threads=32):
        assert np.isnan(y[:20]).all()


@needs_mock
def test_parts_of_a_warp_go_their_own_ways(cp, order):
    for y in of_warps(cp, order, "half_of_a_warp", threads=32):
        np.testing.assert_array_equal(y, [0] * 16 + [17] * 16)


@needs_mock
def test_threads_that_wait_for_ever_are_reported(cp, order):
    with pytest.raises(RuntimeError, match="hangs"):
        of_warps(cp, order, "hangs", threads=32)
