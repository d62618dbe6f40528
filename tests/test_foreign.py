"""What people type who come from PyTorch, NumPy, TensorFlow or CuPy, and the answer."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import minidl as md
from minidl import data, foreign, models, nn, ops, optim, train

F = ops
x = md.Tensor(np.ones((3, 4), "f"), requires_grad=True)
t4 = md.Tensor(np.ones((2, 3, 4, 5), "f"))
ids = np.array([0, 1])
lin = nn.Linear(4, 2, rng=0)
net = nn.Sequential(lin, nn.ReLU())
w, b = lin.weight, lin.bias
p = net.parameters()
opt = optim.Adam(net.parameters(), lr=0.1)

# What is typed, and a part of the answer: the line to write, or the reason
ANSWERS = """
md.tensor([1., 2.])                          | md.Tensor([
md.as_tensor(ids)                            | md.Tensor(array)
md.randn(3, 4)                               | md.ops.randn
md.cat([x, x])                               | ops.concatenate(
ops.cat([x, x])                              | ops.concatenate(
ops.concatenate([x, x], dim=1)               | dim is called axis
ops.stack([x, x], dim=1)                     | dim is called axis
md.manual_seed(0)                            | md.seed(0)
md.float32                                   | a dtype is NumPy's
md.from_numpy(ids)                           | md.Tensor(array)
md.inference_mode()                          | md.no_grad()
md.autograd.grad                             | md.grad(
md.nn.functional                             | md.ops
md.utils.data.DataLoader                     | md.data.DataLoader
md.optim.lr_scheduler                        | optim.schedules
md.data.random_split                         | data.train_test_split
md.relu(x)                                   | md.ops.relu
md.Linear(4, 2)                              | md.nn.Linear
md.GradientTape()                            | loss.backward()
md.Variable(1.0)                             | requires_grad=True
md.device("cuda")                            | x.to("cuda")
md.cuda.is_available()                       | md.use("cuda")
md.set_default_dtype("float64")              | md.default_dtype(
md.asnumpy(x)                                | x.detach().numpy()
md.get_array_module(x)                       | md.backend.namespace
md.reduce_mean(x)                            | x.mean(
md.keras                                     | md.nn
nn.lineer                                    | did you mean Linear?
nn.conv2d                                    | did you mean Conv2d?
ops.crossentropy                             | did you mean cross_entropy?
ops.zeros(3, 4)                              | zeros((3, 4))
x.view(4, 3)                                 | x.reshape(
x.numel()                                    | x.size
x.dim()                                      | x.ndim
x.unsqueeze(0)                               | x[None]
x.permute(1, 0)                              | x.transpose(
t4.transpose(1, 2)                           | x.swapaxes(1, 2)
x.t()                                        | x.T
x.sum(dim=1)                                 | dim is called axis
x.sum(1, keepdim=True)                       | keepdim is called keepdims
x.argmax(dim=1)                              | dim is called axis
x.any(dim=1)                                 | dim is called axis
x.norm(dim=1)                                | dim is called axis
x.max(dim=1)                                 | dim is called axis
x.var(0, unbiased=False)                     | ddof
x.softmax(dim=-1)                            | dim is called axis
x.clamp(min=0)                               | x.clip(
x.clip(min=0)                                | low
x.add(1)                                     | x + 1
x.mul(2)                                     | x * 2
x.matmul(x.T)                                | x @ y
x.add_(1)                                    | x + 1
x.mul_(2)                                    | x * 2
x.zero_()                                    | ops.zeros_like(x)
x.fill_(1)                                   | do not change in place
x.normal_()                                  | ops.randn
x.copy_(x)                                   | do not change in place
x.contiguous()                               | x itself
x.float()                                    | x.astype("float32")
x.double()                                   | x.astype("float64")
x.long()                                     | x.astype("int64")
x.half()                                     | x.astype("float16")
x.cpu()                                      | x.to("cpu")
x.cuda()                                     | x.to("cuda")
x.get()                                      | x.to("cpu")
x.clone()                                    | x.copy()
x.split(2, dim=1)                            | not of lengths
x.chunk(2, dim=1)                            | md.ops.split
x.repeat(2, 1)                               | md.ops.tile
x.expand(3, 4)                               | x.broadcast_to(
x.gather(1, ids)                             | md.ops.take_along_axis
x.tril()                                     | md.ops.tril
x.topk(2)                                    | md.ops.topk
x.unbind()                                   | md.ops.unstack
x // 2                                       | no useful gradient
2 // x                                       | no useful gradient
x % 2                                        | no useful gradient
x.round()                                    | rounding has no gradient
x.floor()                                    | rounding has no gradient
x.retain_grad()                              | md.grad(
x.register_hook(print)                       | md.grad(
(x * 2).grad_fn                              | md.show.graph
x.zero_grad()                                | x.grad = None
x.shpe                                       | did you mean shape?
net.double()                                 | net.astype("float64")
net.cuda()                                   | net.to("cuda")
net.half()                                   | nn.MixedPrecision
net.register_buffer("b", ids)                | nn.Buffer(
net.add_module("z", lin)                     | net.name = layer
net.fit(x)                                   | train.Trainer
net.predict(x)                               | md.no_grad()
net.parametrs()                              | did you mean parameters?
nn.ParameterList([])                         | plain list
nn.Linear(in_features=4, out_features=2)     | n_in
nn.LayerNorm(4, elementwise_affine=False)    | affine=False
nn.LSTM(4, 8, batch_first=True)              | LSTM takes nothing called 'batch_first': leave it out
nn.MultiheadAttention(4, 2)                  | nn.MultiHeadAttention
nn.MultiHeadAttention(embed_dim=4, heads=2)  | dim
nn.TransformerEncoderLayer(d_model=4, nhead=2) | dim
nn.TransformerEncoder                        | TransformerEncoderLayer
nn.ReLU(inplace=True)                        | layers never work in place
nn.LeakyReLU(0.2, inplace=True)              | layers never work in place
nn.Dropout(0.5, inplace=True)                | layers never work in place
nn.Softmax(dim=1)                            | dim is called axis
nn.SmoothL1Loss()                            | nn.HuberLoss
nn.Dense(3)                                  | nn.Linear(n_in, n_out)
nn.Conv2D(3, 4)                              | nn.Conv2d(
nn.Conv2d(3, 4, 3, filters=4)                | out_channels
nn.init.xavier_uniform_(lin.weight)          | init.xavier_uniform(
nn.init.kaimingnormal                        | did you mean kaiming_normal?
nn.utils.clip_grad_norm_(p, 1.0)             | optim.clip_grad_norm
optim.SGD(p, lr=0.1, momentum=0.9)           | SGD takes nothing called 'momentum': SGD has none: optim.Momentum(
optim.SGD(p, 0.1, 0.9)                       | optim.Momentum(
optim.Adam(p, learning_rate=0.1)             | Adam takes nothing called 'learning_rate': learning_rate is called lr
optim.Adam(p, beta1=0.9)                     | betas=(0.9, 0.999)
optim.Adam(p, epsilon=1e-8)                  | eps
optim.RMSprop(p)                             | optim.RMSProp
optim.StepLR                                 | schedules.step
optim.CosineAnnealingLR                      | schedules.cosine
optim.ReduceLROnPlateau                      | ReduceOnPlateau
optim.LBFGS(p)                               | not here
opt.param_groups                             | optimizer.groups
opt.minimize(x)                              | optimizer.step()
opt.apply_gradients()                        | optimizer.step()
F.cross_entropy(x, md.Tensor([0, 1, 1]))     | labels.astype('int64')
F.cross_entropy(x, np.array([0, 1, 1.]))     | labels.astype('int64')
F.smooth_l1_loss(x, x)                       | huber_loss
F.softmax(x, dim=-1)                         | dim is called axis
F.one_hot(ids, num_classes=3)                | one_hot(labels, 3)
F.dropout(x, 0.5)                            | nn.Dropout(0.5)
F.linear(x, w, b)                            | ops.affine(
F.layer_norm(x, n_axes=(4,))                 | n_axes
F.scaled_dot_product_attention(x, x, x, is_causal=True) | causal
F.bmm(x, x)                                  | x @ y
F.unsqueeze(x, 0)                            | ops.expand_dims
net(np.ones((5, 4)))                         | x.astype('float32')
x + np.ones((3, 4))                          | b is float64
x * np.array(2.5)                            | float(b)
data.DataLoader((ids, ids), 2, num_workers=2)  | workers
"""
ROWS = [
    tuple(part.strip() for part in line.split(" | "))
    for line in ANSWERS.strip().splitlines()
]


@pytest.mark.parametrize(("typed", "answer"), ROWS, ids=[row[0] for row in ROWS])
def test_the_answer_names_what_to_write(typed, answer):
    with pytest.raises((AttributeError, TypeError, ValueError)) as caught:
        eval(typed)
    assert answer in str(caught.value)


@pytest.mark.parametrize("owner", [x, net, opt, md, nn])
def test_a_question_makes_no_search(owner, monkeypatch):
    """`hasattr` reads no error, so nothing looks for names that are near."""
    asked = []
    monkeypatch.setattr(
        foreign, "get_close_matches", lambda *names: asked.append(names)
    )
    assert not hasattr(owner, "lineer")
    assert getattr(owner, "lineer", 3) == 3
    assert not asked
    with pytest.raises(AttributeError) as caught:
        owner.lineer  # noqa: B018
    assert "has no 'lineer'" in str(caught.value)
    assert asked


def test_its_error_travels_to_another_process():
    with pytest.raises(AttributeError, match="did you mean parameters") as caught:
        net.parametrs()
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert repr(again) == repr(caught.value)
    assert type(again.args[0]) is str


class Failing(nn.Module):
    """A property, and a __dir__, that ask for a name that is not there."""

    @property
    def total(self):
        return self.lost

    def __dir__(self):
        return self.lost if vars(self).get("fails") else super().__dir__()


def test_a_property_that_fails_is_not_called_a_wrong_name():
    with pytest.raises(AttributeError, match="no 'total'; reading it raised"):
        Failing().total  # noqa: B018


def test_a_dir_that_fails_does_not_hide_the_name():
    model = Failing()
    model.fails = True
    with pytest.raises(AttributeError, match="a Failing has no 'parametrs'; dir"):
        model.parametrs  # noqa: B018


# What works as it is typed
WORKS = """
md.zeros((3, 4)); md.arange(5); md.exp(x); md.where(ids > 0, x[0, 0], 2.0); x.copy(); x.mT
net([[1., 2., 3., 4.]]); net(np.array([[1, 2, 3, 4]]))
md.Tensor(np.array([255], "uint8")) / 255; ops.stack([x[0], np.array([0, 1, 2, 3])])
net.summary((1, 4)); lin.summary(np.ones((1, 4), "f")); ops.multinomial(x.softmax(-1), 1)
"""


@pytest.mark.parametrize("typed", WORKS.replace("\n", ";").strip("; ").split(";"))
def test_it_works_and_stays_single(typed):
    y = eval(typed.strip())
    assert getattr(y, "dtype", None) != np.float64


def test_at_least_120_rows():
    assert len(ROWS) >= 120


def names_in(text):
    """The names like md.seed, ops.concatenate and optim.Adam that an answer uses."""
    for word in text.replace("(", " ").replace(")", " ").replace(",", " ").split():
        word = word.strip("…:;.'\"")
        head, _, rest = word.removeprefix("md.").partition(".")
        if head in HOMES and rest.replace(".", "").isidentifier():
            yield head, rest


HOMES = {"ops": ops, "nn": nn, "optim": optim, "data": data, "train": train,
         "models": models, "schedules": optim.schedules, "init": nn.init}  # fmt: skip


def test_every_name_in_an_answer_exists():
    texts = [*foreign.NAMES.values(), *foreign.TENSOR.values(), *foreign.OBJECTS.values(),
             *foreign.KEYWORDS.values()]  # fmt: skip
    lost = [
        f"{home}.{rest}"
        for text in texts
        for home, rest in names_in(text)
        if not hasattr(HOMES[home], rest.split(".")[0])
    ]
    assert not lost


def test_nothing_that_exists_is_answered():
    here = [
        n for n in foreign.NAMES if any(n in home.__all__ for home in (ops, nn, optim))
    ]
    assert not here
    assert not [n for n in foreign.TENSOR if n in dir(md.Tensor)]


def test_signatures_and_copies_are_as_before():
    assert [*inspect.signature(nn.Linear).parameters][:2] == ["n_in", "n_out"]
    assert [*inspect.signature(optim.SGD).parameters][:2] == ["params", "lr"]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert (twin[0].weight.data == lin.weight.data).all()
    assert not hasattr(net, "cuda")
    assert not hasattr(x, "_anything")


def test_a_type_error_of_ones_own_is_not_explained_away():
    class Odd(nn.Module):
        def __init__(self, n):
            len(n)

    with pytest.raises(TypeError, match="has no len"):
        Odd(3)
