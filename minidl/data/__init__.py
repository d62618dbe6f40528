"""Data: sets, loaders, splits, preprocessing and augmentation.

dataset      a number in, a sample out       loader      batches that can be repeated
files        real data inside the package    synthetic   toy sets one can draw
split        training, validation, test      preprocess  centering, scaling, whitening
transforms   augmentation: flips, crops      distort     turning, coloring, covering
mixing       mixup and CutMix                draws       random numbers by address
recipe       how one batch is made           ahead       threads and processes
"""

from minidl.data.dataset import Dataset, Subset, TensorDataset, check_labels, collate
from minidl.data.distort import ColorJitter, Cutout, RandomRotation
from minidl.data.draws import Draws
from minidl.data.files import DataError, Splits, load_digits, load_mnist5k
from minidl.data.loader import DataLoader
from minidl.data.mixing import cutmix, mixup
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
from minidl.data.split import KFold, bootstrap, train_test_split
from minidl.data.synthetic import blobs, circles, moons, regression, spirals, xor
from minidl.data.transforms import (
    Compose,
    GaussianNoise,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Transform,
    augmented_predict,
)

__all__ = [
    "PCA",
    "ColorJitter",
    "Compose",
    "Cutout",
    "DataError",
    "DataLoader",
    "Dataset",
    "Draws",
    "GaussianNoise",
    "KFold",
    "Preprocess",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "Splits",
    "Standardize",
    "Subset",
    "TensorDataset",
    "Transform",
    "Whiten",
    "ZeroCenter",
    "augmented_predict",
    "blobs",
    "bootstrap",
    "check_labels",
    "circles",
    "collate",
    "cutmix",
    "load_digits",
    "load_mnist5k",
    "mixup",
    "moons",
    "pca",
    "regression",
    "spirals",
    "standardize",
    "train_test_split",
    "whiten",
    "xor",
    "zero_center",
]
