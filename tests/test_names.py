"""Public names: listed, documented, tested, and found where one looks for them."""

import importlib
import inspect
import pkgutil
import re
import types
from pathlib import Path

import pytest

import minidl
from minidl import nn, ops, optim
from tests.test_optim_state import RULES

pytestmark = pytest.mark.quick
TESTS = Path(__file__).parent
PACKAGES = ["ops", "nn", "optim", "data", "check", "show", "train", "lab", "models"]
FILES = ["nn.init", "optim.schedules"]  # public, and files

# What the design names; what it has beyond this is free.
OPS = """
add subtract multiply divide power negative abs sign square reciprocal exp expm1 log
log1p sqrt rsqrt sin cos tan arcsin arccos arctan sinh cosh tanh sigmoid softplus erf
maximum minimum clip where sum mean prod var std max min argmax logsumexp cumsum reshape
transpose swapaxes squeeze expand_dims broadcast_to concatenate stack split tile repeat
roll flip pad take take_along_axis getitem tril triu diagonal masked_fill unstack astype
detach zeros ones full arange zeros_like ones_like one_hot sort argsort topk any all norm
matmul outer tensordot einsum affine relu leaky_relu elu selu gelu silu maxout softmax
log_softmax conv2d conv1d conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d
unfold upsample batch_norm layer_norm group_norm instance_norm rms_norm normalize
cosine_similarity dropout embedding rnn_cell lstm_cell gru_cell lstm
scaled_dot_product_attention cross_entropy nll_loss binary_cross_entropy_with_logits
focal_loss mse_loss l1_loss huber_loss hinge_loss kl_div
rand randn normal uniform randint multinomial
"""
TOP = """
Tensor op grad no_grad use seed default_dtype save load debug compile
ops nn optim data check show train lab models
"""


def public(name: str) -> types.ModuleType:
    return importlib.import_module(f"minidl.{name}")


def speechless(module: types.ModuleType) -> list[str]:
    """Return the public names of things without a docstring of their own."""
    things = {name: getattr(module, name) for name in module.__all__}
    return [
        f"{module.__name__}.{name}"
        for name, thing in things.items()
        if isinstance(thing, (type, types.FunctionType, types.ModuleType))
        and not (
            vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
        )
    ]


def test_every_public_name_says_what_it_is():
    modules = [public(name) for name in PACKAGES + FILES]
    assert [name for module in modules for name in speechless(module)] == []


def test_no_name_is_listed_twice():
    twice = {
        f"{name}.{n}"
        for name in PACKAGES + FILES
        for n in public(name).__all__
        if public(name).__all__.count(n) > 1
    }
    assert not twice


def unlisted(module: types.ModuleType) -> list[str]:
    """Return what `dir` shows and `__all__` does not: other than the package's files."""
    files = {info.name for info in pkgutil.iter_modules(module.__path__)}
    shown = {name for name in dir(module) if not name.startswith("_")}
    return sorted(shown - {*module.__all__} - files)


def test_nothing_is_public_by_accident():
    wrong = {name: unlisted(public(name)) for name in PACKAGES}
    assert {name: names for name, names in wrong.items() if names} == {}


def test_no_file_hides_a_function_and_no_function_is_a_file():
    allowed = {"init", "schedules"}
    files = {
        f"{name}.{n}"
        for name in PACKAGES
        for n in public(name).__all__
        if isinstance(getattr(public(name), n), types.ModuleType) and n not in allowed
    }
    assert not files, "a file of that name stands before the function"


def test_the_names_of_the_design_are_there():
    assert not {*OPS.split()} - {*ops.__all__}
    assert not {*TOP.split()} - {*minidl.__all__}
    assert all(getattr(minidl, name) for name in TOP.split())


# ------------------------------------------------------------------ the names of NumPy


def test_what_numpy_has_under_the_same_name_is_at_the_top():
    for name in ("exp", "zeros", "sum", "reshape", "matmul", "einsum", "where", "sort"):
        assert getattr(minidl, name) is getattr(ops, name)
        assert name in dir(minidl)
    assert minidl.op is not None
    assert not {"relu", "rand", "normal", "to", "norm"} & {*dir(minidl)}


@pytest.mark.parametrize(
    ("name", "home"),
    [("relu", "ops.relu"), ("randn", "ops.randn"), ("Linear", "nn.Linear"),
     ("Adam", "optim.Adam"), ("DataLoader", "data.DataLoader"), ("Trainer", "train.Trainer")],
)  # fmt: skip
def test_other_names_say_where_they_are(name, home):
    with pytest.raises(AttributeError, match=f"it is md.{home}$"):
        getattr(minidl, name)


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(
        AttributeError, match=r"has no 'rleu'; did you mean md\.ops\.relu"
    ):
        minidl.rleu  # noqa: B018


# ------------------------------------------------------- what is public is tested, too


def used(package: str) -> set[str]:
    """Return which names of a package the tests use, as nn.ReLU or by an import."""
    found: set[str] = set()
    files = {*TESTS.glob("test_*.py"), *TESTS.glob("rows/*.py")}
    for path in files - {TESTS / "test_adding.py"}:  # which adds some in a copy only
        text = path.read_text(encoding="utf-8")
        found |= {*re.findall(rf"(?<!torch\.)\b{package}\.(\w+)", text)}
        for names in re.findall(
            rf"from minidl.{package}(?:\.\w+)? import ([^)\n(]+|\([^)]+)", text
        ):
            found |= {*re.findall(r"\w+", names)}
    return found


def test_every_layer_has_a_test():
    assert not {*nn.__all__} - used("nn"), "give it a line in LAYERS of tests/rows"


def test_every_function_of_ops_has_a_test():
    assert not {*ops.__all__} - used("ops"), "give it a line in ROWS of tests/rows"


def test_every_optimizer_is_saved_and_resumed():
    rules = {
        name
        for name in optim.__all__
        if isinstance(c := getattr(optim, name), type)
        and issubclass(c, optim.Optimizer)
    }
    listed = {name.partition("+")[0] for name in RULES} | {"Optimizer"}
    assert not rules - listed, "give it a line in RULES of tests/test_optim_state.py"
