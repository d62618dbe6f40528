"""What works and is hardly ever meant: where minidl looks for it, and what it says."""

from __future__ import annotations

import linecache
import warnings

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, nn, ops, optim, train
from minidl.errors import MistakeWarning

rng = np.random.default_rng(0)
SCORES = rng.standard_normal((8, 3)).astype("f4")
LABELS = np.arange(8) % 3
YES = (np.arange(16) % 2).astype("f4")
CHANCES = ops.sigmoid(rng.standard_normal(16).astype("f4"))
SOFT = ops.softmax(SCORES)

TWICE = {
    "cross_entropy": (lambda: ops.cross_entropy(SOFT, LABELS), "softmax"),
    "tracked": (lambda: ops.cross_entropy(Tensor(SOFT, True), LABELS), "softmax"),
    "of images": (lambda: ops.cross_entropy(np.moveaxis(SOFT.reshape(2, 4, 3), 2, 1), LABELS.reshape(2, 4)), "softmax"),
    "focal, of classes": (lambda: ops.focal_loss(SOFT, LABELS), "softmax"),
    "focal, yes or no": (lambda: ops.focal_loss(CHANCES, YES), "sigmoid"),
    "with logits": (lambda: ops.binary_cross_entropy_with_logits(CHANCES, YES), "sigmoid.*binary_cross_entropy"),
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
def test_a_softmax_or_sigmoid_twice_is_said_under_debug_alone(name):
    call, says = TWICE[name]
    call()  # a step pays nothing for it, and warnings are errors here
    with md.debug(), pytest.warns(MistakeWarning, match=says):
        call()


FINE = {
    "scores": lambda: ops.cross_entropy(SCORES, LABELS),
    "positive scores": lambda: ops.cross_entropy(abs(SCORES), LABELS),
    "the first scores of all": lambda: ops.cross_entropy(0 * SCORES, LABELS),
    "sure by hand": lambda: ops.cross_entropy(np.eye(3), [0, 1, 2]),
    "one class": lambda: ops.cross_entropy(np.ones((3, 1)), [0, 0, 0]),
    "probabilities as labels": lambda: ops.cross_entropy(SCORES, SOFT),
    "where they belong": lambda: ops.binary_cross_entropy(CHANCES, YES),
    "a few by chance": lambda: ops.binary_cross_entropy_with_logits(CHANCES[:5], YES[:5]),
    "zeros": lambda: ops.binary_cross_entropy_with_logits(0 * CHANCES, YES),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_what_is_meant_is_not_suspected(name):
    with md.debug():
        FINE[name]()


@pytest.mark.parametrize(
    ("layer", "x", "truth"),
    [
        (nn.CrossEntropyLoss(), SOFT, LABELS),
        (nn.LabelSmoothingLoss(), SOFT, LABELS),
        (nn.FocalLoss(), SOFT, LABELS),
        (nn.BCEWithLogitsLoss(), CHANCES, YES),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_loss_layer_looks_at_its_first_call(layer, x, truth):
    with pytest.warns(MistakeWarning, match="one itself"):
        layer(x, truth)
    layer(x, truth)


def test_a_trainer_looks_at_its_first_step():
    md.seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Softmax())
    x = np.random.default_rng(0).standard_normal((12, 4)).astype("f4")
    batches = [(x[:6], np.arange(6) % 3), (x[6:], np.arange(6) % 3)]
    for loss in (ops.cross_entropy, lambda s, y: ops.cross_entropy(s, y)):
        sgd = optim.SGD(net.parameters(), lr=0.1)
        trainer = train.Trainer(net, sgd, loss, progress=False)
        with pytest.warns(MistakeWarning, match="without the softmax") as said:
            trainer.fit(batches, epochs=2)
        assert len(said) == 1
    good = train.Trainer(net[0], optim.SGD(net.parameters(), lr=0.1), ops.cross_entropy, progress=False)  # fmt: skip
    good.fit(batches)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (nn.Dropout(0.5), "Dropout drops"),
        (nn.Dropout2d(0.5), "Dropout2d drops"),
        (nn.BatchNorm2d(3), "BatchNorm2d learns its statistics"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_model_judged_in_training_mode(layer, says):
    x = np.ones((2, 3, 4, 4), "f4")
    with md.no_grad():
        layer(x)
        with (
            md.debug(),
            pytest.warns(MistakeWarning, match=rf"{says}.*model\.eval\(\)"),
        ):
            layer(x)
    with md.debug():
        layer(x)  # in training
        layer.eval()
        with md.no_grad():
            layer(x)


def test_the_pass_that_renews_statistics_is_meant():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5))
    with md.debug():
        train.update_batch_norm(net, [np.ones((3, 4), "f4")])


def test_care_ends_with_its_block():
    with pytest.raises(ZeroDivisionError), md.debug():
        1 / 0  # noqa: B018
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.cross_entropy(SOFT, LABELS)


def training(net, optimizer, *, clear, steps=3):
    x = np.ones((4, 3), "f4")
    for _ in range(steps):
        loss = (net(x) ** 2).mean()
        if clear:
            clear()
        loss.backward()
        optimizer.step()


def test_a_missing_zero_grad_is_said_under_debug():
    net = nn.Linear(3, 2, rng=0)
    sgd = optim.SGD(net.parameters(), lr=0.01)
    training(net, sgd, clear=None)  # nothing is looked for
    says = pytest.warns(MistakeWarning, match=r"last step.*zero_grad\(\)")
    with md.debug(), says as caught:
        training(net, sgd, clear=None)
    where = linecache.getline(caught[0].filename, caught[0].lineno)
    assert where.strip() == "loss.backward()"

    def zeros():
        for p in net.parameters():
            p.grad[...] = 0

    with md.debug():
        training(net, sgd, clear=sgd.zero_grad)
        training(net, sgd, clear=zeros)
        sgd.zero_grad()
        for _ in range(2):  # several parts of one step are meant
            net(np.ones((4, 3), "f4")).sum().backward()
        sgd.step()


def test_parameters_without_a_gradient_are_named_under_debug():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    adam = optim.Adam(net.named_parameters())
    adam.step()
    with md.debug():
        with pytest.warns(MistakeWarning, match=r"Adam\.step: no parameter.*backward"):
            adam.step()
        net[0](np.ones((1, 3), "f4")).sum().backward()
        with pytest.warns(MistakeWarning, match=r"came to 1\.weight, 1\.bias, 2\.weight and 1 more"):  # fmt: skip
            adam.step()
        net[1].freeze()
        net[2].requires_grad_(False)
        adam.step()
