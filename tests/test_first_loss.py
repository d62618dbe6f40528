"""The first loss of an untrained classifier is that of equal scores, log K.

Averaged over seeds it is within 3 % of log K, for each seed within 10 %; and scores
still differ from input to input, so that the first gradient tells them apart.
"""

import math

import numpy as np
import pytest

import minidl as md
from minidl import data, demo, lab, models, nn, ops, optim

SEEDS = 20


def images(n, channels, size):
    return np.random.default_rng(0).standard_normal(
        (n, channels, size, size), np.float32
    )


def tokens(n, length, vocabulary):
    return np.random.default_rng(0).integers(1, vocabulary, (n, length))


def readme():
    hidden, head = nn.Linear(64, 32), nn.Linear(32, 10, init="head")
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), head)


DIGITS = data.load_digits()[0].x[:128]
TEXT, CHARS = tokens(16, 12, 30), images(16, 3, 16)
CASES = {  # classes, a net, its inputs
    "mlp": (10, lambda: models.MLP([64, 100, 50, 10]), (DIGITS,)),
    "deep mlp": (10, lambda: models.MLP([64, *[100] * 9, 10]), (DIGITS,)),
    "mlp with norm": (10, lambda: models.MLP([64, 100, 10], norm=True), (DIGITS,)),
    "cnn": (10, lambda: models.CNN(1, 10), (images(32, 1, 16),)),
    "tagger": (5, lambda: models.Tagger(30, 5), (TEXT,)),
    "classifier": (5, lambda: models.SequenceClassifier(30, 5), (TEXT,)),
    "char rnn": (30, lambda: models.CharRNN(30), (TEXT,)),
    "gru": (30, lambda: models.CharRNN(30, kind="gru", num_layers=2), (TEXT,)),
    "gpt": (65, lambda: models.GPT(65, 16, 128, 4, 2), (TEXT,)),
    "seq2seq": (30, lambda: models.Seq2Seq(30, 30), (TEXT, TEXT)),
    "captioner": (30, lambda: models.Captioner(30), (CHARS, TEXT)),
    "transformer captioner": (30, lambda: models.TransformerCaptioner(30), (CHARS, TEXT)),
    "readme": (10, readme, (DIGITS,)),
    "demo": (10, demo.network, (images(32, 1, 28),)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_first_loss_is_log_k(name):
    k, make, inputs = CASES[name]
    losses = []
    for seed in range(SEEDS):
        md.seed(seed)
        with md.no_grad():
            y = make()(*inputs)
        scores = np.reshape((y[0] if isinstance(y, tuple) else y).data, (-1, k))
        labels = np.random.default_rng(seed).integers(0, k, len(scores))
        losses.append(float(ops.cross_entropy(scores, labels)))
        assert scores.std(axis=0).mean() > 0.01, "inputs are not told apart"
    assert np.mean(losses) == pytest.approx(math.log(k), rel=0.03)
    np.testing.assert_allclose(losses, math.log(k), rtol=0.1)


def test_ten_default_layers_learn_digits():
    """With He's variance; a stack that starts as PyTorch's layers do stays at chance."""
    training, _, test = data.load_digits()
    md.seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 64)]
    for _ in range(8):
        layers += [nn.ReLU(), nn.Linear(64, 64)]
    net = nn.Sequential(*layers, nn.ReLU(), nn.Linear(64, 10))
    optimizer, steps = optim.Adam(net.parameters(), lr=1e-3), 0
    while steps < 300:
        for x, labels in data.DataLoader(training, 64, shuffle=True, seed=steps):
            net.zero_grad()
            ops.cross_entropy(net(x), labels).backward()
            optimizer.step()
            steps += 1
            if steps == 300:
                break
    assert md.train.accuracy(net(test.x), test.y) >= 0.95


def test_the_laboratory_says_what_to_write():
    digits = data.load_digits()
    bend = [nn.Linear(64, 100), nn.BatchNorm1d(100), nn.ReLU()]
    plain = nn.Sequential(nn.Flatten(), *bend, nn.Linear(100, 10))
    step = lab.first_loss(lambda: plain, digits)
    assert 'init="head"' in repr(step)
    step = lab.first_loss(readme, digits)
    assert 'init="head"' not in repr(step)
