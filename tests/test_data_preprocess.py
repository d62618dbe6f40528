"""Preprocessing: equal to scikit-learn's where it has the same, and invertible."""

import numpy as np
import pytest

from minidl.data import (
    PCA,
    Standardize,
    Whiten,
    ZeroCenter,
    load_digits,
    pca,
    standardize,
    whiten,
    zero_center,
)
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, MinidlError, RangeError, ShapeError


@pytest.fixture
def x(rng):
    return rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)


@pytest.fixture
def images(rng):
    return rng.normal(2, [[[3]], [[1]], [[0.2]]], size=(40, 3, 4, 5))


@pytest.fixture(scope="module")
def theirs():
    reason = 'needs scikit-learn: pip install "minidl[test]"'
    return pytest.importorskip("sklearn.decomposition", reason=reason)


def test_zero_center_by_mean_image_and_by_channel(images):
    assert np.allclose(zero_center(images)(images).mean(axis=0), 0)
    center = zero_center(images, per="channel")
    assert center.mean.shape == (3, 1, 1)
    assert np.allclose(center(images).mean(axis=(0, 2, 3)), 0)
    assert not np.allclose(center(images).mean(axis=0), 0)
    assert np.allclose(center(images)[3] - images[3], -center.mean)


def test_standardize_by_feature_is_scikit_learns(x, theirs):
    from sklearn.preprocessing import StandardScaler

    x[:, 2] = 7.1  # never varies
    mine, other = standardize(x), StandardScaler().fit(x)
    assert np.allclose(mine.mean, other.mean_)
    assert np.allclose(mine.std, other.scale_)
    assert np.allclose(mine(x + 1), other.transform(x + 1))


def test_standardize_by_channel(images):
    z = standardize(images, per="channel")(images)
    assert np.allclose(z.mean(axis=(0, 2, 3)), 0)
    assert np.allclose(z.std(axis=(0, 2, 3)), 1)


def test_constant_pixels_of_real_images_stay_finite():
    train, _, test = load_digits()
    z = standardize(train.x)(test.x)
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    assert (z[:, :, 0, 0] == 0).all()  # this pixel is always 0


@pytest.mark.parametrize("n", [50, 4], ids=["n > d", "n < d"])
@pytest.mark.parametrize("k", [1, 3])
def test_pca_is_scikit_learns(x, n, k, theirs):
    other = theirs.PCA(k, svd_solver="full").fit(x[:n])
    mine = pca(x[:n], k)
    assert np.allclose(mine.variances, other.explained_variance_)
    assert np.allclose(mine.explained, other.explained_variance_ratio_)
    assert np.allclose(mine.components, other.components_)  # the signs, too
    assert np.allclose(mine(x), other.transform(x))
    assert np.allclose(
        mine.inverse(mine(x)), other.inverse_transform(other.transform(x))
    )


@pytest.mark.parametrize("n", [50, 4], ids=["n > d", "n < d"])
def test_whiten_is_scikit_learns(x, n, theirs):
    k = 3
    other = theirs.PCA(k, whiten=True, svd_solver="full").fit(x[:n])
    assert np.allclose(whiten(x[:n], k, eps=0)(x), other.transform(x))


def test_whitened_data_are_white_and_zca_stays_nearest(x):
    white, zca = whiten(x, eps=0), whiten(x, eps=0, zca=True)
    for z in (white(x), zca(x)):
        assert np.allclose(np.cov(z.T), np.eye(6))
    centered = zero_center(x)(x)
    assert ((zca(x) - centered) ** 2).sum() < ((white(x) - centered) ** 2).sum()
    root = zca.components.T / np.sqrt(zca.variances) @ zca.components
    assert np.allclose(root, root.T)  # no rotation in it
    assert np.allclose(zca(x), centered @ root)


def test_epsilon_keeps_dead_directions_quiet(x):
    x[:, 0] = 5.0
    z = whiten(x, eps=1e-5)(x)
    assert np.allclose(z[:, -1], 0)
    assert np.isfinite(whiten(x, eps=0)(x)).all()
    variances = whiten(x, eps=1.0).variances
    expected = variances / (variances + 1.0)
    assert np.allclose(whiten(x, eps=1.0)(x).var(axis=0, ddof=1), expected)


@pytest.mark.parametrize(
    "fitted",
    [zero_center, standardize, pca, whiten, lambda x: whiten(x, zca=True)],
    ids=["zero_center", "standardize", "pca", "whiten", "zca"],
)
def test_inverse_undoes_transform_and_images_come_back_as_images(fitted, images, rng):
    images = np.concatenate([images, rng.normal(size=(60, 3, 4, 5))])
    f = fitted(images)
    z = f(images)
    assert np.allclose(f.inverse(z), images, atol=1e-6)
    assert np.array_equal(f.transform(images), z)
    assert f.transform(images.astype(np.float32)).dtype == np.float32
    assert isinstance(f(Tensor(images)), Tensor)
    frozen = images.copy()
    frozen.flags.writeable = False
    assert np.array_equal(fitted(frozen)(frozen), z)  # nothing is written into


def test_test_set_gets_the_training_sets_numbers(x):
    for make in (ZeroCenter, Standardize, lambda: PCA(2), lambda: Whiten(2)):
        f = make()
        z = f.fit_transform(x)
        assert np.allclose(f(x[:7]), z[:7])


def test_mistakes_are_named(x, images):
    with pytest.raises(MinidlError, match="PCA: fit it to the training set first"):
        PCA(2)(x)
    with pytest.raises(MinidlError, match="fit it to the training set first"):
        ZeroCenter().inverse(x)
    with pytest.raises(ShapeError, match=r"fitted to samples of shape \(6,\).*\(5,\)"):
        zero_center(x)(x[:, :5])
    with pytest.raises(ShapeError, match="two at least"):
        standardize(x[:1])
    with pytest.raises(ShapeError, match=r"per=\"channel\" wants images"):
        zero_center(x, per="channel")
    with pytest.raises(RangeError, match="per must be"):
        ZeroCenter(per="pixel")
    with pytest.raises(RangeError, match="k lies between 1 and 6"):
        pca(x, 7)
    with pytest.raises(DTypeError, match="wants floats, not int64"):
        zero_center(np.ones((3, 2), np.int64))


@pytest.mark.parametrize("n", [127, 128, 129, 300])
def test_the_covariance_is_added_up_over_blocks(n, rng):
    x = rng.normal(size=(n, 3))
    found = pca(x)
    by_hand = found.components.T * found.variances @ found.components
    assert np.allclose(by_hand, np.cov(x.T), rtol=1e-12)
