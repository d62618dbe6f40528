"""A search on a Dask cluster whose scheduler is killed: python -m tests.kill_scheduler FOLDER.

Prints the error, how many trials were finished, and whether going on in one process
made the same trials as a run that nobody disturbed.
"""

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from minidl import lab
from minidl.errors import MinidlError

RATE = {"lr": lab.log_uniform(1e-4, 1)}


def slow(lr):
    time.sleep(0.3)
    return lr


def dask(what, file, *options):
    """Start a scheduler or a worker."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options]
    command += ["--scheduler-file", str(file), "--no-dashboard"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def main(folder):
    warnings.simplefilter("ignore")  # its own affair
    from distributed import Client

    file, store = folder / "scheduler.json", folder / "trials.jsonl"
    scheduler = dask("scheduler", file, "--port", "0")
    workers = [dask("worker", file, "--nthreads", "1", "--no-nanny") for _ in range(2)]

    def kill():
        while not store.exists() or store.read_text().count("\n") < 2:
            time.sleep(0.02)
        scheduler.kill()

    try:
        Client(scheduler_file=str(file), timeout=60).wait_for_workers(2)
        threading.Thread(target=kill, daemon=True).start()
        lab.random_search(slow, RATE, 12, seed=4, jobs=-1, backend="dask", store=store)
    except MinidlError as error:
        print(f"error: {error}")
    for process in (scheduler, *workers):
        process.kill()
    finished = store.read_text().count("\n")
    on = lab.random_search(slow, RATE, 12, seed=4, store=store)
    whole = [trial.value for trial in lab.random_search(slow, RATE, 12, seed=4).trials]
    print(2 <= finished < 12, [trial.value for trial in on.trials] == whole, flush=True)
    os._exit(0)  # the client waits for its cluster


if __name__ == "__main__":
    main(Path(sys.argv[1]))
