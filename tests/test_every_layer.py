"""What holds for every layer of nn and every net of models: their weights travel."""

import inspect

import numpy as np
import pytest

import minidl as md
from minidl import models, nn
from tests.every_layer import LAYERS, NETS, NOT

ROWS = LAYERS + NETS
IDS = [f"{k}-{row[0]}" for k, row in enumerate(ROWS)]


def test_every_layer_and_net_has_a_row():
    for home, rows in ((nn, LAYERS), (models, NETS)):
        names = {
            name
            for name in home.__all__
            if inspect.isclass(getattr(home, name))
            and issubclass(getattr(home, name), nn.Module)
        }
        assert names - NOT <= {row[0] for row in rows}


def scrambled(model, seed):
    rng = np.random.default_rng(seed)
    for _, x in model.named_state():
        if x.dtype.kind == "f":
            x.data[...] = rng.uniform(0.5, 1.5, x.shape)
    return model


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    assert list(ours) == list(theirs)
    for name, x in ours.items():
        np.testing.assert_array_equal(theirs[name], x, err_msg=name)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_its_weights_pass_through_safetensors(row, tmp_path):
    theirs = pytest.importorskip("safetensors.numpy")
    model, path = scrambled(row[1](), 1), tmp_path / "weights.safetensors"
    md.save(model, path)
    read = theirs.load_file(path)  # the library reads what we wrote
    assert set(read) == set(model.state_dict())
    theirs.save_file(read, path)  # and we what it wrote
    twin = scrambled(row[1](), 2)
    same(model, md.load(path, twin))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_its_weights_pass_through_pytorchs_layout(row):
    model, twin = scrambled(row[1](), 1), scrambled(row[1](), 2)
    drawn = {n for n, x in model.named_state() if x.dtype.kind != "f"}  # keys, counts
    state = nn.to_torch_state_dict(model)
    assert nn.load_torch_state_dict(twin, state) == ([], [])
    for name, x in model.state_dict().items():
        if name not in drawn:
            np.testing.assert_array_equal(twin.state_dict()[name], x, err_msg=name)
