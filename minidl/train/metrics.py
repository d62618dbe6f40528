"""How good are the predictions? Counts of hits and misses, and what is made of them.

Every metric takes the predictions first and the truth second, as the losses do:
`scores` are numbers (N, K), the largest of a row being the prediction, or predicted
labels (N,); `labels` (N,) are the true ones. Lists, arrays and Tensors are all welcome.

    N samples, K classes, C (K, K) counts: row i is the true class, column j the
    predicted one
    TP_k = C_kk            of class k, and recognized
    FP_k = Σ_{i≠k} C_ik    taken for class k, but of another
    FN_k = Σ_{j≠k} C_kj    of class k, but taken for another

The numbers are scikit-learn's, and so are the names and settings, except that
`sklearn.metrics` takes the truth first. Nothing here is differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minidl.backend import Array, namespace, to_numpy
from minidl.engine.tensor import TensorLike, values
from minidl.errors import DTypeError, RangeError, ShapeError

Classes = int | Sequence[int] | None
Vector = np.ndarray[Any, Any]
Average = Literal["macro", "micro", "weighted", "binary", "none"] | None

AVERAGES = ("macro", "micro", "weighted", "binary", "none")


def accuracy(scores: TensorLike, labels: TensorLike) -> float:
    """Σ_k TP_k / N, the share of hits.

    >>> accuracy([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]], [0, 1, 1, 1])
    0.75
    """
    said, truth, _ = read("accuracy", scores, labels)
    return float((said == truth).mean())


def top_k(scores: TensorLike, labels: TensorLike, k: int = 5) -> float:
    """The share of samples whose label is among their k largest scores.

    scores (N, K), labels (N,) -> a number in [0, 1]. Among equal scores the class with
    the higher index comes first, as in scikit-learn; top_k(…, 1) is therefore the
    accuracy only where the largest score has no equal.

    >>> top_k([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [1, 2], k=2)
    0.5
    """
    _, truth, n_classes = read("top_k", scores, labels)
    if n_classes is None:
        raise ShapeError(
            "top_k: predicted labels (N,) do not say what came second; "
            "pass the scores (N, K) that they were taken from"
        )
    if not 1 <= k <= n_classes:
        raise RangeError(f"top_k: k = {k}, but there are {n_classes} classes")
    x = as_array("top_k", scores)
    xp = namespace(x)
    y = xp.asarray(truth)[:, None]
    own = xp.take_along_axis(x, y, axis=1)
    ahead = (x > own) | ((x == own) & (xp.arange(n_classes) > y))
    return float((ahead.sum(axis=1) < k).mean())


def confusion_matrix(
    scores: TensorLike, labels: TensorLike, *, classes: Classes = None
) -> Vector:
    """C_ij: how often class i was taken for class j.

    classes: their number K; or a list of those wanted, in that order (samples that are
    of another class, or taken for one, are left out). By default all K columns of the
    scores; with predicted labels, those that occur, in rising order.

    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    said, truth, n_classes = read("confusion_matrix", scores, labels)
    wanted = n_classes if classes is None else classes
    c, at = count("confusion_matrix", said, truth, wanted)
    square: Vector = c[np.ix_(at, at)]
    return square


def balanced_accuracy(scores: TensorLike, labels: TensorLike) -> float:
    """mean_k TP_k / (TP_k + FN_k), over the classes that occur in the labels.

    Always to say the commonest class earns 1/K, however common that class may be.

    >>> balanced_accuracy([0, 0, 0, 0], [0, 0, 0, 1])
    0.5
    """
    said, truth, _ = read("balanced_accuracy", scores, labels)
    c, _ = count("balanced_accuracy", said, truth, None)
    support = c.sum(axis=1)
    return float((c.diagonal()[support > 0] / support[support > 0]).mean())


def precision(
    scores: TensorLike,
    labels: TensorLike,
    average: Average = "macro",
    *,
    classes: Classes = None,
    positive: int = 1,
    zero_division: float = 0.0,
) -> Any:
    """TP_k / (TP_k + FP_k): of all that was called class k, how much is of class k?

    average   how K numbers become one:
      "macro"     their mean, over the classes that occur in labels or predictions
      "weighted"  their mean, each class as often as it occurs in the labels
      "micro"     Σ_k TP_k / Σ_k (TP_k + FP_k): every sample counts alike
      "binary"    of two classes, only that of the label `positive`
      "none"      they stay K numbers, an array, for the classes that
                  `confusion_matrix` shows
    classes   as in `confusion_matrix`; if given, averages are taken over all of them
    zero_division   what 0 / 0 is, for a class that was never predicted: 0, 1, or nan,
                    which the means leave out

    >>> precision([0, 1, 1, 1], [0, 0, 1, 1], "none")
    array([1.        , 0.66666667])
    """
    how = (average, classes, positive, zero_division)
    return _share("precision", scores, labels, *how)


def recall(
    scores: TensorLike,
    labels: TensorLike,
    average: Average = "macro",
    *,
    classes: Classes = None,
    positive: int = 1,
    zero_division: float = 0.0,
) -> Any:
    """TP_k / (TP_k + FN_k): of all that is of class k, how much was found?

    The settings are those of `precision`; 0 / 0 is a class that never occurs.

    >>> recall([0, 1, 1, 1], [0, 0, 1, 1], "none")
    array([0.5, 1. ])
    """
    how = (average, classes, positive, zero_division)
    return _share("recall", scores, labels, *how)


def f1_score(
    scores: TensorLike,
    labels: TensorLike,
    average: Average = "macro",
    *,
    classes: Classes = None,
    positive: int = 1,
    zero_division: float = 0.0,
) -> Any:
    """2 TP_k / (2 TP_k + FP_k + FN_k), the harmonic mean of precision and recall.

    The settings are those of `precision`; 0 / 0 is a class that neither occurs nor was
    ever predicted. The macro average is the mean of the F1, not the F1 of the means.

    >>> f1_score([0, 1, 1, 1], [0, 0, 1, 1], "binary")
    0.8
    """
    how = (average, classes, positive, zero_division)
    return _share("f1_score", scores, labels, *how)


def _share(
    name: str,
    scores: TensorLike,
    labels: TensorLike,
    average: Average,
    classes: Classes,
    positive: int,
    zero_division: float,
) -> Any:
    """Divide two counts, made of TP, TP + FP and TP + FN, and average."""
    if average not in (*AVERAGES, None):
        raise RangeError(f"{name}: average={average!r}; there are {AVERAGES}")
    if not (zero_division in (0, 1) or np.isnan(zero_division)):
        raise RangeError(
            f"{name}: zero_division={zero_division}; it may be 0, 1 or nan"
        )
    said, truth, n_classes = read(name, scores, labels)
    if average == "binary":
        classes = [_positive(name, said, truth, positive)]
    elif average in ("none", None) and classes is None:
        classes = n_classes
    c, at = count(name, said, truth, classes)
    zero = float(zero_division)
    # region a6.4: count hits, predictions and truths of each class, and divide
    counts = [c.diagonal()[at], c.sum(axis=0)[at], c.sum(axis=1)[at]]
    if average == "micro":
        counts = [n.sum(keepdims=True) for n in counts]
    tp, called, support = counts
    shared = {"precision": (tp, called), "recall": (tp, support)}
    part, whole = shared.get(name, (2 * tp, called + support))
    shares = np.where(whole == 0, zero, part / np.maximum(whole, 1))
    # endregion
    if average in ("none", None):
        return shares
    return _mean(shares, support if average == "weighted" else np.ones(len(shares)))


def _mean(shares: Vector, weights: Vector) -> float:
    """Σ w s / Σ w over the shares that are numbers; their plain mean if all w are 0."""
    known = ~np.isnan(shares)
    if not known.any():
        return float("nan")
    shares, weights = shares[known], weights[known]
    return float(np.average(shares, weights=weights if weights.any() else None))


def _positive(name: str, said: Vector, truth: Vector, positive: int) -> int:
    """Return the label whose binary score is wanted, having found only two classes."""
    occur = np.union1d(said, truth)
    if len(occur) > 2:
        raise RangeError(
            f'{name}: average="binary" is for two classes, and {len(occur)} occur; '
            'try "macro", "micro" or "weighted"'
        )
    if len(occur) == 2 and positive not in occur:
        raise RangeError(
            f"{name}: positive={positive}, but the labels are {occur.tolist()}; "
            "say which of them counts as positive"
        )
    return positive


# What was predicted, and what was true: reading both, and counting the pairs


def count(
    name: str, said: Vector, truth: Vector, wanted: Classes
) -> tuple[Vector, Vector]:
    """Count (true, predicted) pairs of all classes; say where the wanted ones stand."""
    occur = np.union1d(said, truth)
    if isinstance(wanted, (int, np.integer)):
        if occur[0] < 0 or occur[-1] >= wanted:
            raise RangeError(
                f"{name}: with {wanted} classes the labels are 0 … {wanted - 1}, "
                f"but they run from {occur[0]} to {occur[-1]}"
            )
        wanted = range(wanted)
    chosen = occur if wanted is None else np.asarray(wanted)
    known, index = np.unique(np.concatenate([truth, said, chosen]), return_inverse=True)
    i, j, at = np.split(index, [len(truth), len(truth) + len(said)])
    k = len(known)
    return np.bincount(i * k + j, minlength=k * k).reshape(k, k), at


def read(
    name: str, scores: TensorLike, labels: TensorLike
) -> tuple[Vector, Vector, int | None]:
    """Return predicted labels (N,), true labels (N,), and K if scores tell it."""
    x, truth = as_array(name, scores), to_numpy(as_array(name, labels))
    if truth.ndim != 1 or truth.size == 0:
        raise ShapeError(
            f"{name}: labels must be (N,) with N ≥ 1, not {truth.shape}; one-hot rows "
            "become labels by .argmax(axis=1), a column by .reshape(-1)"
        )
    if x.ndim not in (1, 2) or len(x) != len(truth) or x.shape[1:] in ((0,), (1,)):
        raise ShapeError(
            f"{name}: predictions {x.shape} for labels {truth.shape}; they may be "
            f"scores ({len(truth)}, K), K ≥ 2, or predicted labels ({len(truth)},)"
        )
    n_classes = None
    if x.ndim == 2:
        _check_scores(name, x, truth)
        x, n_classes = x.argmax(axis=1), x.shape[1]
    return (
        _whole(name, "predictions", to_numpy(x)),
        _whole(name, "labels", truth),
        n_classes,
    )


def _check_scores(name: str, x: Array, truth: Vector) -> None:
    """Refuse scores that have no largest, and labels that have no score."""
    if x.dtype.kind not in "fiub":
        raise DTypeError(f"{name}: scores must be numbers, not {x.dtype}")
    if bool(namespace(x).isnan(x).any()):
        raise RangeError(
            f"{name}: some scores are nan, so that no class is the largest; "
            "has training diverged? Look at the loss, and try a smaller learning rate"
        )
    k = x.shape[1]
    if truth.min() < 0 or truth.max() >= k:
        raise RangeError(
            f"{name}: scores {x.shape} are for the labels 0 … {k - 1}, but the "
            f"labels run from {truth.min()} to {truth.max()}; leave padding out first"
        )


def _whole(name: str, what: str, x: Vector) -> Vector:
    """Return labels as int64; numbers with a fraction are no labels."""
    if x.dtype.kind not in "iub":
        raise DTypeError(
            f"{name}: {what} (N,) must be integers, not {x.dtype}; probabilities of "
            "one class become labels by (p > 0.5), float labels by .astype(int)"
        )
    return x.astype(np.int64)


def as_array(name: str, x: TensorLike) -> Array:
    """Return the plain array of a Tensor, an array or a list."""
    x = values(x)
    if hasattr(x, "dtype"):
        return x
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ShapeError(f"{name}: the rows of this list differ in length") from error
