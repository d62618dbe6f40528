"""Tables of measurements: four small sets on which models were compared for decades.

x (N, D) float32, as it was measured: standardize it (minidl.data.standardize). y (N,)
int64, or (N, 1) float32 for diabetes. A fifth of each class is for validation, a fifth
for test. The files come from scikit-learn; sources and licenses: vendored/LICENSE-*.
"""

from __future__ import annotations

import numpy as np

from minidl.data.dataset import NamedDataset, check_labels
from minidl.data.files import PARTS, NamedSplits, as_words, vendored


def load_iris() -> NamedSplits:
    """Return 150 flowers of 3 species of iris, 4 lengths each in cm: 90 / 30 / 30.

    R. A. Fisher 1936, "The use of multiple measurements in taxonomic problems".

    >>> train, validation, test = load_iris()
    >>> train.categories, train.features[0]
    (('setosa', 'versicolor', 'virginica'), 'sepal length')
    """
    return _load("iris")


def load_wine() -> NamedSplits:
    """Return chemical analyses of 178 wines from 3 cultivars: 110 / 34 / 34.

    M. Forina et al.; S. Aeberhard, D. Coomans and O. de Vel 1992.

    >>> load_wine().train
    TensorDataset(x float32 (110, 13), y int64 (110,) of 3 classes)
    """
    return _load("wine")


def load_breast_cancer() -> NamedSplits:
    """Return measures of cells from 569 tumors, malignant or benign: 343 / 113 / 113.

    W. H. Wolberg, W. N. Street and O. L. Mangasarian 1995, Wisconsin (diagnostic).

    >>> load_breast_cancer().train.categories
    ('malignant', 'benign')
    """
    return _load("breast_cancer")


def load_diabetes() -> NamedSplits:
    """Return 442 patients and the progress of diabetes a year later: 266 / 88 / 88.

    B. Efron, T. Hastie, I. Johnstone and R. Tibshirani 2004, "Least angle regression".
    Units as measured; sex is 1 or 2; y from 25 to 346.

    >>> load_diabetes().train
    TensorDataset(x float32 (266, 10), y float32 (266, 1))
    """
    return _load("diabetes")


def _load(name: str) -> NamedSplits:
    arrays = vendored(name)
    features = as_words(arrays["features"])
    categories = as_words(arrays["categories"])
    splits = []
    for part in PARTS:
        x = arrays[f"{part}_x"].astype(np.float32)
        y = arrays[f"{part}_y"].astype(np.int64 if categories else np.float32)
        if categories:
            check_labels(y, len(categories))
        splits.append(NamedDataset(x, y, categories=categories, features=features))
    return NamedSplits(*splits)
