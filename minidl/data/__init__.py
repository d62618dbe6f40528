"""Data: sets, loaders, splits, preprocessing and augmentation.

dataset      a number in, a sample out       loader      batches that can be repeated
files        real data in the package        tables      flowers, wines, patients
text         plays, pronunciations, names    tokenize    characters and words as numbers
bpe          byte-pair encoding              synthetic   toy sets one can draw
online       MNIST, CIFAR: downloaded once   net         a file of the net, whole
archives     unpacked without trust          formats     IDX and CIFAR's records
split        training, validation, test      preprocess  centering, scaling, whitening
transforms   augmentation: flips, crops      distort     turning, coloring, covering
mixing       mixup and CutMix                draws       random numbers by address
shards       a folder of files, larger than memory
recipe       how one batch is made           ahead       threads and processes
"""

from typing import Any as _Any

from minidl.data.archives import unpack
from minidl.data.bpe import BytePairTokenizer
from minidl.data.dataset import (
    Dataset,
    NamedDataset,
    Subset,
    TensorDataset,
    check_labels,
    collate,
)
from minidl.data.distort import ColorJitter, Cutout, RandomRotation
from minidl.data.draws import Draws
from minidl.data.files import (
    NamedSplits,
    Splits,
    load_digits,
    load_emoji,
    load_mnist5k,
)
from minidl.data.loader import DataLoader
from minidl.data.mixing import cutmix, mixup
from minidl.data.net import cache_folder, download
from minidl.data.online import (
    load_cifar10,
    load_cifar100,
    load_fashion_mnist,
    load_mnist,
)
from minidl.data.preprocess import (
    PCA,
    Preprocess,
    Standardize,
    Whiten,
    ZeroCenter,
    pca,
    standardize,
    whiten,
    zero_center,
)
from minidl.data.sampler import BalancedSampler
from minidl.data.shards import Shards
from minidl.data.split import KFold, bootstrap, train_test_split
from minidl.data.synthetic import blobs, circles, moons, regression, spirals, xor
from minidl.data.tables import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
)
from minidl.data.text import (
    Pronunciations,
    Texts,
    WordLists,
    load_cmudict,
    load_names,
    load_shakespeare,
)
from minidl.data.tokenize import (
    CharTokenizer,
    WordTokenizer,
    pad_sequences,
    split_words,
)
from minidl.data.transforms import (
    Compose,
    GaussianNoise,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Transform,
    augmented_predict,
)
from minidl.errors import DataError
from minidl.foreign import missing as _missing

__all__ = [
    "PCA",
    "BalancedSampler",
    "BytePairTokenizer",
    "CharTokenizer",
    "ColorJitter",
    "Compose",
    "Cutout",
    "DataError",
    "DataLoader",
    "Dataset",
    "Draws",
    "GaussianNoise",
    "KFold",
    "NamedDataset",
    "NamedSplits",
    "Preprocess",
    "Pronunciations",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "Shards",
    "Splits",
    "Standardize",
    "Subset",
    "TensorDataset",
    "Texts",
    "Transform",
    "Whiten",
    "WordLists",
    "WordTokenizer",
    "ZeroCenter",
    "augmented_predict",
    "blobs",
    "bootstrap",
    "cache_folder",
    "check_labels",
    "circles",
    "collate",
    "cutmix",
    "download",
    "load_breast_cancer",
    "load_cifar10",
    "load_cifar100",
    "load_cmudict",
    "load_diabetes",
    "load_digits",
    "load_emoji",
    "load_fashion_mnist",
    "load_iris",
    "load_mnist",
    "load_mnist5k",
    "load_names",
    "load_shakespeare",
    "load_wine",
    "mixup",
    "moons",
    "pad_sequences",
    "pca",
    "regression",
    "spirals",
    "split_words",
    "standardize",
    "train_test_split",
    "unpack",
    "whiten",
    "xor",
    "zero_center",
]


def __getattr__(name: str) -> _Any:
    raise _missing("minidl.data", name, __all__)
