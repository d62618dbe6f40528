"""Modules: what belongs to them, their state, their modes, their tree and their table."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import minidl as md
from minidl import nn
from minidl.errors import (
    DTypeError,
    GraphError,
    RangeError,
    ShapeError,
)
from minidl.nn import Buffer, Module, Parameter
from minidl.nn.module import evaluating

pytestmark = pytest.mark.quick


class Scale(Module):
    """y = gain · x, and a counter: with no super().__init__()."""

    def __init__(self, n=3):
        self.gain = Parameter(np.arange(1.0, n + 1, dtype=np.float32))
        self.calls = Buffer(np.zeros((), np.int64))
        self.n = n

    def forward(self, x):
        return x * self.gain


class Everything(Module):
    """Members in every kind of place; one parameter and one module have two names."""

    def __init__(self):
        self.zeta = Parameter([1.0])
        self.alpha = nn.Linear(2, 3, rng=0)
        self.many = [nn.Linear(3, 3, bias=False, rng=1), (Scale(), None)]
        self.named = {"b": Parameter([2.0]), "a": Scale(2), 7: nn.Identity()}
        self.tied = self.zeta
        self.again = self.alpha
        self.loose = md.Tensor([3.0])  # no Parameter: not found
        self.absent = None
        self.numbers = [1, 2, 3]

    def forward(self, x):
        return self.alpha(x)


NAMES = ["zeta", "alpha.weight", "alpha.bias", "many.0.weight", "many.1.0.gain",
         "named.b", "named.a.gain"]  # fmt: skip


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


# ---------------------------------------------------------------------- what belongs


def test_names_and_order():
    model = Everything()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [n for n, _ in model.named_buffers()] == ["many.1.0.calls", "named.a.calls"]
    assert next(name for name, _ in model.named_parameters("net.")) == "net.zeta"
    names = [name for name, _ in model.named_modules()]
    assert names == ["", "alpha", "many.0", "many.1.0", "named.a", "named.7"]
    children = [name for name, _ in model.named_children()]
    assert children == ["alpha", "many.0", "many.1.0", "named.a", "named.7"]
    assert model.children() == model.modules()[1:]
    assert model.parameters()[0] is model.zeta
    assert len(model.buffers()) == 2


def test_a_shared_parameter_counts_once_and_has_all_its_names_in_the_state():
    model = Everything()
    assert model.num_parameters() == 1 + 6 + 3 + 9 + 3 + 1 + 2
    state = list(model.state_dict())
    assert state[-3:] == ["tied", "again.weight", "again.bias"]
    assert len(state) == len(NAMES) + 2 + 3


def test_names_are_those_of_pytorch(torch):
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 5),
        torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.Linear(5, 2)),
    )
    assert list(mlp().state_dict()) == list(theirs.state_dict())
    ours = [name for name, _ in mlp().named_modules()]
    assert ours == [name for name, _ in theirs.named_modules()]


def test_a_set_has_no_order():
    module = Module()
    module.layers = {nn.Identity(), nn.Identity()}
    with pytest.raises(GraphError, match="make it a list"):
        module.parameters()
    module.layers = {1, 2}  # of anything else it is nobody's business
    assert module.parameters() == []


def test_a_child_may_know_its_parent():
    parent, child = Scale(), Scale()
    parent.child, child.parent = child, parent
    assert [n for n, _ in parent.named_parameters()] == ["gain", "child.gain"]
    assert parent.train(False).child.training is False
    assert "child: Scale" in repr(parent)


def test_parameters_and_buffers_are_tensors():
    p = Parameter(np.ones(3))
    assert isinstance(p, md.Tensor)
    assert p.requires_grad
    assert p.dtype == np.float64
    assert Parameter([1, 2]).dtype == np.float32
    assert not Parameter([1.0], requires_grad=False).requires_grad
    assert not Buffer([1.0]).requires_grad
    with pytest.raises(DTypeError, match="only floats"):
        Parameter(np.arange(3))


# -------------------------------------------------------------------------- calling


def test_arrays_are_inputs_too():
    layer, x = Scale(), np.ones((2, 3), np.float32)
    seen = []
    layer.register_forward_hook(lambda m, inputs, y: seen.append(inputs))
    y = layer(x)
    assert isinstance(y, md.Tensor)
    assert y.requires_grad
    assert isinstance(seen[0][0], md.Tensor)
    assert seen[0][0].data is x  # shared, not copied
    np.testing.assert_array_equal(y.data, layer(md.Tensor(x)).data)


def test_other_arguments_arrive_as_they_are():
    class Echo(Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    x, state = md.Tensor([1.0]), (1, 2)
    args, kwargs = Echo()(x, state, None, 3, key=state)
    assert args[0] is x
    assert args[1:] == (state, None, 3)
    assert kwargs == {"key": state}


def test_no_forward():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        Module()(1)


# ---------------------------------------------------------------------------- state


def test_a_state_is_a_copy():
    model = mlp()
    state = model.state_dict()
    before = state["0.bias"].copy()
    model[0].bias.data += 1
    np.testing.assert_array_equal(state["0.bias"], before)
    shared = model.state_dict(copy=False)
    assert shared["0.bias"] is model[0].bias.data


def test_loading_writes_in_place():
    model, other = mlp(), mlp()
    for p in other.parameters():
        p.data += 1
    arrays = [p.data for p in model.parameters()]
    assert model.load_state_dict(other.state_dict()) == ([], [])
    unchanged(model, other.state_dict())
    assert all(p.data is a for p, a in zip(model.parameters(), arrays, strict=True))


def test_loading_counts_as_a_write():
    model = Scale()
    y = model(md.Tensor([1.0, 1.0, 1.0], requires_grad=True)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(GraphError, match="written in place"):
        y.backward()


def test_loading_keeps_dtypes_and_takes_anything_like_an_array():
    model = Scale()
    model.load_state_dict(
        {"gain": np.array([1.5, 2.5, 3.5]), "calls": np.array(7, np.int32)}
    )
    assert model.gain.dtype == np.float32
    assert model.calls.dtype == np.int64
    assert model.calls.item() == 7
    model.load_state_dict({"gain": [1, 2, 3], "calls": md.Tensor(3, dtype="int64")})
    assert model.gain.data.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(DTypeError, match=r"'calls' holds int64.*float32"):
        model.load_state_dict({"gain": [1, 2, 3], "calls": np.float32(3)})


def test_every_misfit_is_named_and_nothing_changes():
    model = mlp()
    before = values_of(model)
    state = {name: array + 1 for name, array in before.items()}
    state["0.weight"] = np.ones((4, 6))
    del state["2.0.bias"]
    state["3.weight"] = np.ones(1)
    with pytest.raises(ShapeError) as error:
        model.load_state_dict(state)
    for part in ("missing: 2.0.bias", "unexpected: 3.weight", "(4, 6)", "(4, 5)"):
        assert part in str(error.value)
    unchanged(model, before)
    with pytest.raises(ShapeError, match="same sizes"):  # strict or not
        model.load_state_dict(state, strict=False)
    unchanged(model, before)
    del state["0.weight"]
    mismatch = model.load_state_dict(state, strict=False)
    assert mismatch.missing == ["0.weight", "2.0.bias"]
    assert mismatch.unexpected == ["3.weight"]
    np.testing.assert_array_equal(model[0].bias.data, before["0.bias"] + 1)


def test_a_transposed_weight_looks_like_pytorch():
    layer = nn.Linear(4, 5)
    with pytest.raises(ShapeError, match="load_torch_state_dict"):
        layer.load_state_dict({"weight": np.ones((5, 4)), "bias": np.ones(5)})


def test_shared_parameters_load():
    model = Everything()
    state = model.state_dict()
    for name in ("tied", "alpha.weight", "again.bias"):  # one name is enough
        del state[name]
    state["zeta"] = np.array([9.0])
    model.load_state_dict(state)
    assert model.tied.item() == 9
    before = values_of(model)
    state["tied"] = np.array([8.0])
    with pytest.raises(RangeError, match=r"'zeta' and 'tied'.*different values"):
        model.load_state_dict(state)
    unchanged(model, before)
    del state["zeta"], state["tied"]
    with pytest.raises(ShapeError, match="missing: zeta"):
        model.load_state_dict(state)


def test_a_state_that_shares_memory_with_the_model():
    model = nn.Linear(3, 3)
    before = model.weight.data.copy()
    model.load_state_dict({"weight": model.weight.data.T, "bias": model.bias.data})
    np.testing.assert_array_equal(model.weight.data, before.T)
    pair = nn.ModuleList([nn.Linear(2, 2, rng=i) for i in range(2)])
    first, second = (layer.weight.data for layer in pair)
    swapped = [second.copy(), first.copy()]
    pair.load_state_dict({"0.weight": second, "1.weight": first}, strict=False)
    np.testing.assert_array_equal([first, second], swapped)


# ---------------------------------------------------------- changing all that is below


def test_modes():
    model = mlp()
    assert model.training
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())
    assert mlp().training  # others know nothing of it


def test_freezing_and_gradients():
    model = mlp()
    model(np.ones((2, 4), np.float32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert model[0].requires_grad_(False) is model[0]
    assert model.num_parameters() == 37
    assert model.num_parameters(trainable_only=True) == 12
    model(np.ones((2, 4), np.float32)).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False]


def test_apply_goes_from_the_leaves_to_the_root():
    seen = []
    model = mlp()
    model.add = model[0]  # a module with two names is visited once
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Sequential"]


def test_astype():
    model, parameters = Scale(), Scale.parameters
    p = model.gain
    model(np.ones(3, np.float32)).sum().backward()
    assert model.astype("float64") is model
    assert model.gain is p  # an optimizer that holds it goes on
    assert p.dtype == p.grad.dtype == np.float64
    assert model.calls.dtype == np.int64
    assert all(p.requires_grad for p in parameters(model))
    assert model(np.ones(3)).dtype == np.float64
    with pytest.raises(DTypeError, match="float32"):
        model.astype("int64")


def test_to(device):
    model = mlp()
    before, held = values_of(model), model.parameters()
    model(np.ones((2, 4), np.float32)).sum().backward()
    assert model.to(device) is model
    assert all(p.device == device for p in model.parameters())
    assert all(md.backend.device_of(p.grad) == device for p in model.parameters())
    assert all(a is b for a, b in zip(held, model.parameters(), strict=True))
    y = model(md.Tensor(np.ones((2, 4), np.float32)).to(device))
    assert y.device == device
    unchanged(model.to("cpu"), before)


def test_new_parameters_live_on_the_default_device(device):
    md.use(device)
    layer = nn.Linear(3, 2)
    assert layer.weight.device == layer.bias.device == device


def test_deepcopy_and_pickle():
    model = Everything()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        unchanged(twin, values_of(model))
        assert twin.tied is twin.zeta  # shared there too
        assert twin.again is twin.alpha
        assert isinstance(twin.zeta, Parameter)
        twin.zeta.data += 1
        assert model.zeta.item() == 1


def test_a_module_dies_without_the_collector():
    gc.disable()
    try:
        model = mlp()
        model.register_forward_hook(lambda m, i, y: None)
        model(np.ones((2, 4), np.float32)).sum().backward()
        model.summary((2, 4))
        ghost = weakref.ref(model)
        del model
        assert ghost() is None
    finally:
        gc.enable()


# ------------------------------------------------- what a state would lose in silence


class Holder(Module):
    """Whatever it is given, as attributes."""

    def __init__(self, **members):
        for name, value in members.items():
            setattr(self, name, value)

    def forward(self, x):
        return x


def _line(seed=0):
    return nn.Linear(2, 2, rng=seed)


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"parts": {"a.b": _line(), "a": {"b": _line(1)}}}, "parts.a.b"),
        ({"parts": {0: _line(), "0": _line(1)}}, "parts.0"),
        ({"parts": [_line()], "parts.0": _line(1)}, "parts.0"),
        ({"a": _line(), "a.bias": Parameter([1.0])}, "a.bias"),
        ({"a": {"n.n": Buffer([1.0])}, "a.n": {"n": Parameter([1.0])}}, "a.n.n"),
    ],
)
def test_two_members_of_one_name_are_refused(members, name):
    model = Holder(**members)
    for walk in (
        model.state_dict,
        model.parameters,
        lambda: model.load_state_dict({}, strict=False),
        lambda: nn.to_torch_state_dict(model),
    ):
        with pytest.raises(GraphError, match=f"two members of the name '{name}'"):
            walk()


def test_one_member_may_stand_twice_under_one_name():
    layer = _line()
    model = Holder(parts={"a.b": layer, "a": {"b": layer}})
    assert list(model.state_dict()) == ["parts.a.b.weight", "parts.a.b.bias"]


@pytest.mark.parametrize(
    "value",
    [
        lambda p: p * 2,
        lambda p: p.data * 2,
        lambda p: p.detach(),
        lambda p: 3.0,
        lambda p: [p],
    ],
)
@pytest.mark.parametrize(("name", "kind"), [("gain", "Parameter"), ("calls", "Buffer")])
def test_a_computed_value_does_not_replace_a_parameter(name, kind, value):
    model = Scale()
    before, p = values_of(model), getattr(model, name)
    with pytest.raises(GraphError, match=rf"Scale\.{name} is a {kind}.*no_grad") as e:
        setattr(model, name, value(p))
    assert f"self.{name} = nn.{kind}(value)" in str(e.value)
    assert getattr(model, name) is p
    unchanged(model, before)


def test_what_may_replace_a_parameter():
    model, p = Scale(), Parameter([1.0])
    with md.no_grad():
        model.gain *= 2  # in place: the same parameter
    assert model.gain.data.tolist() == [2, 4, 6]
    model.gain = p
    assert model.parameters() == [p]
    model.gain = None
    assert model.parameters() == []
    model.gain = 3.0  # it is none any more
    other = _line()
    other.bias = nn.Identity()
    assert [name for name, _ in other.named_parameters()] == ["weight"]


# ------------------------------------------------------------------------------ frozen


def _net():
    net = nn.Sequential(
        nn.Linear(2, 2, rng=0), nn.BatchNorm1d(2), nn.Dropout(0.5),
        nn.Sequential(nn.Linear(2, 2, rng=1), nn.BatchNorm1d(2)),
    )  # fmt: skip
    net(np.ones((3, 2), np.float32)).sum().backward()
    return net


@pytest.mark.parametrize(
    ("pattern", "parameters", "modules"),
    [
        ("*", "0.weight 0.bias 1.weight 1.bias 3.0.weight 3.0.bias 3.1.weight 3.1.bias",
         ["", "0", "1", "2", "3", "3.0", "3.1"]),
        ("1", "1.weight 1.bias", ["1"]),
        ("1.*", "1.weight 1.bias", ["1"]),  # all that it holds, its statistics too
        ("[01]", "0.weight 0.bias 1.weight 1.bias", ["0", "1"]),
        ("3", "3.0.weight 3.0.bias 3.1.weight 3.1.bias", ["3", "3.0", "3.1"]),
        ("3.1", "3.1.weight 3.1.bias", ["3.1"]),
        ("*.bias", "0.bias 1.bias 3.0.bias 3.1.bias", []),
    ],
)  # fmt: skip
def test_what_is_frozen_has_no_gradients_and_stays_in_eval_mode(
    pattern, parameters, modules
):
    net = _net()
    assert net.freeze(pattern) is net
    frozen = [name for name, p in net.named_parameters() if not p.requires_grad]
    assert frozen == parameters.split()
    assert all((p.grad is None) == (not p.requires_grad) for p in net.parameters())
    for _ in range(2):
        assert [n for n, m in net.named_modules() if not m.training] == modules
        net.eval()
        assert not any(m.training for m in net.modules())
        net.train()
    assert net.unfreeze(pattern) is net
    assert all(m.training for m in net.modules())
    assert all(p.requires_grad for p in net.parameters())


def test_unfrozen_layers_are_in_the_mode_of_the_rest():
    net = _net().freeze().eval()
    net.unfreeze("3")
    assert not any(m.training for m in net.modules())
    net.train()
    assert [n for n, m in net.named_modules() if m.training] == ["3", "3.0", "3.1"]
    assert copy.deepcopy(net).train()[1].training is False


def test_freezing_what_is_not_there():
    with pytest.raises(RangeError, match=r"nothing called 'head'; its .* 0\.weight"):
        _net().freeze("head")
    with pytest.raises(RangeError, match="nothing called"):
        _net().unfreeze("4*")


def test_judging_leaves_every_layer_in_its_mode():
    net = _net().freeze("1")
    net[2].eval()
    modes = [m.training for m in net.modules()]
    with evaluating(net):
        assert not any(m.training for m in net.modules())
    with pytest.raises(ZeroDivisionError), evaluating(net):
        raise ZeroDivisionError
    assert [m.training for m in net.modules()] == modes
    assert net.unfreeze("1")[1].training  # it was in training mode when it was frozen
    with evaluating(abs):
        pass


def test_an_error_names_the_layer():
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(4, 2, rng=0), nn.Tanh()))
    with pytest.raises(ShapeError, match=r"^1\.0 \(Linear\): affine: x has 3 features"):
        net(np.ones((5, 3), np.float32))
    with pytest.raises(
        DTypeError, match=r"^1\.0 \(Linear\): .*x is float64.*x\.astype"
    ):
        net(np.ones((5, 4)))
    with pytest.raises(ShapeError, match=r"^Linear: affine"):
        net[1][0](np.ones((5, 3), np.float32))
