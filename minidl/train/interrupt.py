"""Ctrl-C, politely: the step that runs is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def between_steps(stop: Callable[[str], Any]) -> Iterator[None]:
    """Inside, the first Ctrl-C calls stop("interrupted"); a second one interrupts.

    Only the main thread can be interrupted; in another one this does nothing, nor in
    a program that ignores Ctrl-C. A handler that was there before is put back.
    """
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    if not main or before is signal.SIG_IGN:
        yield
        return

    def first(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        stop("interrupted")

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
