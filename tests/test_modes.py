"""What is switched on: `no_grad` and `enable_grad` around functions of every kind."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, ops
from minidl.engine.modes import careful, mode


def recorded() -> bool:
    return (Tensor([1.0], requires_grad=True) * 2).requires_grad


@md.no_grad()
def plain():
    """Say what it is."""
    return recorded()


@md.no_grad()
def steps():
    seen = yield recorded()
    while True:
        seen = yield (seen, recorded())


@md.no_grad()
async def waiting():
    before = recorded()
    await asyncio.sleep(0)
    return before, recorded()


def test_a_function_is_decorated_whatever_its_kind():
    assert not plain()
    assert plain.__doc__ == "Say what it is."
    assert [f.__name__ for f in (plain, steps, waiting)] == [
        "plain",
        "steps",
        "waiting",
    ]
    assert asyncio.run(waiting()) == (False, False)
    assert recorded()
    with pytest.raises(TypeError, match=r"^no_grad cannot decorate endless, an async"):

        @md.no_grad()
        async def endless():
            yield 1


def test_a_generator_records_nothing_itself_and_leaves_its_caller_alone():
    walk = steps()
    assert next(walk) is False
    assert recorded()
    assert walk.send("a") == ("a", False)
    assert recorded()
    assert walk.send("b") == ("b", False)
    with md.no_grad():
        assert walk.send("c") == ("c", False)
    assert recorded()


def test_a_generator_is_closed_thrown_into_and_returns():
    heard = []

    @md.no_grad()
    def talk():
        try:
            while True:
                try:
                    yield len(heard)
                except KeyError as error:
                    heard.append((error.args[0], recorded()))
        finally:
            heard.append(("closed", recorded()))

    walk = talk()
    assert next(walk) == 0
    assert walk.throw(KeyError("no")) == 1
    walk.close()
    assert heard == [("no", False), ("closed", False)]
    assert recorded()

    @md.no_grad()
    def short():
        yield 1
        return "end"

    def outer():
        return (yield from short())

    walk = outer()
    assert next(walk) == 1
    with pytest.raises(StopIteration) as end:
        next(walk)
    assert end.value.value == "end"


def test_modes_nest_and_end_with_an_error():
    with md.no_grad():
        with md.enable_grad():
            assert recorded()
            with md.no_grad():
                assert not recorded()
            assert recorded()
        assert not recorded()
    with pytest.raises(ZeroDivisionError), md.no_grad():
        1 / 0  # noqa: B018
    with pytest.raises(ZeroDivisionError), md.enable_grad():
        1 / 0  # noqa: B018
    assert recorded()
    assert mode.careful is False
    with careful():
        assert mode.careful
    with pytest.raises(ZeroDivisionError), careful():
        1 / 0  # noqa: B018
    assert mode.careful is False


def test_one_object_serves_several_threads():
    off, inside, leave = md.no_grad(), threading.Event(), threading.Event()

    def other():
        with md.no_grad(), off:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with off:
        thread.start()
        inside.wait()
    leave.set()
    thread.join()
    assert recorded()


def test_what_was_not_recorded_has_no_gradient():
    x = Tensor(np.ones(2), requires_grad=True)
    with md.no_grad():
        y = ops.exp(x)
    assert y.is_leaf
    assert mode.reached is None
    assert mode.stateful is None
