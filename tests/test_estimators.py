"""MinidlClassifier and MinidlRegressor, judged by scikit-learn's own checks."""

import subprocess
import sys

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason='needs scikit-learn: "minidl[sklearn]"')

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from minidl import nn, optim  # noqa: E402
from minidl.data import load_iris  # noqa: E402
from minidl.train import MinidlClassifier, MinidlRegressor  # noqa: E402


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("make", [MinidlClassifier, MinidlRegressor])
def test_scikit_learns_own_checks(make):
    found = check_estimator(make(epochs=15, lr=0.03), on_fail=None)
    failed = {f["check_name"]: f["exception"] for f in found if f["status"] == "failed"}
    assert not failed
    assert len(found) > 40


def test_in_a_pipeline_and_a_grid():
    x, y = load_iris().train.arrays
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    pipe = make_pipeline(StandardScaler(), MinidlClassifier(epochs=10, random_state=0))
    grid = {"minidlclassifier__lr": [1e-6, 0.01]}
    search = GridSearchCV(pipe, grid, cv=3).fit(x, names)
    assert search.best_params_ == {"minidlclassifier__lr": 0.01}
    assert search.score(x, names) > 0.9
    assert set(search.predict(x)) == set(names)


def small(n_in, n_out, seed):
    return nn.Sequential(nn.Linear(n_in, 7, rng=seed), nn.Linear(7, n_out, rng=1))


@pytest.mark.parametrize("model", [small, nn.Linear(2, 2, rng=0)])
def test_a_model_of_ones_own(model, rng):
    x = rng.standard_normal((60, 2))
    made = MinidlRegressor(model, epochs=30, lr=0.05, optimizer=optim.Momentum)
    y = np.stack([x[:, 0], 100 + 50 * x[:, 1]], axis=1)
    before = model.weight.data.copy() if isinstance(model, nn.Linear) else None
    first = clone(made).set_params(random_state=3).fit(x, y)
    assert first.score(x, y) > 0.9
    assert first.predict(x).shape == (60, 2)
    again = clone(made).set_params(random_state=3).fit(x, y)
    np.testing.assert_array_equal(first.predict(x), again.predict(x))
    if before is not None:
        np.testing.assert_array_equal(model.weight.data, before)


def test_minidl_does_not_import_it():
    code = "import sys, minidl.train, minidl.lab; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
