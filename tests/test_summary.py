"""The tree that a model prints, and the table of what its layers make and cost."""

import numpy as np
import pytest

import minidl as md
from minidl import nn
from minidl.errors import RangeError, ShapeError
from minidl.nn import Buffer, Module, Parameter


class Scale(Module):
    """y = gain · x, and a counter: with no super().__init__()."""

    def __init__(self, n=3):
        self.gain = Parameter(np.arange(1.0, n + 1, dtype=np.float32))
        self.calls = Buffer(np.zeros((), np.int64))
        self.n = n

    def forward(self, x):
        return x * self.gain


def mlp(**kwargs):
    return nn.Sequential(
        nn.Linear(4, 5, rng=0), nn.ReLU(), nn.Sequential(nn.Linear(5, 2, rng=1))
    )


def values_of(module):
    return {name: array.copy() for name, array in module.state_dict().items()}


def unchanged(module, before):
    after = module.state_dict()
    assert list(after) == list(before)
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 10),
    )  # fmt: skip


def test_the_tree():
    model = mlp()
    model[0].requires_grad_(False)
    assert repr(model) == (
        "Sequential()  37 parameters, 25 frozen\n"
        "  0: Linear()  weight (4, 5), bias (5,)  25 parameters, 25 frozen\n"
        "  1: ReLU()\n"
        "  2: Sequential()  12 parameters\n"
        "    0: Linear()  weight (5, 2), bias (2,)  12 parameters"
    )
    deep = Module()
    deep.many = [None, {"key": Scale()}]
    assert "\n  many.1.key: Scale(n=3)  gain (3,)  3 parameters" in repr(deep)


def test_summary_counts():
    model = cnn()
    table = model.summary((2, 3, 6, 6))
    names = [row.layer for row in table.rows]
    assert names == ["Sequential", "Conv2d", "BatchNorm2d", "ReLU", "Dropout",
                     "Flatten", "Linear"]  # fmt: skip
    conv, linear = table.rows[1], table.rows[-1]
    assert conv.output == ((2, 8, 6, 6),)
    assert conv.multiply_adds == 2 * 6 * 6 * 8 * 3 * 3 * 3
    assert conv.memory == 2 * 8 * 6 * 6 * 4
    assert linear.multiply_adds == 2 * 8 * 36 * 10
    assert linear.parameters == 8 * 36 * 10 + 10
    assert sum(row.parameters for row in table.rows) == table.parameters
    assert table.parameters == model.num_parameters()
    assert table.multiply_adds == conv.multiply_adds + linear.multiply_adds
    assert table.output_memory == sum(row.memory for row in table.rows[1:])
    state = sum(a.nbytes for a in model.state_dict().values())
    assert table.state_memory == state
    text = repr(table)
    for part in ("(2, 8, 6, 6)", "0: Conv2d", f"{conv.multiply_adds:,}", "KiB"):
        assert part in text
    assert len({len(line) for line in text.split("\n")[2:9]}) == 1  # a straight edge


def test_summary_leaves_the_model_as_it_was():
    model = cnn()
    model[1].eval()
    before = values_of(model)
    modes = [m.training for m in model.modules()]
    own = [dict(vars(m)).keys() for m in model.modules()]
    tracked = [p.requires_grad for p in model.parameters()]
    for broken in (False, True):
        try:
            model.summary((1, 3, 9, 9) if broken else (1, 3, 6, 6))
        except ShapeError:
            assert broken
        unchanged(model, before)
        assert [m.training for m in model.modules()] == modes
        assert [p.requires_grad for p in model.parameters()] == tracked
        for m, keys in zip(model.modules(), own, strict=True):
            assert vars(m).keys() - {"_hooks"} == keys - {"_hooks"}
            assert not (m._hooks and m._hooks.hooks)
    assert model(np.ones((1, 3, 6, 6), np.float32)).requires_grad


def test_summary_puts_back_buffers_even_of_unruly_modules():
    class Unruly(Scale):
        def forward(self, x):
            self.calls.data += 1
            return super().forward(x)

    model = Unruly()
    model.summary((2, 3))
    assert model.calls.item() == 0


def test_summary_of_shared_and_unused_layers():
    class Twice(Module):
        def __init__(self):
            self.layer = nn.Linear(3, 3)
            self.unused = nn.Linear(3, 4)
            self.same = self.layer

        def forward(self, x):
            return self.same(self.layer(x))

    table = Twice().summary((2, 3))
    assert [row.name for row in table.rows] == ["", "layer", "unused"]
    assert table.rows[1].multiply_adds == 2 * 2 * 9
    assert "not called" in repr(table)
    assert table.parameters == 12 + 16


def test_summary_of_several_inputs_and_outputs():
    class Two(Module):
        def forward(self, a, b):
            return a, {"b": [b]}

    rows = Two().summary((1, 2), (3,), dtype="int64").rows
    assert rows[0].output == ((1, 2), (3,))
    assert rows[0].memory == 5 * 8


def test_summary_runs_in_the_dtype_of_the_model():
    assert mlp().astype("float64").summary((2, 4)).rows[1].memory == 2 * 5 * 8


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (lambda: nn.Linear(4, 5), (2, 7, 4), 2 * 7 * 4 * 5),
        (lambda: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 5, 5), 2 * 9 * 6 * 2 * 9),
        (lambda: nn.Conv1d(4, 6, 3), (2, 4, 5), 2 * 3 * 6 * 4 * 3),
        (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2), (2, 4, 5, 5), 2 * 25 * 96),
        (nn.ReLU, (2, 3), 0),
    ],
)
def test_multiply_adds(layer, shape, expected):
    assert layer().summary(shape).multiply_adds == expected


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_multiply_adds_of_recurrent_layers(kind):
    gates = {nn.RNN: 1, nn.LSTM: 4, nn.GRU: 3}[kind]
    table = kind(5, 6, num_layers=2, bidirectional=True).summary((2, 7, 5))
    each = 6 * gates * (5 + 6), 6 * gates * (12 + 6)  # of a cell in the first layer, …
    assert table.multiply_adds == 2 * 7 * 2 * sum(each)
    cell = {nn.RNN: nn.RNNCell, nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell}[kind]
    assert cell(5, 6).summary((2, 5)).multiply_adds == 2 * each[0]


def test_multiply_adds_of_attention():
    n, length, keys, d = 2, 7, 9, 8
    own = nn.MultiHeadAttention(d, heads=2).summary((n, length, d))
    assert own.multiply_adds == 4 * n * length * d * d + 2 * n * length * length * d
    other = nn.MultiHeadAttention(d, heads=2).summary((n, length, d), (n, keys, d))
    maps = 2 * (n * length * d * d + n * keys * d * d)
    assert other.multiply_adds == maps + 2 * n * length * keys * d
    assert other.rows[0].multiply_adds == 2 * n * length * keys * d


def test_multiply_adds_of_one_head():
    n, length, keys, d, a = 2, 7, 9, 8, 5
    shapes = (n, length, d), (n, keys, d)
    dot = nn.DotAttention().summary(*shapes).multiply_adds
    assert dot == n * length * keys * (d + d)
    additive = nn.AdditiveAttention(d, d, a).summary(*shapes).multiply_adds
    assert additive == (n * length + n * keys) * d * a + n * length * keys * (a + d)


def test_looking_up_costs_nothing():
    table = nn.Embedding(10, 4).summary((2, 3), dtype="int64")
    assert table.rows[0].output == ((2, 3, 4),)
    assert table.multiply_adds == 0


def test_a_tied_parameter_is_counted_where_it_occurs_first():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    rows = net.summary((1, 3)).rows
    assert [row.parameters for row in rows] == [0, 12, 3]
    assert [row.multiply_adds for row in rows] == [0, 9, 9]


def test_an_example_does_as_well_as_a_shape(rng):
    net, x = cnn(), rng.standard_normal((2, 3, 6, 6)).astype(np.float32)
    table = repr(net.summary((2, 3, 6, 6)))
    for example in (x, md.Tensor(x), [2, 3, 6, 6]):
        assert repr(net.summary(example)) == table
    words = nn.Embedding(10, 4).summary(np.array([[1, 2, 3]]))
    assert words.rows[0].output == ((1, 3, 4),)


@pytest.mark.parametrize("inputs", [(), (1, 4), (4,), ("4",), (np.int64(4),)])
def test_what_is_no_input_is_explained(inputs):
    with pytest.raises(ShapeError, match=r"batch axis.*summary\(\(1, 4\)\)"):
        mlp().summary(*inputs)


def test_a_module_without_inputs_needs_no_shape():
    class Constant(Module):
        def __init__(self):
            self.p = Parameter([1.0])

        def forward(self, n=2):
            return self.p * n

    assert Constant().summary().rows[0].output == ((1,),)


def test_what_was_frozen_is_so_after_the_table():
    net = cnn().freeze("1")
    net.summary((1, 3, 6, 6))
    net.unfreeze("1")
    assert net[1].training


def windows():
    return nn.Sequential(
        nn.Conv2d(1, 2, (3, 5), stride=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(2, 2, 3, dilation=(1, 2)), nn.AvgPool2d(3, stride=1)),
        nn.GlobalAvgPool2d(), nn.Linear(2, 3),
    )  # fmt: skip


def test_a_receptive_field_is_where_the_gradient_of_one_number_is_not_zero():
    net, found = windows()[:4], nn.receptive_fields(windows())
    names = {"0": 1, "2": 3, "3.0": 3, "3.1": 4}
    assert [layer.name for layer in found] == list(names)
    assert [layer.apart for layer in found] == [(2, 2), (4, 4), (4, 4), (4, 4)]
    layers = [net[0], net[2], net[3][0], net[3][1]]
    for i, layer in enumerate(found):
        x = md.Tensor(
            np.random.default_rng(i).random((1, 1, 60, 60)), requires_grad=True
        )
        y = x
        for part in layers[: i + 1]:  # a maximum hides all but one pixel: take means
            largest = isinstance(part, nn.MaxPool2d)
            y = (nn.AvgPool2d(2) if largest else part.astype("float64"))(y)
        y[0, 0, 1, 1].backward()
        rows, columns = (np.flatnonzero(x.grad[0, 0].any(axis=a)) for a in (1, 0))
        assert (rows[0], columns[0]) == layer.apart
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == layer.sees, layer


def test_the_order_of_layers_must_be_known():
    class Two(Module):
        def __init__(self):
            self.one, self.other = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5)

    conv = nn.Conv2d(1, 1, 3)
    twice = nn.receptive_fields(nn.Sequential(conv, conv))  # shared, and used twice
    assert [layer.sees for layer in twice] == [(3, 3), (5, 5)]
    with pytest.raises(RangeError, match=r"Two, and only its .* order of one, other"):
        nn.receptive_fields(Two())
    with pytest.raises(RangeError, match="1 is a Upsample"):
        nn.receptive_fields(nn.Sequential(conv, nn.Upsample()))
