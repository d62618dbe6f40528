"""Worker processes end with the process that trains, however it ended."""

import os
import signal
import subprocess
import sys
import time

import pytest

TRAINS = """
import time
import numpy as np
from minidl.data import DataLoader

if __name__ == "__main__":
    loader = DataLoader((np.arange(40.0), np.arange(40)), 4, workers=2)
    for batch in loader:
        print(*loader._pool.executor._processes, flush=True)
        time.sleep(60)
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which Linux has")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "trains.py"
    script.write_text(TRAINS)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, script], env=environment, **quiet) as parent:
        workers = parent.stdout.readline().split()
        assert workers
        assert all(map(alive, workers))
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, workers))
