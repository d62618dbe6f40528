"""Parts of a batch at the same time: minidl/kernels/parts.py, and every body that cuts."""

import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import numpy as np
import pytest

import minidl as md
from minidl import ops, process
from minidl.kernels import parts

RNG = np.random.default_rng(5)


@pytest.fixture
def threads(monkeypatch):
    """Set a number of threads, ours with numba or without; put everything back.

    On a busy machine too, parts are computed in threads.
    """
    monkeypatch.setattr(process, "_compiles", lambda: True)
    monkeypatch.setattr(process._Kept, "threads", 0)
    monkeypatch.setattr(process._Kept, "parts", 1)
    monkeypatch.setattr(parts, "REST", 0)
    before = [(blas.tell, blas.ask()) for blas in process._blas()]
    yield md.set_num_threads
    parts.team.afresh()
    for tell, count in before:
        tell(count)


@pytest.fixture(params=["numba", "numpy"] if find_spec("numba") else ["numpy"])
def way(request, monkeypatch):
    """With the loops of numba, or without."""
    if find_spec("numba"):
        from minidl.kernels.numba import loops

        monkeypatch.setattr(loops.State, "active", request.param == "numba")
    return request.param


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def in_rows(x):
    """Images as a convolution leaves them in memory."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)


def test_a_batch_is_cut_evenly_and_no_part_is_too_short(threads):
    assert parts.parts(10) == [slice(0, 10)]  # nobody asked
    threads(3)
    assert parts.parts(10) == [slice(0, 3), slice(3, 6), slice(6, 10)]
    assert parts.parts(10, least=4) == [slice(0, 5), slice(5, 10)]
    assert parts.parts(10, least=6) == parts.parts(10, least=99) == [slice(0, 10)]
    assert parts.parts(0) == [slice(0, 0)]


def test_parts_are_computed_at_the_same_time_and_come_back_in_order(threads):
    threads(3)
    meet = threading.Barrier(3, timeout=20)

    def work(part):
        meet.wait()  # passes only if all three are here
        return part.start, threading.get_ident()

    found = parts.together(work, parts.parts(9))
    assert [start for start, _ in found] == [0, 3, 6]
    assert len({ident for _, ident in found}) == 3
    assert found[0][1] == threading.get_ident()


def test_threads_that_come_late_are_not_asked_for_a_while(threads, monkeypatch):
    monkeypatch.setattr(parts, "REST", 2)
    threads(2)
    here = threading.get_ident()

    def late(part):
        time.sleep(0.2 * part.start)
        return threading.get_ident() == here

    def quick(part):
        return threading.get_ident() == here

    some = parts.parts(2)
    asked = [late, quick, quick, late, *[quick] * 5]
    found = [parts.together(work, some) for work in asked]
    alone = [made == [True, True] for made in found]
    assert alone == [False, True, True, False, *[True] * 4, False]  # 2 calls, then 4
    assert parts.team.pause == 3


def test_blas_has_one_thread_from_then_on(threads):
    threads(3)
    assert {blas.ask() for blas in process._blas()} <= {1}
    assert md.get_num_threads() == 3


def test_without_numba_threads_are_those_of_blas(threads, monkeypatch):
    monkeypatch.setattr(process, "_compiles", lambda: False)
    threads(2)
    assert {blas.ask() for blas in process._blas()} <= {2}
    assert parts.parts(10) == [slice(0, 10)]
    assert md.get_num_threads() == 2


def test_a_product_over_nothing_is_zero(threads):
    threads(2)
    y = ops.affine(np.zeros((3, 0), "f4"), np.zeros((0, 5), "f4"))
    assert y.tolist() == [[0] * 5] * 3


def test_a_part_that_is_cut_again_stays_in_its_thread(threads):
    threads(2)

    def outer(part):
        own = parts.together(lambda _: threading.get_ident(), parts.parts(4))
        return set(own) == {threading.get_ident()}, len(own)

    assert parts.together(outer, parts.parts(2)) == [(True, 2), (True, 2)]


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_waits_for_the_other_parts_and_is_raised(threads, bad):
    threads(2)
    done = []

    def work(part):
        if part.start == bad:
            raise ValueError("a part")
        time.sleep(0.1)
        done.append(part.start)

    with pytest.raises(ValueError, match="a part"):
        parts.together(work, parts.parts(2))
    assert done == [1 - bad]
    assert parts.together(lambda part: part.start, parts.parts(2)) == [0, 1]


def test_what_numpy_does_about_errors_holds_in_all_parts(threads):
    threads(2)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        parts.together(
            lambda part: np.exp(np.float32(99.0) * part.start), parts.parts(2)
        )
    with np.errstate(over="ignore"):
        assert parts.together(
            lambda part: np.exp(np.float32(99.0) * part.start), parts.parts(2)
        ) == [1, np.inf]


@pytest.mark.parametrize("before", ["", "parts.together(work, some)"])
def test_while_python_ends_the_caller_computes_alone(before):
    program = f"""
import atexit, threading, time
from minidl import process
from minidl.kernels import parts
process._compiles = lambda: True
process.set_num_threads(2)
work = lambda part: part.stop
some = parts.parts(2)
{before}
def late():
    time.sleep(0.3)
    print(parts.together(work, some))
threading.Thread(target=late).start()
atexit.register(lambda: print(parts.together(work, some)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True,
                          text=True, check=True, timeout=60)  # fmt: skip
    assert (done.stdout, done.stderr) == ("[1, 2]\n[1, 2]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")  # Python warns of fork beside threads
from minidl import process
from minidl.kernels import parts
process._compiles = lambda: True
process.set_num_threads(2)
work = lambda part: part.stop
some = parts.parts(2)
assert parts.together(work, some) == [1, 2]
child = os.fork()
if child == 0:
    os._exit(parts.together(work, some) != [1, 2])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


MASK = np.ones((20, 7), bool)
MASK[3, 4:] = MASK[15, 1:] = False
LSTM = [normal(20, 7, 65), normal(65, 1024) / 8, normal(256, 1024) / 16, normal(1024)]
WORK = {
    "affine": (ops.affine, [normal(70, 9, 200), normal(200, 300), normal(300)]),
    "affine, wide": (ops.affine, [normal(90, 200), normal(200, 700), normal(700)]),
    "matmul": (ops.matmul, [normal(300, 200), normal(200, 170)]),
    "matmul, transposed": (
        lambda a, b: ops.matmul(a.T, b.T),
        [normal(200, 130), normal(300, 200)],
    ),
    "conv 3 x 3 in tiles": (
        lambda x, w, b: ops.conv2d(x, w, b, padding=1),
        [in_rows(normal(16, 32, 20, 20)), normal(32, 32, 3, 3), normal(32)],
    ),
    "conv 5 x 5": (
        lambda x, w, b: ops.conv2d(x, w, b, padding=2),
        [normal(9, 4, 13, 12), normal(6, 4, 5, 5), normal(6)],
    ),
    "conv 1 x 1, groups": (
        lambda x, w: ops.conv2d(x, w, groups=2),
        [normal(9, 4, 13, 12), normal(6, 2, 1, 1)],
    ),
    "conv 3 x 3, stride 2": (
        lambda x, w: ops.conv2d(x, w, stride=2, padding=1),
        [normal(9, 4, 13, 12), normal(6, 4, 3, 3)],
    ),
    "lstm": (lambda x, wx, wh, b: ops.lstm(x, None, None, wx, wh, b), LSTM),
    "lstm, masked, backwards": (
        lambda x, wx, wh, b: ops.lstm(x, None, None, wx, wh, b, MASK, reverse=True),
        LSTM,
    ),
    "attention": (
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, causal=True),
        [normal(5, 2, 9, 4), normal(5, 2, 9, 4), normal(5, 2, 9, 4)],
    ),
    "conv, of kernels alone": (
        lambda x, w: ops.conv2d(x.detach(), w),
        [normal(9, 8, 13, 12), normal(16, 8, 5, 5)],
    ),
    "layer norm": (ops.layer_norm, [normal(9000, 64), normal(64), normal(64)]),
    "batch norm of images": (
        lambda x, g, b: ops.batch_norm(x, g, b)[0],
        [in_rows(normal(16, 8, 40, 40)), normal(8), normal(8)],
    ),
    "batch norm of rows": (
        lambda x, g, b: ops.batch_norm(x, g, b)[0],
        [normal(3000, 70), normal(70), normal(70)],
    ),
    "gelu": (ops.gelu, [normal(500, 300)]),
    "relu": (ops.relu, [normal(500, 300)]),
    "max pooling": (
        lambda x: ops.max_pool2d(x, kernel_size=2),
        [in_rows(normal(16, 16, 50, 50))],
    ),
}


# cut where they are loops of numba
LOOPS = {"layer norm", "batch norm of images", "batch norm of rows", "gelu", "relu",
         "max pooling"}  # fmt: skip


def computed(function, arrays, threads, count):
    """Return the results and all gradients, for one random cotangent."""
    threads(count)
    inputs = [md.Tensor(a, requires_grad=True) for a in arrays]
    for x, a in zip(inputs, arrays, strict=True):
        x.data = a  # the order in memory that a Tensor's copy does not have
    made = function(*inputs)
    made = made if isinstance(made, tuple) else (made,)
    rng = np.random.default_rng(1)
    loss = sum((y * rng.standard_normal(y.shape).astype(y.dtype)).sum() for y in made)
    loss.backward()
    gradients = [x.grad for x in inputs if x.grad is not None]
    return [y.data for y in made] + gradients


@pytest.mark.parametrize("name", WORK)
def test_threads_change_no_result(name, threads, way, monkeypatch):
    counts, at_once = [], parts.at_once

    def counted(work, some):
        counts.append(len(some))
        return at_once(work, some)

    monkeypatch.setattr(parts, "at_once", counted)
    monkeypatch.setattr(parts, "WORK", 1)  # these are small
    one = computed(*WORK[name], threads, 1)
    assert not counts
    for count in (2, 3):
        some, again = (computed(*WORK[name], threads, count) for _ in range(2))
        for a, b, c in zip(one, some, again, strict=True):
            assert b.tobytes() == c.tobytes()  # for one number of threads bit by bit
            scale = np.abs(a).max() + 1
            np.testing.assert_allclose(b / scale, a / scale, atol=3e-6)
    # forth and back, twice with two threads and twice with three
    if way == "numpy" and name in LOOPS:
        assert not counts
    else:
        assert len(counts) >= 8
        assert 2 in counts


@pytest.mark.skipif(find_spec("numba") is None, reason="only numba's loops are cut")
@pytest.mark.parametrize("rule", ["SGD", "Adam", "Adadelta"])
def test_threads_change_no_step(rule, threads):
    start, gradient = normal(500, 400), normal(500, 400)

    def moved(count):
        threads(count)
        p = md.Tensor(start.copy(), requires_grad=True)
        optimizer = getattr(md.optim, rule)([p], lr=0.1)
        for _ in range(3):
            p.grad = gradient.copy()
            optimizer.step()
        return p.data

    assert moved(1).tobytes() == moved(3).tobytes()
