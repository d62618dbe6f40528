"""Augmentation: every transform does what its name says, and nothing else."""

import numpy as np
import pytest

from minidl.data import (
    ColorJitter,
    Compose,
    Cutout,
    Draws,
    GaussianNoise,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShift,
    Transform,
    augmented_predict,
    cutmix,
    mixup,
)
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, RangeError, ShapeError

X = np.random.default_rng(0).random((60, 3, 8, 10), np.float32)
ALL = [
    RandomFlip(),
    RandomFlip(vertical=True),
    RandomCrop(6, padding=1),
    RandomShift(2),
    RandomRotation(20),
    ColorJitter(0.3, 0.3, 0.3),
    Cutout(3),
    GaussianNoise(0.1),
    Compose([RandomFlip(), RandomShift(1), GaussianNoise(0.1)]),
]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_what_all_transforms_share(transform):
    x = X.copy()
    x.flags.writeable = False  # the input is never written
    y = transform(x, rng=3)
    assert y.dtype == np.float32
    assert y.shape[:2] == x.shape[:2]
    assert not np.shares_memory(x, y)
    assert np.array_equal(y, transform(x, rng=3))  # seeded
    assert not np.array_equal(y, transform(x, rng=4))
    assert not np.array_equal(y, transform(x))
    assert transform(x.astype(np.float64), rng=3).dtype == np.float64
    assert isinstance(transform(Tensor(x), rng=3), Tensor)
    alone = [transform(x[i : i + 1], Draws(0, 5, [i])) for i in (7, 50)]
    company = transform(x, Draws(0, 5, np.arange(60)))[[7, 50]]
    assert np.array_equal(np.concatenate(alone), company)
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\).*x\[None\]"):
        transform(X[0])


def test_flip_mirrors_about_a_share_p_of_the_images():
    x = np.repeat(X, 20, axis=0)
    for transform, mirrored in (
        (RandomFlip(0.3), x[..., ::-1]),
        (RandomFlip(0.3, vertical=True), x[:, :, ::-1]),
    ):
        y = transform(x, rng=0)
        same = (y == x).all(axis=(1, 2, 3))
        assert np.array_equal(y[~same], mirrored[~same])
        assert abs(same.mean() - 0.7) < 0.05
    assert np.array_equal(RandomFlip(0)(X), X)
    assert np.array_equal(RandomFlip(1)(X), X[..., ::-1])


def windows(x, h, w, padding, fill):
    x = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2), constant_values=fill)
    tops, lefts = x.shape[1] - h + 1, x.shape[2] - w + 1
    return {
        x[:, i : i + h, j : j + w].tobytes() for i in range(tops) for j in range(lefts)
    }


@pytest.mark.parametrize(
    ("transform", "size", "padding", "fill"),
    [
        (RandomCrop(6), (6, 6), 0, 0),
        (RandomCrop((5, 9), padding=1, fill=2.0), (5, 9), 1, 2),
        (RandomCrop(padding=2), (8, 10), 2, 0),
        (RandomShift(1, fill=-1.0), (8, 10), 1, -1),
    ],
    ids=repr,
)
def test_crops_and_shifts_are_windows_and_all_of_them_occur(
    transform, size, padding, fill
):
    one = X[0]
    expected = windows(one, *size, padding, fill)
    got = transform(np.repeat(one[None], 2000, axis=0), rng=0)
    assert got.shape[2:] == size
    assert {image.tobytes() for image in got} == expected


def test_rotation_by_right_angles_turns_counterclockwise():
    square = X[..., :8].astype(np.float64)
    for quarter in range(1, 4):
        angle = 90.0 * quarter
        turned = RandomRotation((angle, angle))(square)
        assert np.allclose(turned, np.rot90(square, quarter, axes=(2, 3)), atol=1e-12)
    assert np.array_equal(RandomRotation(0)(X), X)


def test_rotation_moves_a_dot_to_where_trigonometry_says():
    y, x = np.mgrid[:41, :41]
    dot = np.exp(-((y - 20) ** 2 + (x - 32) ** 2) / 8)[
        None, None
    ]  # right of the center
    angle = np.radians(30)
    turned = RandomRotation((30, 30))(dot)[0, 0]
    turned /= turned.sum()
    assert abs((turned * x).sum() - (20 + 12 * np.cos(angle))) < 0.05
    assert abs((turned * y).sum() - (20 - 12 * np.sin(angle))) < 0.05  # up: rows shrink


def test_rotation_uses_its_whole_range_and_fills_the_corners():
    y, x = np.mgrid[:41, :41]
    dot = np.exp(-((y - 20) ** 2 + (x - 32) ** 2) / 8)[None, None]
    turned = RandomRotation(40)(np.repeat(dot, 500, axis=0), rng=0)[:, 0]
    turned /= turned.sum(axis=(1, 2), keepdims=True)
    right, down = (turned * x).sum(axis=(1, 2)) - 20, (turned * y).sum(axis=(1, 2)) - 20
    angles = np.degrees(np.arctan2(-down, right))
    assert -40.5 < angles.min() < -38
    assert 38 < angles.max() < 40.5
    assert abs(angles.mean()) < 3
    corners = RandomRotation((45, 45), fill=7.0)(np.ones((1, 1, 9, 9)))
    assert corners[0, 0, 0, 0] == 7
    assert corners[0, 0, 4, 4] == pytest.approx(1)
    with pytest.raises(RangeError, match="degrees"):
        RandomRotation((10, -10))


def test_color_jitter_follows_its_formulas():
    x = (0.4 + 0.2 * X).astype(np.float64)  # far from 0 and 1: nothing is clipped
    luma = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)

    bright = ColorJitter(brightness=0.2)(x, rng=0)
    f = (bright / x).reshape(60, -1)
    assert np.allclose(f, f[:, :1])  # one factor per image
    assert 0.8 <= f.min() < 0.83
    assert 1.17 < f.max() <= 1.2

    contrast = ColorJitter(contrast=0.5)(x, rng=0)
    mean = (x * luma).sum(axis=1, keepdims=True).mean(axis=(2, 3), keepdims=True)
    f = ((contrast - mean) / (x - mean)).reshape(60, -1)
    assert np.allclose(f, f[:, :1])
    assert 0.5 <= f.min() < 0.6
    assert 1.4 < f.max() <= 1.5

    vivid = ColorJitter(saturation=0.5)(x, rng=0)
    gray = (x * luma).sum(axis=1, keepdims=True)
    assert np.allclose((vivid * luma).sum(axis=1, keepdims=True), gray)
    f = ((vivid - gray) / (x - gray)).reshape(60, -1)
    assert np.allclose(f, f[:, :1])
    assert f.std() > 0.1
    assert np.allclose(
        ColorJitter(saturation=0.5)(x[:, :1]), x[:, :1]
    )  # gray stays gray


def test_color_jitter_draws_its_factors_independently():
    x = np.tile(np.array([0.4, 0.6]), (2000, 1, 1, 4))
    y = ColorJitter(0.2, 0.2)(x, rng=0)
    brightness = y.mean(axis=(1, 2, 3)) / 0.5
    contrast = (y[:, 0, 0, 1] - y[:, 0, 0, 0]) / 0.2 / brightness
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.08
    assert contrast.std() > 0.1


def test_color_jitter_stays_in_range_and_refuses_centered_images():
    y = ColorJitter(1, 1, 1)(X, rng=0)
    assert y.min() >= 0
    assert y.max() <= 1
    with pytest.raises(RangeError, match=r"\[0, 1\].*before"):
        ColorJitter(0.1)(X - 0.5)
    with pytest.raises(ShapeError, match="1 or 3 channels, and these images 2"):
        ColorJitter(0.1)(X[:, :2])


def test_cutout_covers_one_square_the_same_in_all_channels():
    x = np.ones((3000, 3, 8, 10), np.float32)
    y = Cutout(3, fill=5.0)(x, rng=0)
    covered = y == 5
    assert ((y == 1) | covered).all()
    assert (covered == covered[:, :1]).all()
    areas = covered[:, 0].sum(axis=(1, 2))
    assert set(areas) == {4, 6, 9}  # whole, at an edge, in a corner
    rows, cols = (
        covered[:, 0].any(axis=2).sum(axis=1),
        covered[:, 0].any(axis=1).sum(axis=1),
    )
    assert np.array_equal(rows * cols, areas)  # a rectangle
    share = covered[:, 0].mean(axis=0)
    assert np.allclose(share[1:-1, 1:-1], 9 / 80, atol=0.03)  # everywhere alike


def test_noise_is_normal_with_its_own_number_for_every_pixel():
    noise = GaussianNoise(0.5)(np.zeros((500, 1, 16, 16), np.float64), rng=0)
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 0.5) < 0.01
    assert abs((abs(noise) < 0.5).mean() - 0.6827) < 0.005
    assert len(np.unique(noise)) > 0.99 * noise.size


def test_compose_applies_in_order_and_takes_plain_functions():
    double = Compose([lambda x: x + 1, lambda x: x * 2])
    assert np.array_equal(double(X), (X + 1) * 2)
    scaled = Compose(
        [RandomFlip(1), lambda x: x.astype(np.float32) / 255, ColorJitter()]
    )
    bytes_ = (X * 255).astype(np.uint8)
    assert np.allclose(scaled(bytes_), bytes_[..., ::-1] / 255, atol=1e-6)
    two = Compose([GaussianNoise(1.0), GaussianNoise(1.0)])(np.zeros_like(X), rng=0)
    assert abs(two.std() - 2**0.5) < 0.05  # the second draws numbers of its own


def test_bad_settings_and_images_are_refused():
    for make in (
        lambda: RandomFlip(1.5),
        lambda: GaussianNoise(-1),
        lambda: Cutout(0),
        lambda: RandomCrop(padding=-1),
        lambda: ColorJitter(2),
    ):
        with pytest.raises(RangeError, match="must lie between"):
            make()
    with pytest.raises(ShapeError, match=r"no room for \(9, 9\)"):
        RandomCrop(9)(X)
    with pytest.raises(DTypeError, match=r"wants floats, not uint8; try"):
        GaussianNoise(0.1)(np.zeros((1, 1, 2, 2), np.uint8))
    with pytest.raises(NotImplementedError, match="Transform must define apply"):
        Transform()(X)


# Mixing


def test_mixup_mixes_images_and_labels_in_the_same_proportion():
    eye = np.eye(10)
    x, y = np.repeat(eye, 50, axis=0), np.repeat(np.arange(10), 50)
    mixed, soft = mixup(x, y, classes=10, alpha=0.4, rng=0)
    assert np.allclose(mixed, soft, atol=1e-6)  # the images are their labels here
    assert soft.dtype == np.float32
    assert np.allclose(soft.sum(axis=1), 1)
    lam = soft[np.arange(500), y]
    inside = lam[(lam > 0.001) & (lam < 0.999)]
    assert len(set(inside.round(5))) > 300  # a λ for every pair
    again = mixup(x, soft, alpha=0.4, rng=1)[1]  # soft labels may be mixed once more
    assert np.allclose(again.sum(axis=1), 1)


def test_mixup_draws_its_shares_from_a_beta_distribution():
    x = np.arange(20_000, dtype=np.float64)[:, None]
    onehot = np.tile([1.0, 0.0], (20_000, 1))
    onehot[10_000:] = [0.0, 1.0]
    soft = mixup(x, onehot, alpha=0.3, rng=0)[1]
    lam = np.concatenate([soft[:10_000, 0], soft[10_000:, 1]])
    lam = lam[lam < 1]  # the partner was of the other class
    assert abs(lam.mean() - 0.5) < 0.01
    assert abs(lam.var() - 1 / (4 * (2 * 0.3 + 1))) < 0.005  # variance of Beta(α, α)


def test_cutmix_pastes_a_rectangle_of_the_partner():
    n = 400
    x = np.broadcast_to(
        np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1), (n, 2, 12, 8)
    )
    y = np.arange(n)
    mixed, soft = cutmix(x, y, classes=n, rng=0)
    own = y.reshape(n, 1, 1, 1)
    pasted = mixed != own
    assert np.array_equal(pasted[:, 0], pasted[:, 1])
    share = pasted[:, 0].mean(axis=(1, 2))
    assert np.allclose(soft[y, y], 1 - share, atol=1e-6)
    for i in np.flatnonzero(pasted.any(axis=(1, 2, 3))):
        rows, cols = pasted[i, 0].any(axis=1), pasted[i, 0].any(axis=0)
        assert np.array_equal(pasted[i, 0], rows[:, None] & cols)  # a rectangle
        assert np.ptp(np.flatnonzero(rows)) + 1 == rows.sum()
        (partner,) = np.unique(mixed[i][pasted[i]])
        assert soft[i, int(partner)] == pytest.approx(share[i], abs=1e-6)
    # r² ~ U(0, 1), and a side r covers r − r²/4 of its axis: E = 1/2 − 1/5 + 1/48
    assert abs(share.mean() - 0.321) < 0.03
    assert share.max() > 0.8


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_what_both_mixes_share(mix):
    x, y = X.copy(), np.arange(60) % 10
    x.flags.writeable = False
    one, two = (
        mix(x, y, classes=10, rng=0),
        mix(Tensor(x), Tensor(y), classes=10, rng=0),
    )
    assert isinstance(two[0], Tensor)
    assert isinstance(two[1], Tensor)
    assert one[0].dtype == one[1].dtype == np.float32
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b.data)
    with pytest.raises(RangeError, match="classes=10"):
        mix(x, y)
    with pytest.raises(RangeError, match="label 9 of sample 9"):
        mix(x, y, classes=9)
    with pytest.raises(RangeError, match="alpha"):
        mix(x, y, classes=10, alpha=0)
    with pytest.raises(ShapeError, match=r"\(60, 3, 8, 10\), y \(59, 10\)"):
        mix(x, y[:-1], classes=10)
    with pytest.raises(DTypeError, match="float images"):
        mix((x * 255).astype(np.uint8), y, classes=10)


def test_augmented_predict_is_the_mean_over_views():
    seen = []

    def predict(x):
        seen.append(x)
        return x.mean(axis=(1, 2, 3)) + len(seen)

    got = augmented_predict(predict, X, GaussianNoise(0.1), times=3, rng=0)
    assert np.array_equal(seen[0], X)
    assert len({x.tobytes() for x in seen}) == 4  # every view is another
    expected = np.mean([x.mean(axis=(1, 2, 3)) + i + 1 for i, x in enumerate(seen)], 0)
    assert np.allclose(got, expected)
    again = augmented_predict(lambda x: x, X, GaussianNoise(0.1), times=3, rng=0)
    assert np.allclose(again, np.mean(seen, axis=0))
