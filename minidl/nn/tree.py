"""The tree of a model: what belongs to a module, under which name, in which order.

A module is an ordinary object. Every Parameter, Buffer or module among its attributes
belongs to it, also those in lists, tuples and dictionaries, under the name and in the
order of its assignment. Names of what is deeper are joined by dots, as in PyTorch:
"encoder.layers.0.weight".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from minidl import backend
from minidl.backend import DType
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import GraphError

if TYPE_CHECKING:
    from minidl.nn.module import Module


class Parameter(Tensor):
    """A leaf that training moves; it lives on the default device.

    >>> Parameter([0.5, 1.0])
    Tensor([0.5, 1. ], requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self,
        data: TensorLike,
        requires_grad: bool = True,
        device: str | None = None,
        *,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(data, requires_grad, _home(device), dtype=dtype)


class Buffer(Tensor):
    """No parameter, but part of the state: running statistics, keys."""

    __slots__ = ()

    def __init__(
        self, data: TensorLike, device: str | None = None, *, dtype: DType | None = None
    ) -> None:
        super().__init__(data, False, _home(device), dtype=dtype)


class Tree:
    """The half of Module that finds its parameters."""

    def named_members(self) -> Iterator[tuple[str, Any]]:
        """Every parameter, buffer and module right below, under all its names."""
        for name, value in vars(self).items():
            yield from _spread(name, value)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Itself, under the name "", and every module below; each of them once."""
        yield from _once(
            (name, m) for name, m in walk(self, prefix) if isinstance(m, Tree)
        )

    def modules(self) -> list[Module]:
        """Itself and every module below."""
        return [m for _, m in self.named_modules()]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below; each of them once."""
        yield from _once(
            (name, m) for name, m in self.named_members() if isinstance(m, Tree)
        )

    def children(self) -> list[Module]:
        """The modules right below."""
        return [m for _, m in self.named_children()]

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter, in the order of assignment; a shared one once."""
        yield from _once(
            (name, p) for name, p in walk(self, prefix) if isinstance(p, Parameter)
        )

    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of assignment; a shared one once."""
        return [p for _, p in self.named_parameters()]

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Buffer]]:
        """Every buffer, in the order of assignment; a shared one once."""
        yield from _once(
            (name, b) for name, b in walk(self, prefix) if isinstance(b, Buffer)
        )

    def buffers(self) -> list[Buffer]:
        """Every buffer, in the order of assignment; a shared one once."""
        return [b for _, b in self.named_buffers()]

    def num_parameters(self, trainable_only: bool = False) -> int:
        """How many numbers the parameters hold; a shared one counts once."""
        return sum(
            p.size for p in self.parameters() if p.requires_grad or not trainable_only
        )


def walk(
    module: Tree, prefix: str = "", bottom_up: bool = False
) -> Iterator[tuple[str, Any]]:
    """Yield the module and all that is below, with dotted names, in order.

    Raises GraphError if two of them have one name: a state would lose one of the two.
    """
    named: dict[str, Any] = {}
    for name, member in _walk(module, prefix, (), bottom_up):
        if named.setdefault(name, member) is not member:
            raise GraphError(
                f"{type(module).__name__} has two members of the name {name!r}, "
                f"{_kind(named[name])} and {_kind(member)}, and a state would keep one "
                "of them; a dot in a name or a key stands for a level: rename one"
            )
        yield name, member


def _walk(
    module: Tree, prefix: str, above: tuple[Tree, ...], bottom_up: bool
) -> Iterator[tuple[str, Any]]:
    if any(module is m for m in above):
        return  # a child that knows its parent
    if not bottom_up:
        yield prefix.removesuffix("."), module
    for name, value in module.named_members():
        if isinstance(value, Tree):
            yield from _walk(value, f"{prefix}{name}.", (*above, module), bottom_up)
        else:
            yield prefix + name, value
    if bottom_up:
        yield prefix.removesuffix("."), module


def _kind(member: object) -> str:
    """Describe a member in few words.

    >>> _kind(Parameter([1.0, 2.0]))
    'a Parameter (2,)'
    """
    shape = f" {member.shape}" if isinstance(member, Tensor) else ""
    return f"a {type(member).__name__}{shape}"


def _spread(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """Yield the members that an attribute holds: itself, or those in its containers."""
    if isinstance(value, (Parameter, Buffer, Tree)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _spread(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _spread(f"{name}.{key}", item)
    elif isinstance(value, (set, frozenset)) and any(
        isinstance(item, (Parameter, Buffer, Tree)) for item in value
    ):
        raise GraphError(
            f"self.{name} is a set, and a set has no order: the parameters in it would "
            "change places from run to run; make it a list"
        )


def _once(members: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Drop what came before, under another name."""
    seen: set[int] = set()
    for name, member in members:
        if id(member) not in seen:
            seen.add(id(member))
            yield name, member


def _home(device: str | None) -> str | None:
    """Where parameters live: where `minidl.use` says; a CPU default moves nothing."""
    default = backend.default_device()
    return default if device is None and default != "cpu" else device


def drawn(module: Tree) -> str:
    """Return the tree of a module: settings, shapes of parameters, and counts."""
    return "\n".join(_branches(module, "", ()))


def _branches(module: Tree, name: str, above: tuple[Tree, ...]) -> list[str]:
    lines = [f"{name}{described(module)}"]
    for child, member in module.named_members():
        if isinstance(member, Tree) and not any(member is m for m in above):
            below = _branches(member, f"{child}: ", (*above, module))
            lines += ["  " + line for line in below]
    return lines


def described(module: Tree) -> str:
    """Return one line: Linear(bias=True)  weight (3, 2), bias (2,)  8 parameters."""
    own = [(n, p) for n, p in module.named_members() if isinstance(p, Parameter)]
    parts = [f"{type(module).__name__}({_settings(module)})"]
    if own:
        parts.append(", ".join(f"{n} {p.shape}" for n, p in own))
    if count := module.num_parameters():
        frozen = count - module.num_parameters(trainable_only=True)
        parts.append(
            f"{count:,} parameters" + (f", {frozen:,} frozen" if frozen else "")
        )
    return "  ".join(parts)


def _settings(module: Tree) -> str:
    """Return the plain attributes, which are what `__init__` was told."""
    return ", ".join(
        f"{name}={value!r}"
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "training" and _is_plain(value)
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_plain(item) for item in value)
    return isinstance(value, (bool, int, float, str))
