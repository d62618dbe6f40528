"""How a Tensor behaves towards Python and NumPy: numbers, truth, copies, conversions.

Nothing here computes. Whatever would leave the graph unseen, so that no gradient could
come back, is refused while the Tensor is tracked; the error says what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.errors import GraphError, ShapeError
from minidl.modes import mode

if TYPE_CHECKING:
    from minidl.tensor import Tensor

    Binary = Callable[..., Tensor]
    Method = Callable[..., Tensor]


class Manners:
    """The part of Tensor that talks to Python and NumPy."""

    __slots__ = ()

    if TYPE_CHECKING:
        data: Array
        requires_grad: bool
        touch: Callable[[], None]
        # Operators and the commonest functions are attached in ops/methods.py.
        __add__: Binary
        __radd__: Binary
        __sub__: Binary
        __rsub__: Binary
        __mul__: Binary
        __rmul__: Binary
        __truediv__: Binary
        __rtruediv__: Binary
        __pow__: Binary
        __rpow__: Binary
        __matmul__: Binary
        __rmatmul__: Binary
        __neg__: Callable[[], Tensor]
        __abs__: Callable[[], Tensor]
        __iadd__: Binary
        __isub__: Binary
        __imul__: Binary
        __itruediv__: Binary
        __getitem__: Binary
        __iter__: Callable[[], Iterator[Tensor]]
        __gt__: Callable[[Any], Array]
        __ge__: Callable[[Any], Array]
        __lt__: Callable[[Any], Array]
        __le__: Callable[[Any], Array]
        T: Tensor
        abs: Method
        all: Callable[..., Array]
        any: Callable[..., Array]
        argmax: Callable[..., Array]
        astype: Method
        broadcast_to: Method
        clip: Method
        cos: Method
        cumsum: Method
        exp: Method
        expand_dims: Method
        flatten: Method
        log: Method
        logsumexp: Method
        masked_fill: Method
        max: Method
        mean: Method
        min: Method
        norm: Method
        prod: Method
        log_softmax: Method
        relu: Method
        reshape: Method
        sigmoid: Method
        sin: Method
        softmax: Method
        sqrt: Method
        square: Method
        squeeze: Method
        std: Method
        sum: Method
        swapaxes: Method
        take: Method
        tanh: Method
        to: Method
        transpose: Method
        var: Method

    # What it looks like

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return self.data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its numbers."""
        return self.data.dtype  # type: ignore[no-any-return]

    # Out of the Tensor

    def refuse_while_tracked(self, what: str) -> None:
        """Raise a GraphError if a gradient is expected to come back through self."""
        if self.requires_grad and mode.recording:
            raise GraphError(
                f"{what} would leave the graph, and no gradient would come back; say "
                "x.detach() first if that is meant, or compute with the functions of "
                "md.ops, which record what they do"
            )

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array (on the CPU: the same memory).

        A tracked Tensor refuses, as in PyTorch: say `x.detach().numpy()`.
        """
        self.refuse_while_tracked("x.numpy()")
        return backend.to_numpy(self.data)

    def item(self) -> Any:
        """Return the only number in it as a Python number."""
        if self.size != 1:
            raise ShapeError(
                f"item() wants exactly one number, and this has shape {self.shape}; "
                "try .tolist(), or reduce it first with .sum() or .mean()"
            )
        return self.data.item()

    def tolist(self) -> Any:
        """Return the values as nested Python lists."""
        return self.data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self.refuse_while_tracked("making a NumPy array of a tracked Tensor")
        return np.array(backend.to_numpy(self.data), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        """`ndarray * Tensor` and `np.exp(Tensor)` become the op of the same name.

        Comparisons and tests such as np.isnan give plain arrays of truth values.
        """
        name = RENAMED.get(ufunc.__name__, ufunc.__name__)
        op = getattr(type(self).namespace, name, None)  # type: ignore[attr-defined]
        if op is not None and method == "__call__" and not kw:
            return op(*(x.item() if isinstance(x, np.generic) else x for x in inputs))
        tests = all(kinds[-1] in "?O" for kinds in ufunc.types)
        what = "" if tests else f"np.{ufunc.__name__}"
        y = getattr(ufunc, method)(*_plain(inputs, what), **_plain(kw, what))
        for x in kw.get("out", ()):
            if isinstance(x, Manners):
                x.touch()
        return y

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        what = f"np.{func.__name__}"
        return func(*_plain(args, what), **_plain(kwargs, what))

    def __dlpack__(self, **kwargs: Any) -> Any:
        self.refuse_while_tracked("DLPack")
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    # As a number, a truth, a container

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise TypeError(
                f"only a 0-d integer Tensor is an index; this has dtype {self.dtype} "
                f"and shape {self.shape}"
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth of a Tensor of shape {self.shape} is ambiguous; try "
                "(x > 0).all() or (x > 0).any()"
            )
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d Tensor has no len(); .item() gives its number")
        return self.shape[0]

    def __contains__(self, value: Any) -> bool:
        return bool((self.data == _plain(value)).any())


RENAMED = {"absolute": "abs"}  # functions that NumPy calls otherwise


def _plain(x: Any, what: str = "") -> Any:
    """Replace the Tensors in x, and in its lists and dictionaries, by their arrays.

    Where `what` says what is about to be done, a tracked Tensor refuses.
    """
    if isinstance(x, Manners):
        if what:
            x.refuse_while_tracked(what)
        return x.data
    if isinstance(x, (list, tuple)):
        return type(x)(_plain(item, what) for item in x)
    if isinstance(x, dict):
        return {key: _plain(item, what) for key, item in x.items()}
    return x
