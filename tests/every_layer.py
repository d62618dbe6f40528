"""Every layer of nn and every net of models, with inputs, for tests that walk them all.

test_saving.py fails when a new one has no row here; test_onnx.py exports them, and
test_saving.py writes and reads them.
"""

import numpy as np

from minidl import models, nn, ops

RNG = np.random.default_rng(0)


def f(*shape):
    return RNG.standard_normal(shape, np.float32)


def p(*shape):
    """Probabilities, 1 over axis 1."""
    e = np.exp(f(*shape))
    return e / e.sum(axis=1, keepdims=True)


def logs(*shape):
    return np.log(p(*shape))


def i(most, *shape):
    """Tokens; the last of each row are padding."""
    x = RNG.integers(1, most, shape)
    if len(shape) == 2:
        x[1:, -2:] = 0
    return x


def signs(n):
    return np.where(np.arange(n) % 2, 1, -1)


def lengths(n, t):
    return np.arange(n) % t + 1


# layer, a model with it, inputs of a batch of 3
LAYERS = [
    ("Linear", lambda: nn.Linear(5, 3), [f(3, 5)]),
    ("Linear", lambda: nn.Linear(5, 3, False), [f(3, 4, 5)]),
    ("Conv1d", lambda: nn.Conv1d(4, 6, 3, 2, 1), [f(3, 4, 9)]),
    ("Conv2d", lambda: nn.Conv2d(4, 6, 3, 2, 1, groups=2), [f(3, 4, 7, 8)]),
    ("Conv2d", lambda: nn.Conv2d(2, 3, (2, 3), padding="same"), [f(3, 2, 6, 5)]),
    ("Conv2d", lambda: nn.Conv2d(2, 3, 3, 1, 1, padding_mode="reflect"), [f(3, 2, 6, 5)]),
    ("ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2), [f(3, 4, 5, 5)]),
    ("Unfold", lambda: nn.Unfold(2, padding=1), [f(3, 2, 4, 5)]),
    ("Fold", lambda: nn.Fold((4, 5), 2, stride=2, padding=1), [f(3, 8, 9)]),
    ("BatchNorm1d", lambda: nn.BatchNorm1d(4), [f(3, 4)]),
    ("BatchNorm1d", lambda: nn.BatchNorm1d(4, track_running_stats=False), [f(3, 4)]),
    ("BatchNorm2d", lambda: nn.BatchNorm2d(4, affine=False), [f(3, 4, 5, 5)]),
    ("LayerNorm", lambda: nn.LayerNorm((4, 5)), [f(3, 2, 4, 5)]),
    ("LayerNorm", lambda: nn.LayerNorm(5, affine=False), [f(3, 5)]),
    ("RMSNorm", lambda: nn.RMSNorm(5), [f(3, 4, 5)]),
    ("GroupNorm", lambda: nn.GroupNorm(2, 6), [f(3, 6, 4, 4)]),
    ("InstanceNorm2d", lambda: nn.InstanceNorm2d(3), [f(3, 3, 4, 4)]),
    ("MaxPool2d", lambda: nn.MaxPool2d(2, 2, 1), [f(3, 2, 6, 6)]),
    ("MaxPool2d", lambda: nn.MaxPool2d(3, 2, ceil_mode=True), [f(3, 2, 6, 6)]),
    ("MaxPool1d", lambda: nn.MaxPool1d(3), [f(3, 2, 9)]),
    ("AvgPool2d", lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), [f(3, 2, 7, 6)]),
    ("AvgPool2d", lambda: nn.AvgPool2d(2, padding=1), [f(3, 2, 6, 6)]),
    ("AvgPool1d", lambda: nn.AvgPool1d(3), [f(3, 2, 9)]),
    ("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d((2, 3)), [f(3, 2, 5, 7)]),
    ("GlobalAvgPool2d", nn.GlobalAvgPool2d, [f(3, 2, 5, 7)]),
    ("Upsample", lambda: nn.Upsample((2, 3)), [f(3, 2, 3, 4)]),
    ("Upsample", lambda: nn.Upsample(2, "bilinear", True), [f(3, 2, 3, 4)]),
    ("ReLU", nn.ReLU, [f(3, 4)]),
    ("LeakyReLU", lambda: nn.LeakyReLU(0.2), [f(3, 4)]),
    ("PReLU", lambda: nn.PReLU(4), [f(3, 4, 2)]),
    ("ELU", lambda: nn.ELU(0.5), [f(3, 4)]),
    ("SELU", nn.SELU, [f(3, 4)]),
    ("GELU", nn.GELU, [f(3, 4)]),
    ("GELU", lambda: nn.GELU("tanh"), [f(3, 4)]),
    ("SiLU", nn.SiLU, [f(3, 4)]),
    ("Sigmoid", nn.Sigmoid, [f(3, 4)]),
    ("Tanh", nn.Tanh, [f(3, 4)]),
    ("LogSigmoid", nn.LogSigmoid, [f(3, 4)]),
    ("Softsign", nn.Softsign, [f(3, 4)]),
    ("Mish", nn.Mish, [f(3, 4)]),
    ("Hardtanh", lambda: nn.Hardtanh(-0.5, 0.7), [f(3, 4)]),
    ("GLU", nn.GLU, [f(3, 6)]),
    ("Softplus", lambda: nn.Softplus(2.0), [f(3, 4)]),
    ("Softmax", lambda: nn.Softmax(1), [f(3, 4, 2)]),
    ("LogSoftmax", lambda: nn.LogSoftmax(-1), [f(3, 4)]),
    ("Maxout", lambda: nn.Maxout(4, 3, 2), [f(3, 4)]),
    ("DotAttention", nn.DotAttention, [f(3, 2, 4), f(3, 5, 4)]),
    ("AdditiveAttention", lambda: nn.AdditiveAttention(4, 5, 6), [f(3, 2, 4), f(3, 7, 5)]),
    ("MultiHeadAttention", lambda: nn.MultiHeadAttention(8, 2), [f(3, 5, 8)]),
    ("MultiHeadAttention", lambda: Causal(8, 2), [f(3, 5, 8), i(9, 3, 5)]),
    ("ModuleList", lambda: Several(nn.ModuleList([nn.Linear(4, 4)])), [f(3, 4)]),
    ("ModuleDict", lambda: Several(nn.ModuleDict({"0": nn.Linear(4, 4)})), [f(3, 4)]),
    ("Sequential", lambda: nn.Sequential(nn.Linear(4, 3), ops.exp), [f(3, 4)]),
    ("Identity", nn.Identity, [f(3, 4)]),
    ("Flatten", nn.Flatten, [f(3, 4, 2)]),
    ("Unflatten", lambda: nn.Unflatten(1, (2, 3)), [f(3, 6)]),
    ("Dropout", nn.Dropout, [f(3, 4)]),
    ("Dropout2d", nn.Dropout2d, [f(3, 4, 2, 2)]),
    ("GaussianNoise", nn.GaussianNoise, [f(3, 4)]),
    ("WeightNoise", lambda: nn.WeightNoise(nn.Linear(4, 2)), [f(3, 4)]),
    ("Embedding", lambda: nn.Embedding(7, 4), [i(7, 3, 5)]),
    ("TiedLinear", lambda: Tied(), [i(7, 3, 5)]),
    ("PositionalEncoding", lambda: nn.PositionalEncoding(6), [f(3, 5, 6)]),
    ("LearnedPositions", lambda: nn.LearnedPositions(9, 6), [f(3, 5, 6)]),
    ("RoPE", nn.RoPE, [f(3, 5, 6)]),
    ("RNNCell", lambda: nn.RNNCell(4, 5), [f(3, 4), f(3, 5)]),
    ("LSTMCell", lambda: nn.LSTMCell(4, 5), [f(3, 4)]),
    ("GRUCell", lambda: nn.GRUCell(4, 5), [f(3, 4), f(3, 5)]),
    ("RNN", lambda: nn.RNN(4, 5, nonlinearity="relu"), [f(3, 6, 4)]),
    ("RNN", lambda: nn.RNN(4, 5, second_bias=True), [f(3, 6, 4)]),
    ("LSTM", lambda: Ends(nn.LSTM(4, 5, 2, True)), [f(3, 6, 4), lengths(3, 6)]),
    ("GRU", lambda: Ends(nn.GRU(4, 5, 1, True)), [f(3, 6, 4), lengths(3, 6)]),
    ("TransformerEncoderLayer", lambda: nn.TransformerEncoderLayer(8, 2), [f(3, 5, 8)]),
    ("TransformerDecoderLayer", lambda: nn.TransformerDecoderLayer(8, 2),
     [f(3, 5, 8), f(3, 4, 8)]),
    ("CrossEntropyLoss", lambda: nn.CrossEntropyLoss(f(5) ** 2), [f(3, 5), i(5, 3)]),
    ("CrossEntropyLoss", nn.CrossEntropyLoss, [f(3, 5), p(3, 5)]),
    ("LabelSmoothingLoss", nn.LabelSmoothingLoss, [f(3, 5, 2), i(5, 3, 2)]),
    ("NLLLoss", lambda: nn.NLLLoss(reduction="sum"), [logs(3, 5), i(5, 3)]),
    ("HingeLoss", nn.HingeLoss, [f(3, 5), i(5, 3)]),
    ("FocalLoss", nn.FocalLoss, [f(3, 5), i(5, 3)]),
    ("BCELoss", nn.BCELoss, [p(3, 5), p(3, 5)]),
    ("BCEWithLogitsLoss", lambda: nn.BCEWithLogitsLoss(pos_weight=f(5) ** 2),
     [f(3, 5), p(3, 5)]),
    ("MSELoss", nn.MSELoss, [f(3, 5), f(3, 5)]),
    ("L1Loss", lambda: nn.L1Loss("none"), [f(3, 5), f(3, 5)]),
    ("HuberLoss", nn.HuberLoss, [f(3, 5), f(3, 5)]),
    ("KLDivLoss", lambda: nn.KLDivLoss(reduction="batchmean"), [logs(3, 5), p(3, 5)]),
    ("HingeEmbeddingLoss", nn.HingeEmbeddingLoss, [f(3) ** 2, signs(3)]),
    ("CosineEmbeddingLoss", nn.CosineEmbeddingLoss, [f(3, 5), f(3, 5), signs(3)]),
]  # fmt: skip
NOT = {
    "Module",  # the base
    "MixedPrecision",  # a way to train in float16: its own model is exported
    "Stateful",  # keeps the state between calls: its own model takes and returns it
}

NETS = [
    ("MLP", lambda: models.MLP([6, 5, 4], norm=True), [f(3, 2, 3)]),
    ("CNN", lambda: models.CNN(1, 4, (4, 6)), [f(3, 1, 8, 8)]),
    ("ConvFeatures", lambda: models.ConvFeatures(1, (4, 6)), [f(3, 1, 8, 8)]),
    ("EfficientNetLite0", lambda: models.EfficientNetLite0(5), [f(1, 3, 32, 32)]),
    ("CharRNN", lambda: models.CharRNN(7, 4, 6), [i(7, 3, 5)]),
    ("CharRNN", lambda: models.CharRNN(7, 4, 6, 2, "gru"), [i(7, 3, 5)]),
    ("GPT", lambda: models.GPT(7, 8, 8, 2, 2), [i(7, 3, 5)]),
    ("Seq2Seq", lambda: models.Seq2Seq(7, 9, 4, 6), [i(7, 3, 5), i(9, 3, 4)]),
    ("Captioner", lambda: models.Captioner(9, 4, 6, channels=(2, 3, 4)),
     [f(3, 3, 16, 16), i(9, 3, 4)]),
    ("TransformerCaptioner",
     lambda: models.TransformerCaptioner(9, 8, 2, 1, channels=(2, 3, 4)),
     [f(3, 3, 16, 16), i(9, 3, 4)]),
    ("Tagger", lambda: models.Tagger(7, 3, 4, 5), [i(7, 3, 6)]),
    ("SequenceClassifier", lambda: models.SequenceClassifier(7, 3, 4, 5), [i(7, 3, 6)]),
]  # fmt: skip


class Causal(nn.MultiHeadAttention):
    """Causal, with a mask of keys from tokens."""

    def forward(self, x, tokens):
        return super().forward(x, key_mask=tokens != 0, causal=True, weights=True)


class Several(nn.Module):
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        layers = self.layers
        return (layers["0"] if isinstance(layers, nn.ModuleDict) else layers[0])(x)


class Tied(nn.Module):
    def __init__(self):
        self.table = nn.Embedding(7, 4)
        self.head = nn.TiedLinear(self.table, True)

    def forward(self, tokens):
        return self.head(self.table(tokens))


class Ends(nn.Module):
    """A recurrent layer that is told the lengths."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x, lengths):
        return self.layer(x, None, lengths)
