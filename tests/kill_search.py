"""A search that is killed at random moments: `python -m tests.kill_search FOLDER 20`.

Prints how many kills there were, and how many trials were lost or made twice.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from minidl.lab import random_search, uniform

TRIALS = 800


def search(folder, most=TRIALS):
    """Every run of the objective leaves a line in `runs`, made by a single write.

    After `most` runs it waits to be killed: a slow killer does not come too late.
    """
    left = iter(range(most))
    runs = os.open(folder / "runs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def objective(x):
        time.sleep(0.0005)
        if next(left, None) is None:
            time.sleep(60)
            os._exit(1)
        os.write(runs, f"{x}\n".encode())
        return (x - 0.3) ** 2

    store = folder / "trials.jsonl"
    return random_search(objective, {"x": uniform(0, 1)}, TRIALS, store=store)


def finished(folder):
    """Return the whole lines of the store."""
    path = folder / "trials.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def main(folder, kills):
    rng, before, lost = np.random.default_rng(0), b"", 0
    for _ in range(kills):
        more = int(rng.integers(1, 16)) * (rng.random() < 0.8)  # 0: perhaps at once
        pid = os.fork()
        if pid == 0:
            search(folder, more + 20)
            os._exit(1)
        while finished(folder).count(b"\n") < before.count(b"\n") + more:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lost += not finished(folder).startswith(before)
        before = finished(folder)
    rows = before.count(b"\n")
    assert 0 < rows < TRIALS, f"{rows} of {TRIALS}"
    result = search(folder)
    lost += not finished(folder).startswith(before)
    numbers = [json.loads(line)["trial"] for line in finished(folder).splitlines()]
    lost += sorted(numbers) != list(range(TRIALS))
    wasted = len((folder / "runs").read_text().splitlines()) - TRIALS
    assert [t.value for t in result.trials] == [
        (t.setting["x"] - 0.3) ** 2 for t in result.trials
    ]
    print(f"{kills} kills, {lost} lost, {wasted} runs more than trials")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
