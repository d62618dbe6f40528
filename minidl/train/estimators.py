"""Networks as estimators of scikit-learn: fit, predict, score, in its pipelines.

    from minidl.train import MinidlClassifier
    pipe = make_pipeline(StandardScaler(), MinidlClassifier(hidden=(50,), epochs=20))
    GridSearchCV(pipe, {"minidlclassifier__lr": [0.01, 0.001]}).fit(X, y)

An estimator keeps its settings as they were given; `fit` makes a network anew, trains
it with a Trainer, and leaves what it found in names that end in "_".

Throughout:  X (N, D) examples    y (N,) classes, (N,) or (N, K) numbers
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ImportError(
        "MinidlClassifier and MinidlRegressor need scikit-learn 1.6 or later: "
        'pip install "minidl[sklearn]"'
    ) from error

from minidl import ops, optim
from minidl.backend import Array, default_dtype
from minidl.data import DataLoader
from minidl.engine.modes import no_grad
from minidl.models.mlp import MLP
from minidl.nn.module import Module
from minidl.train.trainer import Trainer

__all__ = ["MinidlClassifier", "MinidlRegressor"]


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both have in common: the settings, and how a network is made and trained.

    model         what maps (N, D) to (N, K): a Module, which is copied before it is
                  trained, or a function of (D, K, seed) that makes one; None: an MLP
    hidden        the lengths of its hidden layers
    optimizer     a function of (parameters, lr), such as optim.AdamW
    random_state  a seed for first weights and shuffling, as everywhere in scikit-learn
    """

    def __init__(
        self,
        model: Any = None,
        *,
        hidden: tuple[int, ...] = (50,),
        epochs: int = 50,
        batch_size: int = 32,
        lr: float = 0.01,
        optimizer: Callable[..., Any] = optim.Adam,
        random_state: Any = None,
    ) -> None:
        self.model, self.hidden, self.optimizer = model, hidden, optimizer
        self.epochs, self.batch_size, self.lr = epochs, batch_size, lr
        self.random_state = random_state

    def _train(self, x: Array, y: Array, n_out: int, loss: Callable[..., Any]) -> None:
        """Make a network and train it; set model_ and history_."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        sizes = [x.shape[1], *self.hidden, n_out]
        if isinstance(self.model, Module):
            self.model_ = copy.deepcopy(self.model)
        elif self.model is None:
            self.model_ = MLP(sizes, rng=seed)
        else:
            self.model_ = self.model(x.shape[1], n_out, seed)
        optimizer = self.optimizer(self.model_.parameters(), lr=self.lr)
        batches = DataLoader((x, y), self.batch_size, shuffle=True, seed=seed)
        trainer = Trainer(self.model_, optimizer, loss, progress=False)
        self.history_ = trainer.fit(batches, epochs=self.epochs)

    def _scores(self, X: Any) -> Array:
        """Return what the network says of each example.    X (N, D) -> (N, K)"""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False).astype(default_dtype())
        self.model_.eval()
        with no_grad():
            return self.model_(x).data


class MinidlClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network that tells classes; the settings are those of Estimator.

    After fit: model_, history_, classes_, in the order of predict_proba's columns.

    >>> from minidl.data import moons
    >>> x, y = moons(200, noise=0.1, rng=0).arrays
    >>> MinidlClassifier(random_state=0).fit(x, y).score(x, y) > 0.95
    True
    """

    def fit(self, X: Any, y: Any) -> MinidlClassifier:
        """Train a network, and return self."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(column_or_1d(y), return_inverse=True)
        x = X.astype(default_dtype())
        self._train(x, labels, len(self.classes_), ops.cross_entropy)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.    X (N, D) -> (N, K), rows sum to 1"""
        return ops.softmax(self._scores(X).astype(np.float64))

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each example.    X (N, D) -> (N,)"""
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]


class MinidlRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that tells numbers; the settings are those of Estimator.

    y is brought to mean 0 and variance 1 for training, and back in predict. After fit:
    model_, history_.

    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> y = 1000 * x[:, 0] ** 2
    >>> MinidlRegressor(random_state=0).fit(x, y).score(x, y) > 0.95
    True
    """

    def fit(self, X: Any, y: Any) -> MinidlRegressor:
        """Train a network, and return self."""
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True)
        y = y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)
        rows = y.reshape(len(y), -1).astype(np.float64)
        self._shape = y.shape[1:]
        self._mean, self._scale = rows.mean(axis=0), rows.std(axis=0)
        self._scale[self._scale == 0] = 1
        target = ((rows - self._mean) / self._scale).astype(default_dtype())
        self._train(X.astype(default_dtype()), target, rows.shape[1], ops.mse_loss)
        return self

    def predict(self, X: Any) -> Array:
        """Return the numbers of each example.    X (N, D) -> (N,) or (N, K)"""
        y = self._scores(X) * self._scale + self._mean
        return y.reshape(len(y), *self._shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
