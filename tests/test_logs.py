import csv
import struct

import numpy as np

from minidl.train import (
    Callback,
    CSVLog,
    LivePlot,
    TensorBoardLog,
)
from tests.runs import (
    VALIDATION,
    At,
    loader,
    press,
    trainer,
)

# ------------------------------------------------------------------------------- logs


def test_the_csv_is_the_history(tmp_path):
    path, steps = tmp_path / "deep" / "run.csv", tmp_path / "steps.csv"
    logs = [CSVLog(path), CSVLog(steps, "steps"), At(15, press)]
    history = trainer(callbacks=logs).fit(loader(), VALIDATION, epochs=3)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]
    with open(steps, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history.steps["loss"]
    assert len(rows) == 15
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "steps.csv"]


def fields(data):
    """Read the wire format of Protocol Buffers: yield (number, value)."""
    at = 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, data[at : at + size]
        at += size


def crc(data):
    """CRC-32C, bit by bit, masked."""
    c = 0xFFFFFFFF
    for byte in data:
        c ^= byte
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 * (c & 1))
    c ^= 0xFFFFFFFF
    return (((c >> 15) | (c << 17)) + 0xA282EAD8) % 2**32


def events(path):
    """Return {(tag, step): number} of a TensorBoard file."""
    data, found, version = path.read_bytes(), {}, None
    while data:
        (n,) = struct.unpack("<Q", data[:8])
        content = data[12 : 12 + n]
        sums = struct.unpack("<I", data[8:12]) + struct.unpack(
            "<I", data[12 + n : 16 + n]
        )
        assert sums == (crc(data[:8]), crc(content))
        event = dict(fields(content))
        assert struct.unpack("<d", event[1])[0] > 1.6e9
        version = event.get(3, version)
        for _, value in fields(event.get(5, b"")):
            row = dict(fields(value))
            found[row[1].decode(), event[2]] = struct.unpack("<f", row[2])[0]
        data = data[16 + n :]
    assert version == b"brain.Event:2"
    return found


def test_tensorboard_gets_every_number(tmp_path):
    run = trainer(callbacks=[TensorBoardLog(tmp_path), At(15, press)])
    history = run.fit(loader(), VALIDATION, epochs=3)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    found = events(path)
    for t, loss in zip(history.steps["step"], history.steps["loss"], strict=True):
        assert found["step/loss", t] == np.float32(loss)
        assert found["step/lr", t] == np.float32(0.01)
    for name in ("train_loss", "val_loss", "val_accuracy", "lr", "seconds"):
        for epoch, value in enumerate(history[name], 1):
            assert found[f"epoch/{name}", epoch] == np.float32(value)
    assert len(found) == 2 * 15 + 2 * len(history.epochs) - 4
    run.fit(loader(), VALIDATION, epochs=1)
    later = events(
        max(tmp_path.iterdir(), key=lambda p: (p.stat().st_mtime_ns, p.name))
    )
    assert min(t for tag, t in later if tag == "step/loss") == 16


def test_the_live_plot_is_a_file_too(tmp_path):
    path = tmp_path / "run.png"
    sizes = []

    class Look(Callback):
        turn = 30

        def on_epoch(self, trainer, record):
            sizes.append(path.stat().st_size)

    trainer(callbacks=[LivePlot(path, seconds=0), Look()]).fit(
        loader(), VALIDATION, epochs=2
    )
    assert len(sizes) == 2
    assert path.read_bytes().startswith(b"\x89PNG")
