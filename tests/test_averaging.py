"""Averages of weights: what they are, and that they give everything back."""

import numpy as np
import pytest

from minidl import Tensor
from minidl.backend import to_numpy
from minidl.errors import DTypeError, GraphError, RangeError, ShapeError
from minidl.optim import EMA, SWA, PolyakAverage, schedules
from minidl.optim.averaging import newest_weight

KINDS = {
    "PolyakAverage": PolyakAverage,
    "EMA": lambda params, **kw: EMA(params, decay=0.9, **kw),
    "SWA": lambda params, **kw: SWA(params, start=2, every=3, **kw),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


class Plain:
    """All that an average may know of a parameter."""

    def __init__(self, data):
        self.data, self.grad, self.touched = np.array(data, dtype=float), None, 0

    def touch(self):
        self.touched += 1


def walk(average, params, steps, seed=0):
    """Move the weights at random; return where they were after each step."""
    rng, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        for p in params:
            p.data += rng.normal(size=p.data.shape)
        average.update()
        seen.append([p.data.copy() for p in params])
    return seen


def two():
    return [Plain(np.ones((3, 2))), Plain(np.zeros(()))]


def test_polyak_is_the_mean():
    params = two()
    average = PolyakAverage(params)
    seen = walk(average, params, 20)
    for i, a in enumerate(average.averages):
        np.testing.assert_allclose(a, np.mean([s[i] for s in seen], axis=0), rtol=1e-12)


@pytest.mark.parametrize("warmup", [True, False])
def test_ema_is_its_formula(warmup):
    params = two()
    average = EMA(params, decay=0.7, warmup=warmup)
    seen = walk(average, params, 40)
    for i in range(2):
        a = seen[0][i]
        for n in range(2, 41):
            d = min(0.7, n / (n + 9)) if warmup else 0.7
            a = d * a + (1 - d) * seen[n - 1][i]
        np.testing.assert_allclose(average.averages[i], a, rtol=1e-12)


@pytest.mark.parametrize(("start", "every"), [(0, 1), (4, 1), (0, 5), (7, 4)])
def test_swa_is_the_mean_of_the_ends_of_the_cycles(start, every):
    params = two()
    average = SWA(params, start=start, every=every)
    seen = walk(average, params, 23)
    ends = [s for t, s in enumerate(seen, 1) if t > start and (t - start) % every == 0]
    assert average.n == len(ends)
    for i, a in enumerate(average.averages):
        np.testing.assert_allclose(a, np.mean([s[i] for s in ends], axis=0), rtol=1e-12)


def test_swa_takes_where_its_rate_is_lowest():
    low = 0.01
    rate = schedules.swa(schedules.constant(1.0), 5, lr=0.1, cycle=4, lr_min=low)
    p = Plain(0.0)
    average = SWA([p], start=5, every=4)
    for t in range(21):
        before = average.n
        p.data[...] = rate(t)
        average.update()
        assert (average.n > before) == (rate(t) == pytest.approx(low))
    assert average.n == 4


@pytest.mark.parametrize("every", [1, 3])
def test_the_mean_is_that_of_pytorch(torch, every):
    params = two()
    net = torch.nn.Linear(2, 3).double()
    theirs = torch.optim.swa_utils.AveragedModel(net)
    average = SWA(params[:1], every=every)
    for t, (w, _) in enumerate(walk(average, params, 12), 1):
        with torch.no_grad():
            net.weight.copy_(torch.from_numpy(w))
        if t % every == 0:
            theirs.update_parameters(net)
    expected = theirs.module.weight.detach().numpy()
    np.testing.assert_allclose(average.averages[0], expected, rtol=1e-12)


@every_kind
def test_swapping_in_and_out(kind):
    params = two()
    average = KINDS[kind](params)
    walk(average, params, 9)
    arrays, now = [p.data for p in params], [p.data.copy() for p in params]
    with average.applied():
        for p, a in zip(params, average.averages, strict=True):
            assert (p.data == a).all()
            assert p.touched == 1
            assert not np.shares_memory(p.data, a)
        assert (params[0].data != now[0]).all()
    for p, array, value in zip(params, arrays, now, strict=True):
        assert p.data is array
        assert (p.data == value).all()
        assert p.touched == 2
    average.write()
    assert (params[0].data == average.averages[0]).all()


@every_kind
def test_an_error_inside_gives_the_weights_back(kind):
    params = two()
    average = KINDS[kind](params)
    walk(average, params, 9)
    now = params[0].data.copy()
    with pytest.raises(ZeroDivisionError), average.applied():
        raise ZeroDivisionError
    assert (params[0].data == now).all()
    with average.applied():
        pass


@every_kind
def test_misuse_is_refused(kind):
    params = two()
    average = KINDS[kind](params)
    with pytest.raises(RangeError, match="averaged nothing yet"), average.applied():
        pass
    walk(average, params, 9)
    with average.applied():
        with pytest.raises(GraphError, match="average the average"):
            average.update()
        with pytest.raises(GraphError, match="already applied"), average.applied():
            pass
        assert (params[0].data == average.averages[0]).all()
    with pytest.raises(RangeError, match="no parameters"):
        KINDS[kind]([])
    with pytest.raises(RangeError, match="same parameter"):
        KINDS[kind](params + params)
    with pytest.raises(DTypeError, match="not a parameter"):
        KINDS[kind]([1.0])


@every_kind
def test_a_state_goes_on_bit_by_bit(kind):
    params, others = two(), two()
    average, again = KINDS[kind](params), KINDS[kind](others)
    walk(average, params, 10)
    again.load_state_dict(average.state_dict())
    for p, q in zip(params, others, strict=True):
        q.data[...] = p.data
    walk(average, params, 10, seed=1)
    walk(again, others, 10, seed=1)
    one, two_ = average.state_dict(), again.state_dict()
    assert one.keys() == two_.keys()
    assert all(np.array_equal(one[k], two_[k]) for k in one)
    fresh = KINDS[kind](two())
    fresh.load_state_dict(KINDS[kind](two()).state_dict())
    assert fresh.averages == []


def test_a_state_that_does_not_fit_is_refused():
    params = two()
    average = PolyakAverage(params)
    walk(average, params, 3)
    state = average.state_dict()
    with pytest.raises(RangeError, match="saved by PolyakAverage, not by EMA"):
        EMA(params).load_state_dict(state)
    with pytest.raises(ShapeError, match="more than the 1 parameters"):
        PolyakAverage(params[:1]).load_state_dict(state)
    with pytest.raises(ShapeError, match="nothing for extra"):
        PolyakAverage([*params, ("extra", Plain(1.0))]).load_state_dict(state)
    with pytest.raises(ShapeError, match=r"float64 \(3, 2\) for w"):
        PolyakAverage([("w", Plain([1.0])), params[1]]).load_state_dict(state)


def test_buffers_are_recomputed_inside_and_given_back():
    p, running = Plain(np.ones(3)), Plain(np.full(3, 7.0))

    def refresh():  # as a pass over the training data would
        running.data[...] = 2 * p.data
        running.touch()

    average = SWA([p], buffers=[running], refresh=refresh)
    for value in (1.0, 3.0):
        p.data[...] = value
        average.update()
    with average.applied():
        assert running.data.tolist() == [4.0] * 3
    assert running.data.tolist() == [7.0] * 3
    average.write()
    assert running.data.tolist() == [4.0] * 3


def test_a_real_tensor_knows_that_it_was_written():
    p = Tensor([1.0, 2.0], requires_grad=True)
    ema = EMA([p], decay=0.5, warmup=False)
    ema.update()
    p.data[...] = 5.0
    loss = (p * p).sum()
    with ema.applied(), pytest.raises(GraphError):
        loss.backward()


def test_one_function_has_the_weights_of_all():
    """The weights of n values, the newest last, are those that its docstring states."""
    mean = [1.0]
    moving = [1.0]
    for n in range(2, 9):
        for shares, w in (
            (mean, newest_weight(n)),
            (moving, newest_weight(n, 0.6, warmup=True)),
        ):
            shares[:] = [(1 - w) * s for s in shares] + [w]
    np.testing.assert_allclose(mean, 1 / 8)
    assert sum(moving) == pytest.approx(1)
    assert moving[-1] == pytest.approx(1 - 8 / 17)  # 0.6 is larger: it still warms up
    assert newest_weight(100, 0.6, warmup=True) == pytest.approx(0.4)
    assert newest_weight(1, 0.6) == newest_weight(1) == 1


@every_kind
def test_the_same_on_every_device_and_nothing_is_read(kind, device, meter):
    found = []
    for where in ("cpu", device):
        p = Tensor(np.arange(6.0), requires_grad=True, device=where)
        average = KINDS[kind]([p])
        for _ in range(9):
            p.data *= 1.1
            average.update()
        found.append(to_numpy(average.averages[0]).copy())
    with meter() as spent:
        average.update()
    assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
