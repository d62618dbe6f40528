"""One student's process, from the grader's side: start, ask, and leave nothing behind.

Nothing here waits for the process's good will. Pipes are read and written as they are
ready, the clock is ours, output is drained and cut, and at the end SIGKILL goes to the
process and to all that it left behind; only then is anything written down.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

from ..answers import ONE_THREAD
from . import folders, frames, sweep

KEPT = 4096  # bytes of output; the rest is read and thrown away
STARTING = 120.0  # seconds to import everything, on a busy machine
OUTSIDE = {  # signals that others send
    getattr(signal, name, None) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
}
TURN = 0.2  # seconds between looks at the throw-away folder
ENVIRONMENT = {**ONE_THREAD, "LC_ALL": "C.UTF-8"}


class EndedError(Exception):
    """The process will not answer any more.

    why   "time", "exit", "crash", "disk", "forged": by what it did; "start": it was not
          ready in time, "killed": somebody else ended it
    """

    def __init__(self, why: str, what: str) -> None:
        super().__init__(what)
        self.why = why


class Process:
    """A process that answers questions of arrays until its time is over.

    command   what to start; two numbers of pipes are put behind it
    order     what the process is told first (child.py)
    home      its throw-away folder, and working directory
    seconds   by the clock on the wall, for all questions together, once it is ready
    starting  until it is ready
    disk      bytes that it may leave in its folder meanwhile
    """

    def __init__(
        self,
        command: list[str],
        order: dict[str, Any],
        home: str,
        seconds: float,
        disk: int = 64 * 2**20,
        starting: float = STARTING,
    ) -> None:
        self.home, self.seconds, self.disk = home, seconds, disk
        self.starting, self.started = starting, False
        self.output, self.printed, self.ended = b"", 0, ""
        self.silent: set[int] = set()  # pipes that were closed at the other end
        self.before = sweep.children()
        theirs_in, self.requests = os.pipe()
        self.replies, theirs_out = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*command, str(theirs_in), str(theirs_out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs_in, theirs_out),
                env=ENVIRONMENT | {"HOME": home, "TMPDIR": home},
                cwd=home,
                start_new_session=True,
            )
        except BaseException:
            os.close(self.requests)
            os.close(self.replies)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        assert self.process.stdout is not None
        self.prints = self.process.stdout.fileno()
        self.deadline = time.monotonic() + starting
        for pipe in (self.requests, self.replies, self.prints):
            os.set_blocking(pipe, False)
        text = json.dumps(order).encode()
        self.unsent = b"%08d" % len(text) + text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, arrays: dict[str, Any]) -> None:
        """Send a question; what is right may be computed from now on."""
        self.unsent += frames.encode(arrays)
        self._move(b"", until=0)

    def receive(self) -> dict[str, Any]:
        """Return the answer. Raises EndedError if there will be none."""
        if not self.started:
            self._frame()  # says that it is ready, whatever it says
            self.started = True
            self.deadline = time.monotonic() + self.seconds
        return self._frame()

    def _frame(self) -> dict[str, Any]:
        head = self._move(b"", until=frames.HEAD.size)
        try:
            size = frames.length(head) + frames.HEAD.size
            return frames.decode(self._move(head, until=size)[frames.HEAD.size :])
        except frames.FrameError as error:
            what = f"sent something else than arrays ({error})"
            raise self._end("forged", what) from None

    def _move(self, got: bytes, until: int) -> bytes:
        """Write what is unsent and read up to a length; drain the output meanwhile.

        With `until` 0: write what the pipe takes at once.
        """
        if self.ended:
            raise EndedError(self.ended, "had ended before")
        read = bytearray(got)
        with selectors.DefaultSelector() as waiting:
            for pipe in {self.prints, self.replies} - self.silent:
                waiting.register(pipe, selectors.EVENT_READ)
            if self.unsent:
                waiting.register(self.requests, selectors.EVENT_WRITE)
            while len(read) < until or (not until and self.unsent):
                ready = {key.fd for key, _ in waiting.select(TURN if until else 0)}
                self._watch()
                for pipe in self._serve(ready):
                    waiting.unregister(pipe)
                if until and self.replies in ready:
                    read += self._read(until - len(read))
                if not until and self.requests not in ready:
                    break
        return bytes(read)

    def _serve(self, ready: set[int]) -> Iterator[int]:
        """Drain the output, write requests; yield the pipes that are done with."""
        if self.prints in ready and not self._drain():
            self.silent.add(self.prints)
            yield self.prints
        if self.requests in ready and self._write():
            yield self.requests

    def _read(self, size: int) -> bytes:
        part = os.read(self.replies, min(size, 2**16))
        if not part:
            raise self._end(*self._death())
        return part

    def _watch(self) -> None:
        """Stop a process that takes too long, or too much room."""
        if time.monotonic() > self.deadline:
            if not self.started:
                raise self._end("start", f"was not ready within {self.starting:g} s")
            raise self._end("time", f"took longer than {self.seconds:g} s")
        if folders.size(self.home, self.disk) > self.disk:
            raise self._end("disk", "filled its folder with files")

    def _drain(self) -> bool:
        """Read output and keep its beginning; False at its end."""
        part = os.read(self.prints, 2**16)
        self.printed += len(part)
        self.output += part[: max(0, KEPT - len(self.output))]
        return bool(part)

    def _write(self) -> bool:
        """Write what the pipe takes; True when nothing is left, or nobody reads."""
        try:
            sent = os.write(self.requests, self.unsent[: 2**16])
        except BrokenPipeError:
            sent = len(self.unsent)
        self.unsent = self.unsent[sent:]
        return not self.unsent

    def _death(self) -> tuple[str, str]:
        """Return how a process ended that closed its pipe."""
        status, used = self._waited()
        if status is None:
            return "exit", "closed the pipe instead of returning"
        if status > 128:  # of a process in bubblewrap
            status = 128 - status
        spent = used > self.seconds or status == -signal.SIGXCPU
        if status < 0 and spent:
            return "time", f"took longer than {self.seconds:g} s of the processor"
        if -status in OUTSIDE:
            return "killed", f"was killed by something else ({_name(-status)})"
        if status < 0:
            return "crash", f"crashed the interpreter ({_name(-status)})"
        return "exit", "ended the whole process instead of returning"

    def _waited(self) -> tuple[int | None, float]:
        """Wait a second for the end; return the status and the seconds of processor."""
        until = time.monotonic() + 1
        while time.monotonic() < until:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return self.process.returncode, usage.ru_utime + usage.ru_stime
            time.sleep(0.01)
        return None, 0.0

    def _end(self, why: str, what: str) -> EndedError:
        self.close()
        self.ended = why
        return EndedError(why, what)

    def close(self) -> None:
        """Kill the process and whatever it left behind; can be called again."""
        if self.process.stdout is None or self.process.stdout.closed:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        sweep.sweep(self.before)
        with suppress(BlockingIOError):
            for _ in range(64):
                if not self._drain():
                    break
        self.process.stdout.close()
        os.close(self.requests)
        os.close(self.replies)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
