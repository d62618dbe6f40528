"""Names from PyTorch, NumPy, TensorFlow and CuPy, and what to write here instead.

One table for all: `minidl`, its packages, Tensors, modules, optimizers, and arguments
look up here what they do not know. The answer is a sentence with the line to write.
Meanings that differ in silence are in docs/from_pytorch.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property, wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

IN_PLACE = "Tensors do not change in place: x = {0}, or x[...] = v under no_grad"

# Functions, classes and modules
NAMES = {
    "tensor": "md.Tensor([1.0, 2.0])",
    "as_tensor": "md.Tensor(array), or md.Tensor(array, copy=False) to share memory",
    "from_numpy": "md.Tensor(array), or md.Tensor(array, copy=False) to share memory",
    "Variable": "md.Tensor(array, requires_grad=True)",
    "constant": "md.Tensor(array)",
    "manual_seed": "md.seed(0)",
    "set_seed": "md.seed(0)",
    "set_random_seed": "md.seed(0)",
    "inference_mode": "with md.no_grad():",
    "set_grad_enabled": "with md.no_grad(): or with md.enable_grad():",
    "GradientTape": "loss.backward(), or md.grad(loss, [w]); everything is recorded",
    "autograd": "md.grad(y, x, create_graph=True), loss.backward(), or @md.op",
    "Function": "@md.op above a function that returns y and its way back",
    "set_default_dtype": 'md.default_dtype("float64")',
    "get_default_dtype": "md.default_dtype()",
    "set_default_device": 'md.use("cuda")',
    "device": '"cpu" or "cuda": md.use("cuda"), x.to("cuda")',
    "cuda": 'md.use("cuda"), x.to("cuda"); md.backend.available() lists the devices',
    "functional": "md.ops: import minidl.ops as F",
    "utils": "md.data.DataLoader, md.optim.clip_grad_norm, md.save, md.load",
    "keras": "md.nn for layers, md.train.Trainer for fit",
    "layers": "md.nn",
    "losses": "md.nn for modules, md.ops for functions",
    "metrics": "md.train.accuracy and its neighbors",
    "lr_scheduler": "optim.schedules: optim.SGD(params, lr=schedules.cosine(0.1, 99))",
    "StepLR": "lr=optim.schedules.step(0.1, every, factor), given to the optimizer",
    "MultiStepLR": "lr=optim.schedules.multistep(…), given to the optimizer",
    "ExponentialLR": "lr=optim.schedules.exponential(…), given to the optimizer",
    "CosineAnnealingLR": "lr=optim.schedules.cosine(…), given to the optimizer",
    "LambdaLR": "lr=lambda t: 0.1 / (1 + t): any function of the step is a schedule",
    "OneCycleLR": "lr=optim.schedules.one_cycle(…), given to the optimizer",
    "ReduceLROnPlateau": "optim.ReduceOnPlateau(optimizer)",
    "RMSprop": "optim.RMSProp",
    "AdaGrad": "optim.Adagrad",
    "NAG": "optim.Nesterov(params, lr, momentum=0.9)",
    "LBFGS": "not here; its place in the lectures is small. Try optim.Adam",
    "Rprop": "not here; optim.RMSProp is its descendant for mini-batches",
    "RAdam": "not here; optim.Adam with schedules.warmup does the same work",
    "Lion": "not here; try optim.AdamW",
    "ASGD": "optim.SGD with optim.PolyakAverage(params)",
    "random_split": "data.train_test_split(dataset)",
    "cat": "ops.concatenate([x, y], axis=1)",
    "concat": "ops.concatenate([x, y], axis=1)",
    "vstack": "ops.concatenate([x, y], axis=0)",
    "hstack": "ops.concatenate([x, y], axis=1)",
    "chunk": "ops.split(x, parts, axis=0): the number is of parts, not of lengths",
    "mm": "x @ y",
    "bmm": "x @ y",
    "dot": "x @ y",
    "mul": "x * y, or ops.multiply",
    "sub": "x - y, or ops.subtract",
    "div": "x / y, or ops.divide",
    "pow": "x ** y, or ops.power",
    "neg": "-x",
    "clamp": "ops.clip(x, low=0, high=1)",
    "linear": "ops.affine(x, w, b) with w (in, out), or nn.Linear",
    "gather": "ops.take_along_axis(x, i, axis)",
    "index_select": "ops.take(x, i, axis)",
    "scatter_add": "ops.add_at(total, index, x), or ops.scatter",
    "permute": "x.transpose(0, 2, 1)",
    "unsqueeze": "x[None], or ops.expand_dims(x, axis)",
    "expand": "ops.broadcast_to(x, shape)",
    "reduce_sum": "x.sum(axis=…)",
    "reduce_mean": "x.mean(axis=…)",
    "reduce_max": "x.max(axis=…)",
    "cast": 'x.astype("float32")',
    "asarray": "md.Tensor(array)",
    "asnumpy": "x.detach().numpy()",
    "get_array_module": "md.backend.namespace(x)",
    "randn_like": "ops.randn(*x.shape)",
    "rand_like": "ops.rand(*x.shape)",
    "linspace": "md.Tensor(np.linspace(0, 1, 11), dtype='float32')",
    "meshgrid": "np.meshgrid, then md.Tensor",
    "smooth_l1_loss": "ops.huber_loss(x, target)",
    "sparse_categorical_crossentropy": "ops.cross_entropy(scores, labels)",
    "SmoothL1Loss": "nn.HuberLoss()",
    "TripletMarginLoss": "not here; nn.CosineEmbeddingLoss compares pairs",
    "CategoricalCrossentropy": "nn.CrossEntropyLoss(), on scores and not on softmax",
    "Dense": "nn.Linear(n_in, n_out): the number of inputs comes first",
    "Conv2D": "nn.Conv2d(c_in, c_out, kernel_size)",
    "MaxPooling2D": "nn.MaxPool2d(2)",
    "BatchNormalization": "nn.BatchNorm2d(channels)",
    "MultiheadAttention": "nn.MultiHeadAttention",
    "TransformerEncoder": "nn.Sequential of n nn.TransformerEncoderLayer(…)",
    "TransformerDecoder": "nn.ModuleList of n nn.TransformerDecoderLayer(…)",
    "ParameterList": "a plain list of nn.Parameter, as an attribute of the module",
    "ParameterDict": "a plain dict of nn.Parameter, as an attribute of the module",
    "ReLU6": "x.clip(low=0, high=6)",
    "xavier_uniform_": "init.xavier_uniform(layer.weight), or Linear(…, init=…)",
    "xavier_normal_": "init.xavier_normal(layer.weight), or Linear(…, init=…)",
    "kaiming_uniform_": "init.kaiming_uniform(layer.weight), or Linear(…, init=…)",
    "kaiming_normal_": "init.kaiming_normal(layer.weight), or Linear(…, init=…)",
    "normal_": "init.normal(layer.weight, std=0.02)",
    "uniform_": "init.uniform(layer.weight, …)",
    "constant_": "init.constant(layer.weight, value)",
    "zeros_": "init.zeros(layer.weight)",
    "ones_": "init.ones(layer.weight)",
    "orthogonal_": "init.orthogonal(layer.weight)",
    "clip_grad_norm_": "optim.clip_grad_norm(model.parameters(), 1.0)",
    "clip_grad_value_": "optim.clip_grad_value(model.parameters(), 1.0)",
    **dict.fromkeys(
        ("float32", "float64", "float16", "int64", "int32", "long", "uint8"),
        'a dtype is NumPy\'s: dtype="float32", or np.float32',
    ),
}  # fmt: skip

# Attributes of a Tensor
TENSOR = {
    "view": "x.reshape(4, 3)",
    "reshape_as": "x.reshape(y.shape)",
    "view_as": "x.reshape(y.shape)",
    "numel": "x.size",
    "nelement": "x.size",
    "dim": "x.ndim",
    "unsqueeze": "x[None], or x.expand_dims(0)",
    "permute": "x.transpose(1, 0)",
    "t": "x.T",
    "clamp": "x.clip(low=0)",
    "clone": "x.copy()",
    "contiguous": "x itself: every operation takes Tensors of any layout",
    "float": 'x.astype("float32")',
    "double": 'x.astype("float64")',
    "half": 'x.astype("float16")',
    "long": 'x.astype("int64")',
    "int": 'x.astype("int32")',
    "bool": 'x.astype("bool"), or a comparison such as x > 0',
    "type": 'x.astype("float32")',
    "cpu": 'x.to("cpu")',
    "cuda": 'x.to("cuda")',
    "get": 'x.to("cpu").numpy()',
    "split": "md.ops.split(x, parts, axis=1): the number is of parts, not of lengths",
    "chunk": "md.ops.split(x, parts, axis=1)",
    "repeat": "md.ops.tile(x, (2, 1)); ops.repeat repeats each element, as in NumPy",
    "tile": "md.ops.tile(x, (2, 1))",
    "expand": "x.broadcast_to((3, 4))",
    "expand_as": "x.broadcast_to(y.shape)",
    "gather": "md.ops.take_along_axis(x, i, axis)",
    "tril": "md.ops.tril(x)",
    "triu": "md.ops.triu(x)",
    "topk": "md.ops.topk(x, 2)",
    "sort": "md.ops.sort(x)",
    "argsort": "md.ops.argsort(x)",
    "flip": "md.ops.flip(x, axis)",
    "roll": "md.ops.roll(x, shift, axis)",
    "pad": "md.ops.pad(x, width)",
    "unbind": "md.ops.unstack(x, axis)",
    "add": "x + 1",
    "sub": "x - 1",
    "mul": "x * 2",
    "div": "x / 2",
    "pow": "x ** 2",
    "neg": "-x",
    "matmul": "x @ y",
    "mm": "x @ y",
    "dot": "x @ y",
    "eq": "x == y",
    "round": "x.detach().numpy().round(): rounding has no gradient",
    "floor": "np.floor(x.detach().numpy()): rounding has no gradient",
    "ceil": "np.ceil(x.detach().numpy()): rounding has no gradient",
    "erf": "md.ops.erf(x)",
    "gelu": "md.ops.gelu(x)",
    "log1p": "md.ops.log1p(x)",
    "retain_grad": "md.grad(loss, y): the gradient of a value on the way",
    "register_hook": "md.grad(loss, y) for its gradient; layers have hooks: nn.Module",
    "grad_fn": "md.show.graph(y) draws what made it; x.is_leaf says whether any did",
    "zero_grad": "optimizer.zero_grad(), or x.grad = None",
    "data_ptr": "x.data.ctypes.data",
    "assign": "x[...] = v inside `with md.no_grad():`",
    **{
        name: IN_PLACE.format(instead)
        for name, instead in {
            "add_": "x + 1", "sub_": "x - 1", "mul_": "x * 2", "div_": "x / 2",
            "fill_": "ops.full(x.shape, v)", "zero_": "ops.zeros_like(x)",
            "copy_": "y.copy()", "normal_": "ops.randn(*x.shape)",
            "uniform_": "ops.rand(*x.shape)", "clamp_": "x.clip(low=0)",
            "relu_": "x.relu()", "exp_": "x.exp()", "squeeze_": "x.squeeze()",
            "unsqueeze_": "x[None]", "masked_fill_": "x.masked_fill(mask, v)",
        }.items()
    },
}  # fmt: skip

# Attributes of a module or an optimizer
OBJECTS = {
    "double": 'net.astype("float64")',
    "float": 'net.astype("float32")',
    "half": "nn.MixedPrecision(net)",
    "cuda": 'net.to("cuda")',
    "cpu": 'net.to("cpu")',
    "register_buffer": "self.name = nn.Buffer(array)",
    "register_parameter": "self.name = nn.Parameter(array)",
    "add_module": "net.name = layer: assigning registers it",
    "register_module": "net.name = layer: assigning registers it",
    "requires_grad_": "net.freeze() or net.unfreeze()",
    "compile": "train.Trainer(net, optimizer, loss)",
    "fit": "train.Trainer(net, optimizer, loss).fit(loader, epochs)",
    "predict": "net(x) inside `with md.no_grad():`, after net.eval()",
    "weights": "net.parameters(), or net.state_dict()",
    "trainable_weights": "net.parameters()",
    "get_weights": "net.state_dict()",
    "set_weights": "net.load_state_dict(state)",
    "param_groups": "optimizer.groups: each has lr, weight_decay and members",
    "state": "optimizer.state_dict()",
    "minimize": "loss.backward(); optimizer.step(); optimizer.zero_grad()",
    "apply_gradients": "optimizer.step(), after loss.backward()",
}

# Arguments
KEYWORDS = {
    "dim": "dim is called axis here",
    "dims": "dims are called axis or axes here",
    "keepdim": "keepdim is called keepdims here, as in NumPy",
    "unbiased": "write ddof=1 for unbiased=True; ddof=0 is the default here",
    "correction": "correction is called ddof here",
    "inplace": "leave it out: layers never work in place",
    "batch_first": "leave it out: batches always come first here, (N, T, D)",
    "learning_rate": "learning_rate is called lr here",
    "epsilon": "epsilon is called eps here",
    "momentum": "SGD has none: optim.Momentum(params, lr, momentum=0.9), or Nesterov",
    "nesterov": "write optim.Nesterov(params, lr, momentum=0.9)",
    "beta1": "write betas=(0.9, 0.999)",
    "beta_1": "write betas=(0.9, 0.999)",
    "rho": "for RMSProp it is called alpha here",
    "min": "min is called low here: clip(x, low=0)",
    "max": "max is called high here: clip(x, high=1)",
    "a_min": "a_min is called low here: clip(x, low=0)",
    "num_classes": "write one_hot(labels, 3)",
    "is_causal": "is_causal is called causal here",
    "attn_mask": "attn_mask is called mask here",
    "key_padding_mask": "true where a key counts: key_mask=~key_padding_mask",
    "elementwise_affine": "write affine=False",
    "in_features": "the number of inputs is n_in: Linear(4, 2)",
    "out_features": "the number of outputs is n_out: Linear(4, 2)",
    "units": "the number of outputs is n_out: Linear(n_in, n_out)",
    "filters": "the number of filters is out_channels: Conv2d(c_in, c_out, 3)",
    "d_model": "d_model is called dim here",
    "nhead": "nhead is called heads here",
    "embed_dim": "embed_dim is called dim here",
    "num_heads": "num_heads is called heads here",
    "dim_feedforward": "dim_feedforward is called hidden here",
    "retain_grad": "md.grad(loss, y) gives the gradient of a value on the way",
    "num_workers": "num_workers is called workers here",
    "pin_memory": "leave it out: batches for a GPU are pinned by themselves",
    "worker_init_fn": "leave it out: workers draw from the loader's seed",
    "size_average": 'write reduction="mean" or "sum"',
    "logits": "scores come first: cross_entropy(scores, labels)",
    "map_location": 'md.load gives arrays on the host; model.to("cuda") moves a model',
    "weights_only": "leave it out: a file of weights never runs code here",
    "patience": "that belongs to optim.ReduceOnPlateau or train.EarlyStopping",
}


class Sentence:
    """The text of an error, made when somebody first reads it: `hasattr` never does."""

    def __init__(self, made: Callable[[], str]) -> None:
        self.made = made

    @cached_property
    def text(self) -> str:
        """What it says."""
        return self.made()

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.text)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.text,)


Known = Iterable[str] | Callable[[], Iterable[str]]


def missing(
    owner: str, name: str, known: Known, table: Mapping[str, str] = NAMES
) -> AttributeError:
    """Return the error for a name that `owner` does not have.

    known   the names that it has; a mapping, with where each is; or a function that
            returns them, called if the error is read
    """
    if name.startswith("_"):  # Python asks for these itself, many times: no advice
        return AttributeError(f"{owner} has no attribute {name!r}")
    says = f"{owner} has no {name!r}; "
    return AttributeError(Sentence(lambda: says + advice(name, known, table)))


def advice(name: str, known: Known, table: Mapping[str, str]) -> str:
    """Say what to write in place of a name: see `missing`."""
    try:
        names = known() if callable(known) else known
    except Exception:  # a __dir__ that fails must not hide the name
        names = ()
    where = names if isinstance(names, Mapping) else {k: k for k in sorted(names)}
    if name in where:
        place = where[name]
        return f"it is {place}" if place != name else "reading it raised AttributeError"
    if name in table:
        return f"here it is: {table[name]}"
    small = {k.lower(): here for k, here in where.items()}
    near = get_close_matches(name.lower(), small, 1, 0.75)
    return f"did you mean {small[near[0]]}?" if near else "dir() lists what there is"


def keyword(name: str) -> str:
    """Return what to write for an argument that is not known, or nothing."""
    return f": {KEYWORDS[name]}" if name in KEYWORDS else ""


def checked(init: F) -> F:
    """Let an `__init__` say what an argument from elsewhere is called here."""

    @wraps(init)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except TypeError:
            if type(self).__init__ is call:
                _explain_call(type(self), args, kwargs)
            raise

    return call  # type: ignore[return-value]


def _explain_call(cls: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise TypeError for arguments that a class does not take, with what to write."""
    takes: list[str] = []
    more = False
    for base in cls.__mro__[:-1]:  # **settings of one are those of the next
        known = inspect.signature(base.__init__).parameters
        takes += [k for k in [*known][1:] if known[k].kind not in (VARARGS, VARKWARGS)]
        more = more or any(known[k].kind is VARKWARGS for k in known)
    unknown = [k for k in kwargs if k not in takes and (k in KEYWORDS or not more)]
    hint, what = keyword(unknown[0]) if unknown else "", ""
    if unknown:
        what = f" takes nothing called {unknown[0]!r}"
    else:
        try:
            inspect.signature(cls.__init__).bind(None, *args, **kwargs)
        except TypeError as error:
            what = f": {error}"
            hint = keyword("momentum") if cls.__name__ == "SGD" and args[2:] else ""
    if what:
        names = ", ".join(dict.fromkeys(takes)) or "no arguments"
        raise TypeError(f"{cls.__name__}{what}{hint} (it takes {names})") from None


VARARGS, VARKWARGS = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def answers(function: F) -> F:
    """Let a plain function say what an argument from elsewhere is called here."""
    name = function.__name__

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for given in kwargs:
            if given not in accepted:
                takes = ", ".join(accepted)
                raise TypeError(
                    f"{name} takes nothing called {given!r}{keyword(given)} "
                    f"(it takes {takes})"
                )
        return function(*args, **kwargs)

    accepted = tuple(inspect.signature(function).parameters)
    return call  # type: ignore[return-value]
