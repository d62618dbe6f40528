"""Layers that are an op and its settings: one row each. The rows stand in tests/rows/."""

import inspect

import numpy as np
import pytest

from minidl import Tensor, nn
from tests.rows import LayerRow, all_layers

pytestmark = pytest.mark.quick
each_row = pytest.mark.parametrize("row", all_layers(), ids=str)


def same(layer: nn.Module, row: LayerRow, **settings) -> None:
    """Check that the layer says what the op says."""
    first, *rest = row.inputs
    y = layer(Tensor(first), *rest)
    np.testing.assert_array_equal(y.data, row.op(first, *rest, **settings))


@each_row
def test_it_is_the_op_with_these_settings(row):
    layer = row.layer(**row.settings)
    same(layer, row, **row.settings)
    numbers = [v for v in row.settings.values() if isinstance(v, (int, str))]
    assert all(repr(value) in repr(layer) for value in numbers)


@each_row
def test_its_defaults_are_those_of_the_op(row):
    required = {
        name: row.settings[name]
        for name, p in inspect.signature(row.layer).parameters.items()
        if p.default is p.empty
    }
    same(row.layer(**required), row, **required)


@each_row
def test_settings_may_be_given_by_position(row):
    names = list(inspect.signature(row.layer).parameters)
    given = [name for name in names if name in row.settings]
    if given == names[: len(given)]:
        same(row.layer(*[row.settings[n] for n in given]), row, **row.settings)


def test_weights_of_classes_are_saved_and_moved_with_the_layer():
    loss = nn.CrossEntropyLoss(weight=(1.0, 2.0, 0.5))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.astype("float64").weight.dtype == np.float64
    other = nn.CrossEntropyLoss(weight=np.zeros(3))
    other.load_state_dict(loss.state_dict())
    np.testing.assert_array_equal(other.weight.data, [1.0, 2.0, 0.5])


def test_label_smoothing_is_a_cross_entropy():
    x, labels = Tensor(np.eye(3)), np.array([0, 2, 1])
    smooth = nn.CrossEntropyLoss(label_smoothing=0.3)(x, labels)
    np.testing.assert_array_equal(
        nn.LabelSmoothingLoss(0.3)(x, labels).data, smooth.data
    )


def test_too_many_inputs_are_refused():
    with pytest.raises(TypeError):
        nn.MSELoss()(Tensor([1.0]), Tensor([1.0]), Tensor([1.0]))
