"""What comes from other libraries goes in as it is, and what leaves is read by them."""

import numpy as np
import pytest

import minidl as md
from minidl import models, ops, optim
from minidl.data import DataLoader, moons
from minidl.errors import DTypeError
from minidl.train import TensorBoardLog, Trainer, accuracy

X, Y = moons(60, rng=0).arrays


def trained(batches, validation=None, callbacks=()):
    net = models.MLP([2, 8, 2], rng=0)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    trainer = Trainer(
        net, optimizer, ops.cross_entropy, [accuracy], callbacks, progress=False
    )
    history = trainer.fit(batches, validation, epochs=2)
    return history.steps["loss"], history.epochs.get("val_loss")


def ours():
    return DataLoader((X, Y), 20)


def test_a_loader_of_pytorch(torch):
    data = torch.utils.data
    pairs = data.TensorDataset(torch.tensor(X).double(), torch.tensor(Y))
    theirs = data.DataLoader(pairs, 20)
    assert trained(theirs, theirs) == trained(ours(), ours())


def test_batches_of_dictionaries():
    for truth in ("y", "label", "targets"):
        batches = [{truth: Y[i : i + 20], "x": X[i : i + 20]} for i in (0, 20, 40)]
        assert trained(batches, batches) == trained(ours(), ours())
    samples = [{"x": x, "y": y} for x, y in zip(X, Y, strict=True)]
    assert trained(DataLoader(samples, 20)) == trained(ours())
    net = models.MLP([2, 8, 2], rng=0)
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1), ops.cross_entropy)
    np.testing.assert_array_equal(trainer.predict(batches), trainer.predict(ours()))
    with pytest.raises(DTypeError, match=r"\['x', 'z'\].*one of y, label"):
        trained([{"x": X, "z": Y}])


def test_columns_of_pandas():
    pandas = pytest.importorskip("pandas", reason="needs the package pandas")
    table = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1].astype("f8"), "c": Y})
    x, y = table[["a", "b"]], table["c"]
    assert trained(DataLoader((x, y), 20), (x, y)) == trained(ours(), (X, Y))
    parts = [(x[i : i + 20], y[i : i + 20]) for i in (0, 20, 40)]
    assert trained(parts) == trained(ours())
    with pytest.raises(DTypeError, match="numbers"):
        trained([(x, y.map({0: "no", 1: "yes"}))])


def test_arrays_of_jax():
    jnp = pytest.importorskip("jax.numpy", reason="needs the package jax")
    parts = [(jnp.array(X[i : i + 20]), jnp.array(Y[i : i + 20])) for i in (0, 20, 40)]
    assert trained(parts) == trained(ours())


def address(array):
    return array.__array_interface__["data"][0]


def test_dlpack_copies_nothing_to_and_from_pytorch(torch):
    theirs = torch.arange(6.0)
    assert address(md.from_dlpack(theirs).data) == theirs.data_ptr()
    mine = md.Tensor(np.arange(6.0))
    assert torch.from_dlpack(mine).data_ptr() == address(mine.data)


def test_dlpack_copies_nothing_to_and_from_jax():
    jax = pytest.importorskip("jax", reason="needs the package jax")
    theirs = jax.numpy.arange(6.0)
    assert address(md.from_dlpack(theirs).data) == theirs.unsafe_buffer_pointer()
    memory = np.zeros(32, np.float32)  # JAX shares what begins at a multiple of 64
    start = -address(memory) % 64 // 4
    mine = md.Tensor(memory[start : start + 8], copy=False)
    there = jax.dlpack.from_dlpack(mine)
    assert there.unsafe_buffer_pointer() == address(mine.data)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboards_own_reader(tmp_path):
    name = "tensorboard.backend.event_processing.event_accumulator"
    reader = pytest.importorskip(name, reason="needs the package tensorboard")
    losses, judged = trained(ours(), ours(), [TensorBoardLog(tmp_path)])
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    assert {"step/loss", "epoch/val_accuracy"} <= set(events.Tags()["scalars"])
    read = events.Scalars("step/loss")
    assert [e.step for e in read] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([e.value for e in read], losses, rtol=1e-6)
    read = [e.value for e in events.Scalars("epoch/val_loss")]
    np.testing.assert_allclose(read, judged, rtol=1e-6)
