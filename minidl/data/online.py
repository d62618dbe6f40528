"""Large image sets that are downloaded once: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100.

They go into a cache folder (MINIDL_CACHE, or the user's own), are known by their
SHA-256, and are read without pickle: of CIFAR the binary version. Sums and lengths of
the files are those that their users have published for many years.

x (N, C, H, W) float32 in [0, 1], y (N,) int64. The last 5000 training images are for
validation. The authors ask to be cited; please read their pages for the terms of use.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.data.archives import gunzip, read_members
from minidl.data.dataset import NamedDataset, check_labels
from minidl.data.files import NamedSplits
from minidl.data.formats import read_cifar, read_idx
from minidl.data.net import cache_folder, download
from minidl.errors import DataError

VALIDATION = 5000
BATCH = 10_000  # images per file of CIFAR-10; CIFAR-100 has 5 times as many, and once


class Remote(NamedTuple):
    """A file of the net."""

    name: str
    size: int
    sha256: str


class Source(NamedTuple):
    """Files that belong together, and the folders of the net where they lie."""

    mirrors: tuple[str, ...]
    files: tuple[Remote, ...]


MNIST = Source(
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    (
        Remote("train-images-idx3-ubyte.gz", 9_912_422,
               "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        Remote("train-labels-idx1-ubyte.gz", 28_881,
               "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        Remote("t10k-images-idx3-ubyte.gz", 1_648_877,
               "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        Remote("t10k-labels-idx1-ubyte.gz", 4_542,
               "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)  # fmt: skip
FASHION = Source(
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    (
        Remote("train-images-idx3-ubyte.gz", 26_421_880,
               "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        Remote("train-labels-idx1-ubyte.gz", 29_515,
               "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        Remote("t10k-images-idx3-ubyte.gz", 4_422_102,
               "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        Remote("t10k-labels-idx1-ubyte.gz", 5_148,
               "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)  # fmt: skip
TORONTO = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR10 = Source(
    TORONTO,
    (Remote("cifar-10-binary.tar.gz", 170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),),
)  # fmt: skip
CIFAR100 = Source(
    TORONTO,
    (Remote("cifar-100-binary.tar.gz", 168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),),
)  # fmt: skip
CIFAR10_TRAIN = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)]
CIFAR10_TEST = "cifar-10-batches-bin/test_batch.bin"

DIGITS = "0 1 2 3 4 5 6 7 8 9"
CLOTHES = "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot"
TEN = "airplane automobile bird cat deer dog frog horse ship truck"
HUNDRED = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy "
    "bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock "
    "cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish "
    "forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion "
    "lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange "
    "orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine "
    "possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank "
    "telephone television tiger tractor train trout tulip turtle wardrobe whale "
    "willow_tree wolf woman worm"
)


def load_mnist() -> NamedSplits:
    """Return all 70,000 MNIST digits of 28 × 28 points: 55,000 / 5000 / 10,000.

    12 MB are downloaded at the first call. Y. LeCun, C. Cortes and C. Burges.
    """
    return _load_idx(MNIST, "mnist", DIGITS)


def load_fashion_mnist() -> NamedSplits:
    """Return 70,000 pictures of clothes, 28 × 28 points: 55,000 / 5000 / 10,000.

    31 MB are downloaded at the first call. H. Xiao, K. Rasul and R. Vollgraf 2017, MIT.
    """
    return _load_idx(FASHION, "fashion-mnist", CLOTHES)


def load_cifar10() -> NamedSplits:
    """Return 60,000 photographs, 32 × 32 points in color: 45,000 / 5000 / 10,000.

    170 MB are downloaded at the first call. A. Krizhevsky 2009.
    """
    size = BATCH * (1 + 3 * 32 * 32)
    sizes = dict.fromkeys([*CIFAR10_TRAIN, CIFAR10_TEST], size)
    found = read_members(_fetch(CIFAR10, "cifar")[0], sizes)
    train = b"".join(found[name] for name in CIFAR10_TRAIN)
    test = read_cifar(found[CIFAR10_TEST], 1, 10, CIFAR10_TEST)
    return _splits(*read_cifar(train, 1, 10), *test, TEN)


def load_cifar100() -> NamedSplits:
    """Return 60,000 photographs of 100 classes, 32 × 32: 45,000 / 5000 / 10,000.

    169 MB are downloaded at the first call. A. Krizhevsky 2009; y is the fine label.
    """
    size = BATCH * (2 + 3 * 32 * 32)
    train, test = "cifar-100-binary/train.bin", "cifar-100-binary/test.bin"
    sizes = {train: 5 * size, test: size}
    found = read_members(_fetch(CIFAR100, "cifar")[0], sizes)
    pair = [read_cifar(found[name], 2, 100, name) for name in (train, test)]
    return _splits(*pair[0], *pair[1], HUNDRED)


def _load_idx(source: Source, folder: str, categories: str) -> NamedSplits:
    arrays = []
    for path, axes in zip(_fetch(source, folder), (3, 1, 3, 1), strict=True):
        content = gunzip(path, 16 + 60_000 * 28 * 28)
        arrays.append(array := read_idx(content, path.name))
        if array.ndim != axes:
            raise DataError(f"{path} has shape {array.shape}, not {axes} axes")
    x, y, test_x, test_y = arrays
    return _splits(x[:, None], y, test_x[:, None], test_y, categories)


def _fetch(source: Source, folder: str) -> list[Path]:
    """Return the paths of a source's files, downloaded if need be."""
    return [
        download(
            [mirror + file.name for mirror in source.mirrors],
            file.sha256,
            size=file.size,
            folder=cache_folder() / folder,
        )
        for file in source.files
    ]


def _splits(
    x: Array, y: Array, test_x: Array, test_y: Array, categories: str
) -> NamedSplits:
    """Hold out the last images for validation.    x (N, C, H, W), y (N,), both uint8"""
    words = [word.replace("_", " ") for word in categories.split()]
    for images, labels in ((x, y), (test_x, test_y)):
        if len(images) != len(labels) or not len(images):
            raise DataError(f"there are {len(images)} images and {len(labels)} labels")
        check_labels(labels, len(words))
    held_out = min(VALIDATION, len(x) // 2)
    split = len(x) - held_out
    parts = ((x[:split], y[:split]), (x[split:], y[split:]), (test_x, test_y))
    return NamedSplits(*(_part(images, labels, words) for images, labels in parts))


def _part(x: Array, y: Array, words: list[str]) -> NamedDataset:
    scaled = x.astype(np.float32)
    scaled /= 255
    return NamedDataset(scaled, y.astype(np.int64), categories=words)
