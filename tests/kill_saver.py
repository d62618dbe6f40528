"""Save checkpoints without end, die at any moment, and look at what is left.

    python -m tests.kill_saver FOLDER kill 200       # SIGKILL at random moments
    python -m tests.kill_saver FOLDER interrupt 200  # SIGINT, and go on
    python -m tests.kill_saver FOLDER lines          # die before every line of a save

Each round is a fork of this process, which has imported everything: 200 take seconds.
Prints what it found; an AssertionError is a loss.
"""

import mmap
import os
import signal
import sys
import time

import numpy as np

import minidl as md  # noqa: F401  before the forks
from minidl.train.checkpoint import Checkpoints

SIZE = 200_000  # numbers, 800 kB: a save takes milliseconds
WRITERS = ("whole.py", "layout.py", "checkpoint.py", "checkpoint_file.py")


class Part:
    """A state of which every number is n, the number of its save."""

    def __init__(self, n=0, size=SIZE):
        self.load_state_dict({"n": n, "x": np.full(size, n, np.float32)})

    def state_dict(self):
        return {"n": self.n, "x": self.x}

    def load_state_dict(self, state):
        self.n, self.x = state["n"], state["x"]


class Told:
    """Numbers that a process can tell another one, even when it dies."""

    def __init__(self):
        self.numbers = np.frombuffer(mmap.mmap(-1, 32), np.int64)
        self.numbers[:] = 0


def resumed(folder):
    """Return the n that comes back, after a look at all its numbers."""
    part = Part(-1)
    if Checkpoints(folder).resume({"part": part}) is None:
        return 0
    assert (part.x == part.n).all(), "half of one and half of another"
    return part.n


def no_loss(folder, told):
    """The last save that returned comes back, or the one that was under way."""
    n, last = resumed(folder), int(told[0])
    assert last <= n <= last + 1, f"{last} was saved, and {n} came back"
    told[0] = n
    return n


def save_forever(folder, told):
    saves, n = Checkpoints(folder), int(told[0])
    told[1] = 1  # ready
    while True:
        n += 1
        saves.save({"part": Part(n)}, metric=-n % 7)
        told[0] = n


def forked(function, *args):
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
        finally:
            os._exit(1)
    return pid


def temporaries(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


def cleaned(folder, size=SIZE):
    """One more save leaves three files at most, and nothing half made; return its n."""
    n = resumed(folder) + 1
    Checkpoints(folder).save({"part": Part(n, size)}, 99.0)
    assert not temporaries(folder)
    assert len(os.listdir(folder)) <= 3
    return n


def kill(folder, count):
    told, rng, halves = Told().numbers, np.random.default_rng(0), 0
    start = time.perf_counter()
    for _ in range(5):
        Checkpoints(folder).save({"part": Part(0)})
    duration = (time.perf_counter() - start) / 5
    for _ in range(count):
        told[1] = 0
        pid = forked(save_forever, folder, told)
        while not told[1]:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 4 * duration))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "it died by itself"
        halves += bool(temporaries(folder))
        no_loss(folder, told)
    cleaned(folder)
    print(
        f"{count} kills, {halves} in the middle of a file, {int(told[0])} saves, 0 lost"
    )


def interrupt(folder, count):
    told, rng = Told().numbers, np.random.default_rng(0)
    pid = forked(save_and_be_interrupted, folder, told, count)
    while told[1] < count:
        done = int(told[1])
        time.sleep(rng.uniform(0, 0.05))
        os.kill(pid, signal.SIGINT)
        while told[1] == done:
            assert os.waitpid(pid, os.WNOHANG)[0] == 0, "it died of it"
            time.sleep(0.0005)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    cleaned(folder)
    print(f"{count} interrupts, {int(told[0])} saves, 0 lost")


def save_and_be_interrupted(folder, told, count):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    saves = Checkpoints(folder)
    while told[1] < count:
        try:
            while True:
                n = int(told[0]) + 1
                saves.save({"part": Part(n)}, metric=-n % 7)
                told[0] = n
        except KeyboardInterrupt:
            pass
        no_loss(folder, told)
        told[1] += 1  # ready for the next
    os._exit(0)


def lines(folder):
    """Die before line 1, 2, 3 … of a save, until one gets through."""
    told, at, code = Told().numbers, 0, 9
    while code == 9:
        at += 1
        told[0] = cleaned(folder, size=9)
        _, status = os.waitpid(forked(save_until_line, folder, told, at), 0)
        code = os.waitstatus_to_exitcode(status)
        no_loss(folder, told)
    assert code == 0
    cleaned(folder)
    print(f"died before each of {at - 1} lines, 0 lost")


def save_until_line(folder, told, at):
    def die():
        os._exit(9)

    n = int(told[0]) + 1
    part, metric = Part(n, size=9), float(-n % 7)
    at_line(at, die, lambda: Checkpoints(folder).save({"part": part}, metric))
    told[0] = n
    os._exit(0)


def at_line(at, action, function):
    """Call `function`, and `action` before the at-th line that writes checkpoints."""
    seen = 0

    def trace(frame, event, argument):
        nonlocal seen
        if os.path.basename(frame.f_code.co_filename) not in WRITERS:
            return None
        if event == "line":
            seen += 1
            if seen == at:
                action()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function()
    finally:
        sys.settrace(before)


if __name__ == "__main__":
    FOLDER, MODE, *COUNT = sys.argv[1:]
    {"kill": kill, "interrupt": interrupt, "lines": lines}[MODE](
        FOLDER, *map(int, COUNT)
    )
