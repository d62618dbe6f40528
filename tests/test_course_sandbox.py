"""What travels between the grader and a student's process, and the walls around it.

Where the kernel has no Landlock, or bubblewrap is not installed, one line says so.
"""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl_course.sandbox import (
    box,
    bwrap,
    frames,
    landlock,
    probe,
    process,
    seccomp,
    sweep,
)

PROOF = probe.probe("landlock")
LEVEL = "landlock" if PROOF.holds else "process"
ROOT = Path(__file__).parent.parent


# -------------------------------------------------------------------------- the frames


@pytest.mark.parametrize("dtype", frames.DTYPES)
def test_an_array_comes_back_as_it_went(dtype, rng):
    arrays = {
        "a": (rng.standard_normal((3, 0, 2)) * 9).astype(dtype),
        "b": np.asfortranarray((rng.standard_normal((3, 4)) * 9).astype(dtype)),
        "c": np.array(3).astype(np.dtype(dtype).newbyteorder(">")),
    }
    back = frames.decode(frames.encode(arrays)[frames.HEAD.size :])
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(back[name], array)
        assert back[name].flags.owndata or back[name].base.flags.owndata


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x01", b"\x00more", b"\x01\x01y", b"\x01\x01y\x63\x00", b"\x01\x01y\x0b\x09",
        b"\x01\x01y\x0b\x01" + b"\xff" * 8, b"\x01\x01\xff\x0b\x00" + b"\0" * 8,
        b"\x02" + (b"\x01y\x0b\x00" + b"\0" * 8) * 2, b"\x01\x01y\x0b\x01\x02" + b"\0" * 15,
        b"\x01\x01y\x0b\x02" + b"\xff\xff\xff\xff\0\0\0\0" + b"\0" * 8,
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(body):
    with pytest.raises(frames.FrameError):
        frames.decode(body)


def test_every_cut_and_every_flip_of_a_frame_is_an_array_or_refused():
    frame = frames.encode({"y": np.arange(6.0).reshape(2, 3), "n": np.int8([1])})
    for at in range(len(frame)):
        for changed in (frame[:at], frame[:at] + b"\xff" + frame[at + 1 :]):
            try:
                size = frames.length(
                    changed[: frames.HEAD.size].ljust(frames.HEAD.size)
                )
                found = frames.decode(changed[frames.HEAD.size :][:size])
            except frames.FrameError:
                continue
            assert all(type(array) is np.ndarray for array in found.values())


def test_objects_and_floods_do_not_travel():
    with pytest.raises(frames.FrameError, match="not of numbers"):
        frames.encode({"y": np.array([object()])})
    with pytest.raises(frames.FrameError, match="can be sent"):
        frames.encode({"y": np.zeros(frames.CAP)})
    with pytest.raises(frames.FrameError, match="no frame"):
        frames.length(b"mdl1\xff\xff\xff\xff")


# ----------------------------------------------------------------------- the sandbox


def test_the_probe_says_what_got_through():
    proof = probe.probe("process")
    assert proof.holds, proof
    assert "connect" in proof.through
    assert "stopped" in str(proof)


@pytest.mark.skipif(not PROOF.holds, reason=f"needs L2, and {PROOF}")
def test_landlock_and_seccomp_stop_every_attack():
    assert PROOF.through == ()


def test_bubblewrap_stops_every_attack():
    proof = probe.probe("bwrap")
    if not bwrap.found():
        assert "not installed" in str(proof)
        pytest.skip(f"needs bubblewrap: {proof}")
    if not proof.holds:
        pytest.skip(f"bubblewrap does not work here: {proof}")
    assert proof.through == ()


@pytest.mark.skipif(not PROOF.holds, reason=f"needs L2, and {PROOF}")
@pytest.mark.parametrize(
    ("part", "through"),
    [("landlock", "read_file"), ("seccomp", "fork")],
)
def test_a_level_without_one_of_its_parts_does_not_hold(monkeypatch, part, through):
    inner = box.Process

    def without(command, order, home, seconds):
        return inner(command, order | {part: False}, home, seconds)

    monkeypatch.setattr(box, "Process", without)
    proof = probe.probe("landlock")
    assert not proof.holds
    assert through in proof.through


def test_without_landlock_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    assert "no Landlock" in str(probe.probe("landlock"))


REFUSED = {  # by name, for the table is of numbers
    "socket": (41, 198), "fork": (57, 220), "execve": (59, 221), "ptrace": (101, 117),
    "prctl": (157, 167), "io_setup": (206, 0), "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27), "chmod": (90, 53), "mount": (165, 40),
    "modify_ldt": (154, -1), "memfd_create": (319, 279), "keyctl": (250, 219),
    "bpf": (321, 280), "userfaultfd": (323, 282), "setpriority": (141, 140),
}  # fmt: skip


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_the_filter_refuses_what_it_lists(machine):
    column, audit = seccomp.ARCHITECTURES[machine]
    steps = seccomp.program(machine, 77)
    assert len(steps) < 4096  # the kernel's limit

    def says(number, *arguments, architecture=audit):
        data = {seccomp.NUMBER: number, seccomp.ARCHITECTURE: architecture}
        data |= {16 + 8 * i: value for i, value in enumerate(arguments)}
        return interpreted(steps, data)

    known = {numbers[column] for numbers in seccomp.ALLOWED.values()} - {-1}
    checked = {getattr(seccomp, name)[column] for name in
               ("CLONE", "KILL", "TGKILL", "PRLIMIT", "FCNTL", "IOCTL")}  # fmt: skip
    for number in set(range(seccomp.NEWER)) - checked:
        expected = seccomp.ALLOW if number in known else seccomp.REFUSE
        assert says(number) == expected, number
    for call in REFUSED.values():
        assert call[column] < 0 or says(call[column]) == seccomp.REFUSE
    assert says(seccomp.CLONE[column], 0x11) == seccomp.REFUSE
    assert says(seccomp.CLONE[column], 0x3D0F00) == seccomp.ALLOW  # a thread
    assert says(seccomp.KILL[column], 76, 6) == seccomp.REFUSE
    assert says(seccomp.KILL[column], 77, 9) == seccomp.REFUSE
    assert says(seccomp.KILL[column], 77, 6) == seccomp.ALLOW
    assert says(seccomp.KILL[column], 2**32 - 1, 9) == seccomp.REFUSE
    assert says(seccomp.TGKILL[column], 77, 78, 6) == seccomp.ALLOW
    assert says(seccomp.TGKILL[column], 77, 78, 9) == seccomp.REFUSE
    assert says(seccomp.PRLIMIT[column], 0) == seccomp.ALLOW
    assert says(seccomp.PRLIMIT[column], 1) == seccomp.REFUSE
    assert says(seccomp.FCNTL[column], 3, 8) == seccomp.REFUSE
    assert says(seccomp.FCNTL[column], 3, 1) == seccomp.ALLOW
    assert says(435) == says(425) == says(2000) == seccomp.UNKNOWN
    assert says(436) == says(439) == seccomp.ALLOW
    assert says(63, architecture=audit ^ 1) == seccomp.DIE
    assert says(seccomp.X32 + 1) == seccomp.DIE


def interpreted(steps, data):
    """Run a filter as the kernel does."""
    at = value = 0
    while True:
        code, yes, no, constant = steps[at]
        at += 1
        if code == seccomp.LOAD:
            value = data.get(constant, 0)
        elif code == seccomp.RETURN:
            return constant
        else:
            test = {
                seccomp.EQUAL: value == constant,
                seccomp.AT_LEAST: value >= constant,
                seccomp.ANY_BIT: bool(value & constant),
            }[code]
            at += yes if test else no


# --------------------------------------------------------------- one process, from here

CALLS = """
import os, sys, time
import numpy as np


def double(x):
    return {"y": 2 * x, "none": None}


def hang(x):
    print("here I am" * 1000, flush=True)
    time.sleep(1000)


def fill(x):
    for i in range(80):
        with open(f"f{i}", "wb") as file:
            file.write(bytes(2**20))
    time.sleep(1000)


def leave(x):
    os._exit(3)


def crash(x):
    os.abort()


def mute(x):
    os.closerange(3, 4096)  # a busy parent hands on high numbers
    time.sleep(1000)


def babble(x):
    os.write(int(sys.argv[2]), b"[1, 2, 3]" * 9)
    return {"y": x}


def eat(x):
    return {"y": np.ones(2**30)}


def burn(x):
    while True:
        pass
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "home").mkdir()
    calls = tmp_path / "code" / "calls.py"
    calls.write_text(CALLS)

    def start(seconds=30.0, level=LEVEL):
        job = box.Job(str(calls), seconds=seconds, megabytes=640)
        return box.Box(level).start(job, str(tmp_path / "home"))

    return start


def asked(running, name):
    running.send({frames.CALL: frames.text(name), "x": np.arange(3.0)})
    return running.receive()


def test_a_process_answers_arrays(start):
    with start() as running:
        for _ in range(3):
            np.testing.assert_array_equal(asked(running, "double")["y"], [0, 2, 4])
        assert list(asked(running, "double")) == ["y"]
        wrong = asked(running, "nothing")
        assert "AttributeError" in frames.words(wrong[frames.ERROR])
        full = asked(running, "eat")
        assert "MemoryError" in frames.words(full[frames.ERROR])
        np.testing.assert_array_equal(asked(running, "double")["y"], [0, 2, 4])


@pytest.mark.parametrize(
    ("name", "why"),
    [("leave", "exit"), ("crash", "crash"), ("mute", "exit"), ("babble", "forged"),
     ("fill", "disk")],
)  # fmt: skip
def test_an_end_has_a_reason(start, name, why):
    with start() as running:
        assert "y" in asked(running, "double")
        with pytest.raises(process.EndedError) as told:
            asked(running, name)
        assert told.value.why == why
        with pytest.raises(process.EndedError, match="before"):
            asked(running, "double")
    assert running.process.returncode is not None


@pytest.mark.parametrize("name", ["hang", "burn"])
def test_time_is_up_by_our_clock(start, name):
    with start(seconds=3) as running:
        with pytest.raises(process.EndedError) as told:
            asked(running, name)
        assert told.value.why == "time"
    assert len(running.output) <= process.KEPT


def test_a_process_that_is_left_alone_is_gone(start):
    before = sweep.children()
    with start():
        assert len(sweep.children() - before) == 1
    assert sweep.children() == before


def test_orphans_are_inherited_and_killed(tmp_path):
    """A grandchild in a session of its own does not survive its family."""
    code = """
        import os, sys, time
        from minidl_course.sandbox import sweep
        assert sweep.adopt_orphans()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(100)
            os._exit(0)
        os.wait()
        assert len(sweep.children()) == 1
        assert sweep.sweep(set()) == 1
        assert not sweep.children()
        print("gone")
    """
    run = subprocess.run(
        [sys.executable, "-c", inspect.cleandoc(code)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stdout.strip() == "gone", run.stderr


def test_the_clock_starts_when_the_process_is_ready(tmp_path):
    (tmp_path / "home").mkdir()
    calls = tmp_path / "calls.py"
    calls.write_text("import time\ntime.sleep(2)\n" + CALLS)
    job = box.Job(str(calls), seconds=1.5, megabytes=640)
    with box.Box(LEVEL).start(job, str(tmp_path / "home")) as running:
        np.testing.assert_array_equal(asked(running, "double")["y"], [0, 2, 4])
    with box.Box(LEVEL).start(job, str(tmp_path / "home")) as running:
        running.deadline -= running.starting - 1
        with pytest.raises(process.EndedError, match="was not ready") as told:
            asked(running, "double")
        assert told.value.why == "start"


@pytest.mark.parametrize("number", [9, 15])
def test_whom_somebody_else_killed_has_not_ended(start, number):
    with start() as running:
        asked(running, "double")
        os.kill(running.process.pid, number)
        with pytest.raises(process.EndedError, match="by something else") as told:
            asked(running, "double")
        assert told.value.why == "killed"
