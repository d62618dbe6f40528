"""A batch that is killed again and again ends as if nothing had happened.

    python -m tests.kill_grading 400 10         submissions, kills

The submissions are graded once undisturbed, and once with kill -9 of the command at
random moments, each time followed by the same command. Every file of the second run
(results, pages, tables) must have the bytes of the first, but for the seconds that
tasks took; nobody is lost, nobody is there twice, and no process is left.
"""

import difflib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmarks.grading import submissions
from minidl_course.assignment import find
from minidl_course.zips import zipped

ROOT = Path(__file__).resolve().parents[1]


def command(inbox, out, secret):
    """Return the command that instructors run."""
    return [sys.executable, "-m", "minidl", "course", "grade", str(inbox), "--out",
            str(out), "--secret", str(secret), "--assignment", "a1"]  # fmt: skip


def hand_in(inbox, count):
    """Write so many submissions of a1, of the kinds that the benchmark has."""
    kinds = islice(cycle(submissions(find("a1", ROOT))), count)
    for i, files in enumerate(kinds):
        content = {name: text.encode() for name, text in files.items()}
        (inbox / f"a1_s{i:04}.zip").write_bytes(zipped(content))


def killed(words, out, count, kills, rng):
    """Run a command and kill it `kills` times, at random numbers of results."""
    for goal in sorted(rng.sample(range(1, count), kills)):
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        while len(list((out / "results").glob("*.json"))) < goal:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.02)
        time.sleep(rng.random())
        process.send_signal(signal.SIGKILL)
        process.wait()


def contents(out):
    """Return the files of a grading by name, without the seconds that tasks took."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name != ".lock":
            content = path.read_bytes()
            if path.parent.name == "results":
                made = json.loads(content)
                for task in made["tasks"]:
                    del task["seconds"]
                content = json.dumps(made, indent=1).encode()
            found[path.relative_to(out).as_posix()] = content
    return found


def unlike(one, other):
    """Return the first lines in which two files differ."""
    pair = (part.decode(errors="replace").splitlines() for part in (one, other))
    return [line[:300] for line in difflib.ndiff(*pair) if line[0] in "-+"][:6]


def children_of(out):
    """Return the processes that work for a grading still, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(out) in words:
            found.append(path.parent.name)
    return found


def main(count, kills, seed=0):
    """Compare both runs; the status is 1 if they differ."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        inbox, calm, rough = folder / "in", folder / "calm", folder / "rough"
        inbox.mkdir()
        hand_in(inbox, count)
        secret = folder / "secret"
        secret.write_text("of the kills\n")
        subprocess.run(command(inbox, calm, secret), cwd=ROOT, check=True)
        words = command(inbox, rough, secret)
        killed(words, rough, count, kills, random.Random(seed))
        done = subprocess.run(
            words, cwd=ROOT, check=True, capture_output=True, text=True
        )
        print(done.stdout.splitlines()[-1])
        first, second = contents(calm), contents(rough)
        graded = len([name for name in second if name.startswith("results/")])
        differ = [
            n for n in first.keys() | second.keys() if first.get(n) != second.get(n)
        ]
        for name in sorted(differ)[:3]:
            print(name, *unlike(first.get(name, b""), second.get(name, b"")), sep="\n")
        left = children_of(rough)
    print(f"{count} submissions, {kills} kills: {graded} results, {len(differ)} of "
          f"{len(first)} files differ {differ[:5]}, {len(left)} processes left")  # fmt: skip
    return 1 if differ or left or graded != count else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
