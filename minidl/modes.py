"""What is switched on: recording, thread by thread; and watching, for everybody."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """Whether operations are recorded; every thread decides for itself."""

    recording = True


mode = _Mode()
watchers: list[Any] = []  # `minidl.debug()` puts itself here


class no_grad:
    """Record nothing inside the `with`, or inside the function that it decorates.

    >>> from minidl import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(mode.recording)
        mode.recording = False

    def __exit__(self, *exc: object) -> None:
        mode.recording = self.before.pop()

    def __call__(self, function: F) -> F:
        """Decorate a function."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


@contextmanager
def recording() -> Iterator[None]:
    """Record inside the `with`, even where `no_grad` says otherwise."""
    before, mode.recording = mode.recording, True
    try:
        yield
    finally:
        mode.recording = before
