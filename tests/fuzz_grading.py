"""Nothing that a student supplies raises in the grader: random and mutated inputs.

    python -m tests.fuzz_grading 100000

A frame, a package and a file of code are made in turn, mostly from sound ones by a few
changes, and go where the grader takes them. The one place that may raise is
`frames.decode`, whose FrameError becomes a sentence. The default tier runs some hundred.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np

from minidl_course.answers import Failure
from minidl_course.grade import feedback, grading, inbox, intake
from minidl_course.grade.results import (
    Result,
    RowResult,
    TaskResult,
    clean,
    slug,
    to_json,
)
from minidl_course.judge import judge_row
from minidl_course.sandbox import folders, frames
from tests import course_kit as kit

RIGHT = kit.written(forward="y = exp(z)\ny /= y.sum(axis=axis, keepdims=True)")
ODD = [b"\0", b"\xff", b"\xed\xa0\x80", b"/..", b"\\", b"# region a1.6:", b"# endregion",
       b"(" * 500, b"{" * 500, b"\r", b"\x0c", b"'''", b"9" * 400, b"PK\x05\x06", b"!line",
       "가".encode(), b"\xff" * 8, b"\x7f\xff\xff\xff"]  # fmt: skip


class Fuzz:
    """Makers of inputs, and what the grader does with them; a seed repeats a case."""

    def __init__(self, course, folder):
        self.course, self.folder = course, Path(folder)
        self.row = course.rows[0]
        self.kinds = (self.frame, self.package, self.code)

    def one(self, seed):
        """Run case number `seed`; return what came of it, in a word."""
        rng = np.random.default_rng(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.kinds[seed % len(self.kinds)](rng)

    def frame(self, rng):
        """Decode a frame, judge it, and print what a student is told."""
        arrays = {}
        for name in rng.choice(["y", "dx", "!error", "!line", "!ready", "a b"], 3):
            dtype = frames.DTYPES[rng.integers(len(frames.DTYPES))]
            shape = tuple(rng.integers(0, 4, rng.integers(0, 4)))
            raw = rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize)
            array = np.frombuffer(raw, np.uint8)
            wide = array.view(dtype) if array.size else np.zeros(0, dtype)
            arrays[str(name)] = (array > 9 if dtype == "|b1" else wide).reshape(shape)
        body = changed(rng, frames.encode(arrays)[frames.HEAD.size :])
        try:
            given = frames.decode(body)
        except frames.FrameError as error:
            given = Failure(f"sent something else than arrays ({error})")
        if not isinstance(given, Failure):
            told = frames.told(given)
            if told is not None:
                given = Failure(f"raised {clean(told[0], 160)} (line {told[1]})")
        kinds = [np.ones((2, 3)), np.zeros(2, np.float32), np.arange(3), np.array(True)]
        right = {"y": kinds[rng.integers(4)], "dx": kinds[rng.integers(4)]}
        verdict = judge_row(self.row, [given, given], [right, right])
        row = RowResult("r", verdict.points, 40, False, clean(verdict.what), "h")
        self._pages(row, "ada")
        return "right" if verdict.right else "wrong"

    def package(self, rng):
        """Take in a package of some kind."""
        kind = rng.choice(["zip", "ZIP", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "py",
                           "ipynb", "7z", "tree"])  # fmt: skip
        name = changed(rng, b"a1_ada", 0.5).replace(b"/", b"").replace(b"\0", b"")[:80]
        path = self.folder / f"{name.decode('utf-8', 'surrogateescape')}.{kind}"
        text = changed(rng, RIGHT.encode(), 0.5)
        if kind == "tree":
            plant(rng, path, text)
        else:
            path.write_bytes(changed(rng, packed(str(kind), text)))
        try:
            entry = inbox._entry(path, self.course)
            student = entry.student or "ada"
            taken = intake.take(path, student, self.course)
            slug(student)
            for note in taken.notes:
                self._pages(RowResult("r", 0, 40, False, clean(note)), student)
            return taken.status
        finally:
            folders.remove(path) if kind == "tree" else path.unlink()

    def code(self, rng):
        """Graft a student's file."""
        text = intake.text_of(changed(rng, RIGHT.encode()))
        task = self.course.tasks[kit.FORWARD]
        made = grading._graft(self.course, task, text)
        if isinstance(made, Failure):
            self._pages(RowResult("r", 0, 40, False, clean(made.what)), "ada")
            return "refused"
        grading._place(self.course, task, text)
        return "grafted"

    def _pages(self, row, student):
        task = TaskResult("a1.6", "one", kit.FILE, (row,))
        result = Result("a1", "t", student, "k", "L2", (task,), (clean(row.what),))
        feedback.markdown(result).encode("utf-8", "replace")
        feedback.html(result).encode("utf-8", "replace")
        to_json(result).encode("utf-8", "replace")


def plant(rng, path, text):
    """Make folders in folders with odd names, links, pipes, and the one file in one."""
    here = path
    here.mkdir()
    for _ in range(rng.integers(1, 60)):
        name = changed(rng, b"minidl", 0.3).replace(b"/", b"").replace(b"\0", b"")[:60]
        here = here / (name.decode("utf-8", "surrogateescape").strip(".") or "x")
        if len(str(here)) > 3000:
            break
        here.mkdir()
        what = rng.integers(8)
        if what == 0:
            (here / "activation.py").symlink_to(path)
        elif what == 1:
            os.mkfifo(here / "activation.py")
        elif what < 5:
            (here / "activation.py").write_bytes(text)


def changed(rng, content, often=0.9):
    """Return bytes with a few changes: cut, flipped, doubled, odd ones put in."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6) if rng.random() < often else 0):
        at = int(rng.integers(0, len(content) + 1))
        some = slice(at, at + int(rng.integers(1, 40)))
        what = rng.integers(5)
        if what == 0:
            del content[some]
        elif what == 1:
            content[at:at] = content[some]
        elif what == 2:
            content[at:at] = ODD[rng.integers(len(ODD))]
        elif what == 3 and at < len(content):
            content[at] ^= 1 << int(rng.integers(8))
        elif rng.random() < 0.2:
            del content[at:]
    return bytes(content)


def packed(kind, text):
    """Return a package of a kind with the one file."""
    out = io.BytesIO()
    if kind in ("zip", "ZIP", "7z"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "hello")
            archive.writestr(kit.FILE, text)
            archive.writestr(
                "submission.json", '{"student": "ada", "assignment": "a1"}'
            )
        return out.getvalue()
    if kind == "py":
        return text
    if kind == "ipynb":
        source = text.decode("utf-8", "replace")
        return json.dumps({"cells": [{"cell_type": "code", "source": source}]}).encode()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("a" * 150, kit.FILE):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    press = {"tar": bytes, "gz": gzip.compress, "tgz": gzip.compress,
             "bz2": bz2.compress, "xz": lzma.compress}  # fmt: skip
    return press[kind.rpartition(".")[2]](out.getvalue())


def main(count):
    """Run so many cases; name the seeds that raised, and count what came out."""
    with tempfile.TemporaryDirectory() as folder:
        fuzz, found, bad = Fuzz(kit.make_course(Path(folder)), folder), {}, []
        start = time.monotonic()
        for seed in range(count):
            try:
                what = fuzz.one(seed)
            except Exception as error:
                bad.append(seed)
                what = f"RAISED {type(error).__name__}: {error}"[:200]
                print(f"seed {seed}: {what}")
            found[what] = found.get(what, 0) + 1
    took = time.monotonic() - start
    print(f"{count} cases in {took:.0f} s, {len(bad)} exceptions: {found}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
